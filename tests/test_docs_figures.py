"""The adapters' figures in README and docs are those of benchmarks/results, to the last digit that is printed.

Columns are found by their names, so that a table may get further ones and another order; every row must stand in the
file, and every cell whose column is known here must say what the file says.
"""

from __future__ import annotations

import re
from collections.abc import Iterator
from pathlib import Path
from statistics import mean
from typing import Any

import pytest
from benchmarks.adapters.quality.table import cells_of, summary
from benchmarks.school.table import table as school_table

from mezzofanti.files import read_json

ROOT = Path(__file__).parents[1]
PAGE = ROOT / "docs" / "benchmarks.md"
COLUMNS = {
    "English": "numbers-en",
    "French": "numbers-fr",
    "Spanish": "numbers-es",
    "German": "numbers-de",
    "agnews": "agnews",
    "dbpedia": "dbpedia",
    "sst-2": "sst-2",
    "stories": "stories-en",
    "dates": "date-en",
}
"""What the quality tables call their tasks."""
WORKLOADS = {"SmolLM2-135M": "smollm2-135m", "a block 4096 wide": "wide-block"}
Row = dict[str, str]


def result(name: str) -> Any:
    return read_json(ROOT / "benchmarks" / "results" / f"{name}.json")


def tables(text: str) -> list[list[Row]]:
    """The Markdown tables in a text: a list of rows each, every row by the names of its columns."""
    found: list[list[Row]] = []
    head: list[str] = []
    for line in text.splitlines():
        cells = [cell.strip() for cell in re.split(r"(?<!\\)\|", line.replace("**", "").strip()[1:-1])]
        if not line.startswith("|"):
            head = []
        elif not head:
            head, _ = cells, found.append([])
        elif set(line) - set("|-: "):
            found[-1].append(dict(zip(head, cells, strict=True)))
    return [rows for rows in found if rows]


def section(heading: str) -> str:
    """What stands under a heading of the page of benchmarks."""
    text = PAGE.read_text("utf-8").split(f"\n### {heading}", 1)[1]
    return re.split(r"\n#{2,3} ", text, maxsplit=1)[0]


def column(row: Row, beginning: str) -> str | None:
    """The cell under the one heading that begins so, None where there is none."""
    found = [cell for head, cell in row.items() if head.startswith(beginning)]
    assert len(found) < 2, beginning
    return found[0] if found else None


def title(row: Row) -> str:
    """The cell that says whose row it is: the first one with a name in backticks."""
    return next(cell for cell in row.values() if "`" in cell)


def names(row: Row) -> list[str]:
    """The names in the title of a row."""
    return re.findall(r"`([^`]+)`", title(row))


def differing(row: Row, expected: dict[str, str]) -> list[str]:
    """Which of the expected cells the row has otherwise; `expected` goes by the beginning of a heading."""
    told = {head: cell.replace("−", "-") for head in expected if (cell := column(row, head)) is not None}
    assert told
    return [
        f"{head}: {cell!r}, not {expected[head]!r}" for head, cell in told.items() if cell != expected[head]
    ]


# ---- quality: two studies of mixed tasks ---------------------------------------------------------------------------


def studied() -> Iterator[tuple[str, dict[str, Any], Row]]:
    """Every row of a quality table, with its study's name and what was found."""
    studies = result("malora_quality")["studies"]
    counting = {frozenset(summary(found)["tasks"]): name for name, found in studies.items()}
    for rows in tables(section("Quality")):
        tasks = frozenset(COLUMNS[head] for head in rows[0] if head in COLUMNS)
        if tasks and tasks in counting:
            yield from ((counting[tasks], studies[counting[tasks]], row) for row in rows)


def contestant(found: dict[str, Any], row: Row) -> str:
    """Whose row it is: its name, and its rate where that is not the one its search ended with."""
    name, rate = names(row)[0], column(row, "rate")
    searched = {cell["learning_rate"] for cell in found["cells"].get(name, {}).values()}
    return name if rate is None or float(rate) in searched else f"{name} at {float(rate):g}"


def printed(found: dict[str, Any], name: str, row: Row) -> dict[str, str]:
    """What the row of a contestant has to say."""
    known, cell = summary(found)["contestants"][name], next(iter(cells_of(found)[name].values()))
    if rank := re.search(r"\(rank (\d+)\)", title(row)):
        assert int(rank[1]) == cell["rank"], name
    said = {
        "parameters": f"{cell['trainable_parameters']:,}",
        "seeds": str(known["seeds"]),
        "average": f"{known['average']:.1f} ± {known['error']:.1f}"
        + " q" * (known["error_of"] == "questions"),
        "imbalance": f"{known['imbalance']:.1f}",
        "lost": f"{known['lost']:.1f}",
    }
    for head in row:
        if rival := re.match("minus `(.+?)`", head):
            against = summary(found, rival[1])["contestants"][name]
            gap, error = against["difference"], against["difference_error"]
            said[head] = "" if gap is None else f"{gap:+.1f} ± {error:.1f}"
        elif head in COLUMNS:
            score, seesaw = known["scores"][COLUMNS[head]], known["seesaw"][COLUMNS[head]]
            said[head] = f"{score:.0f}" + (f" ({seesaw:+.0f})" if "(" in row[head] else "")
    return said


def test_the_quality_tables_are_those_of_their_file() -> None:
    wrong, seen = [], set()
    for study, found, row in studied():
        for head in ("seeds", "average", "minus"):
            assert any(one.startswith(head) for one in row), f"{study} has no column {head}"
        if "alone" in title(row):
            expected = alone(found, row)
        else:
            name = contestant(found, row)
            assert name in cells_of(found), f"{study}: {title(row)} stands in no result"
            expected = printed(found, name, row)
            seen.add((study, name))
        wrong += [f"{study}, {title(row)}, {one}" for one in differing(row, expected)]
    assert wrong == []
    main = ("lora-equal", "molora-r8", "malora")
    assert {(study, name) for study in result("malora_quality")["studies"] for name in main} <= seen


def searched() -> Iterator[tuple[str, dict[str, float], Row]]:
    """Every row of a table of searches, with its study's name and what the search of its contestant found."""
    for rows in tables(section("Quality")):
        study = next(iter(rows[0])).replace(" ", "-")
        found = result("malora_quality")["studies"].get(study)
        if found and "seed 0" not in rows[0]:
            yield from ((study, found["search"][names(row)[0]], row) for row in rows)


def test_the_searches_are_those_of_their_file() -> None:
    rows = list(searched())
    for study, found, row in rows:
        told = {float(head): float(cell) for head, cell in list(row.items())[1:] if cell}
        expected = {float(rate): round(100 * score, 1) for rate, score in found.items()}
        assert told == expected, f"{study}, {title(row)}"
    seen = {(study, names(row)[0]) for study, _, row in rows}
    studies = result("malora_quality")["studies"].items()
    assert seen == {(study, name) for study, found in studies for name in found["search"]}


def test_the_differences_seed_by_seed_are_those_of_their_file() -> None:
    rows = [row for found in tables(section("Quality")) for row in found if "seed 0" in row]
    for row in rows:
        (one, other), found = (
            names(row),
            result("malora_quality")["studies"][next(iter(row)).replace(" ", "-")],
        )
        known = summary(found, other)["contestants"][one]
        expected = {f"seed {seed}": f"{points:+.1f}" for seed, points in known["by_seed"].items()}
        mark = " q" if len(expected) == 1 else ""
        mean_of_it = f"{known['difference']:+.1f} ± {known['difference_error']:.1f}{mark}"
        expected |= {f"seed {seed}": "" for seed in range(3) if f"seed {seed}" not in expected}
        assert differing(row, {**expected, "mean": mean_of_it}) == [], title(row)
    assert len(rows) >= 10


def alone(found: dict[str, Any], row: Row) -> dict[str, str]:
    """What the row of the tasks that were learned alone has to say."""
    single, rate = summary(found)["single"], column(row, "rate")
    rates = {found["single"][task]["learning_rate"] for task in single}
    assert rate is None or rates == {float(rate)}
    scores = {head: f"{single[COLUMNS[head]]:.0f}" for head in row if head in COLUMNS}
    return {**scores, "average": f"{mean(single.values()):.1f}"}


# ---- memory, step time, parameters, the school ---------------------------------------------------------------------


def measured(unit: str) -> Iterator[tuple[dict[str, Any], list[str], str]]:
    """Of the tables with the unit in a heading: what was measured of a workload, a row's names, its cell."""
    workloads = result("malora_speed")["workloads"]
    for rows in tables(section("Speed and memory")):
        if not any(unit in head for head in rows[0]):
            continue
        for row in rows:
            for head, cell in row.items():
                if workload := WORKLOADS.get(head.split(",")[0]):
                    yield workloads[workload], names(row), cell


def test_the_memory_is_that_of_its_file() -> None:
    cells = list(measured("tokens"))
    for workload, rows, cell in cells:
        for name in rows:
            assert cell == f"{workload['memory'][name]['saved_for_backward'] / 1e6:.0f}", name
    assert len(cells) >= 20


def test_the_step_time_is_that_of_its_file() -> None:
    cells = list(measured("step"))
    for workload, (above, *below), cell in cells:
        pairs = {(pair["above"], pair["below"]): pair for pair in workload["pairs"]}
        found = pairs[above, below[0]] if below else workload["contestants"][above]["to_lora-equal"]
        assert cell == f"{found['ratio']:.2f} ({found['low']:.2f} to {found['high']:.2f})", above
    assert len(cells) >= 12


def test_the_parameters_are_those_of_their_file() -> None:
    known = result("malora_parameters")["configurations"]
    (rows,) = [rows for rows in tables(section("Parameters")) if "adapter" in rows[0]]
    assert len(rows) >= 6
    for row in rows:
        found = known[row["adapter"].replace(",", "")]
        paper = found["paper_percent"]
        expected = {
            "trained": f"{found['counted'] / 1e6:.1f}",
            "the paper": "" if paper is None else f"{paper:.1f}",
        }
        assert differing(row, expected) == [], row["adapter"]
        assert row["%"] == f"{found['percent']:.2f}", row["adapter"]


@pytest.mark.parametrize("page", [ROOT / "README.md", PAGE], ids=lambda page: page.stem)
def test_the_school_is_that_of_its_file(page: Path) -> None:
    (known,) = tables(school_table(result("school")))
    (rows,) = [rows for rows in tables(page.read_text("utf-8")) if "method / adapter" in rows[0]]
    assert [row["method / adapter"] for row in rows] == [row["method / adapter"] for row in known]
    for row, expected in zip(rows, known, strict=True):
        assert differing(row, expected) == [], row["method / adapter"]
