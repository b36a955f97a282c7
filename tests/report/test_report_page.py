"""The page holds what it promises, asks nothing of the network, and shows hostile answers as text."""

from __future__ import annotations

import json
import re
from collections.abc import Callable
from html.parser import HTMLParser
from pathlib import Path

import pytest
from rich.console import Console

from mezzofanti.errors import DataError
from mezzofanti.report import matrix_table, school_picture, verdict_lines, write_report

Maker = Callable[..., Path]
HOSTILE = (
    "</td><script>document.title='owned'</script><img src=x onerror=alert(1)>"
    "\"'><svg onload=alert(2)>{{ 7*7 }}[bold]$\\frac{$ \u202e"
)


class Tags(HTMLParser):
    """Collects every tag with its attributes, and all text."""

    def __init__(self, page: str) -> None:
        super().__init__()
        self.tags: list[tuple[str, dict[str, str | None]]] = []
        self.text = ""
        self.feed(page)

    def handle_starttag(self, tag: str, attrs: list[tuple[str, str | None]]) -> None:
        self.tags.append((tag, dict(attrs)))

    def handle_data(self, data: str) -> None:
        self.text += data


def page_of(folders: list[Path], path: Path, **options: object) -> str:
    """Write the report and read it back."""
    write_report(folders, path / "report.html", **options)  # type: ignore[arg-type]
    return (path / "report.html").read_text("utf-8")


def test_everything_promised_is_there(school: list[Path], tmp_path: Path) -> None:
    text = Tags(page_of(school, tmp_path, notes=["Made on two cores."])).text
    for promised in (
        "Sequential lost its English. Replay and Recurrent-KIF kept theirs.",
        "Recurrent-KIF does not beat Replay here",
        "Made on two cores.",
        "Write 314 in words.",
        "trois cent vingt et un",
        "after Spanish",
        "1,228,800",
        "recall",
        "Written by a program from a template",
        "Written by the teacher smollm2-135m",
        "arXiv:1706.08840",
        "arXiv:2502.17510",
        "inner_steps",
        "2.13.0",
        "2 cores",
    ):
        assert promised in re.sub(r"\s+", " ", text), promised


def test_what_not_all_have_learned_is_left_out_and_named(learner: Maker, tmp_path: Path) -> None:
    rows = [[0, 0], [0.9, 0], [0.8, 0.5]]
    folders = [learner("sequential"), learner("replay", rows=rows, tasks=("english", "french"))]
    said = "Left out, because not all learners have it: Spanish (Sequential)."
    text = Tags(page_of(folders, tmp_path)).text
    assert said in text
    assert "after Spanish" not in text
    assert verdict_lines(folders)[-1] == said


def test_the_same_folders_make_the_same_bytes(school: list[Path], tmp_path: Path) -> None:
    assert page_of(school, tmp_path / "one") == page_of(school, tmp_path / "two")


def test_nothing_is_asked_of_the_network(school: list[Path], tmp_path: Path) -> None:
    page = page_of(school, tmp_path)
    tags = Tags(page).tags
    assert not [
        tag for tag, _ in tags if tag in {"script", "iframe", "object", "embed", "img", "base", "form"}
    ]
    assert not [attrs for _, attrs in tags if any(name.startswith("on") or name == "src" for name in attrs)]
    assert [attrs["href"] for tag, attrs in tags if tag == "link"] == ["data:,"]
    assert "url(" not in page
    assert "@import" not in page


def test_right_and_wrong_are_told_by_more_than_colour(school: list[Path], tmp_path: Path) -> None:
    page = page_of(school, tmp_path)
    # each mark stands once more in the explanation
    assert page.count("✓") - 1 == page.count(">right: <") > 10
    assert page.count("✗") - 1 == page.count(">wrong: <") > 10
    assert page.count("right after its own lessons: ") == 9


def test_foreign_text_carries_its_language(learner: Maker, tmp_path: Path) -> None:
    tags = Tags(page_of([learner("replay")], tmp_path)).tags
    assert tags[0][1].get("lang") is None or tags[0][0] == "html"
    assert {"en", "fr", "es"} <= {attrs["lang"] for _, attrs in tags if attrs.get("lang")}


def test_hostile_text_is_shown_as_text(learner: Maker, tmp_path: Path) -> None:
    folder = learner("sequential", hostile=HOSTILE)
    settings = (folder / "learner.yaml").read_text("utf-8")
    (folder / "learner.yaml").write_text(settings + "note: <script>alert(3)</script>\n", "utf-8")
    page = page_of([folder], tmp_path, title="<script>alert(4)</script>", notes=["<b onclick=x>"])
    parsed = Tags(page)
    assert not [tag for tag, _ in parsed.tags if tag in {"script", "img", "b"}]
    assert not [attrs for _, attrs in parsed.tags if any(name.startswith("on") for name in attrs)]
    assert "{{ 7*7 }}" in parsed.text
    assert "document.title='owned'" in parsed.text


def test_half_a_letter_does_not_stop_the_page(learner: Maker, tmp_path: Path) -> None:
    folder = learner("replay")
    path = folder / "tasks" / "01-english" / "answers.jsonl"
    rows = [{**json.loads(line), "answer": "cut \ud83d off"} for line in path.read_text("utf-8").splitlines()]
    path.write_text("".join(json.dumps(row) + "\n" for row in rows), "utf-8")
    assert "cut ? off" in page_of([folder], tmp_path)
    school_picture([folder], tmp_path / "picture.png")


def test_a_long_answer_is_cut_and_says_so(learner: Maker, tmp_path: Path) -> None:
    assert "760 characters more" in page_of([learner("sequential", hostile="ab " * 333 + "c")], tmp_path)


def test_a_bare_matrix_still_makes_a_page(learner: Maker, tmp_path: Path) -> None:
    bare = tmp_path / "bare"
    bare.mkdir()
    (bare / "matrix.json").write_bytes((learner("replay", done=2) / "matrix.json").read_bytes())
    text = Tags(page_of([bare], tmp_path)).text
    assert "Still learning." in text
    assert "More questions" not in text


def test_where_things_lie_is_not_told(learner: Maker, tmp_path: Path) -> None:
    folder = learner("replay")
    settings = (
        (folder / "learner.yaml").read_text("utf-8").replace("base:\n", "base:\n  path: /home/someone/base\n")
    )
    (folder / "learner.yaml").write_text(settings + f"forked_from: {tmp_path}/other\n", "utf-8")
    page = page_of([folder], tmp_path)
    assert "someone" not in page
    assert str(tmp_path) not in page


def test_verdict_lines_are_three_and_plain(school: list[Path]) -> None:
    lines = verdict_lines(school)
    assert len(lines) == 3
    assert lines[0].startswith("After three languages, Sequential answers 0 % of its English questions")
    assert "does not beat Replay" in lines[2]
    assert all("\u00a0" not in line for line in lines)


def test_the_matrix_in_the_terminal(learner: Maker) -> None:
    console = Console(width=80, record=True, force_terminal=False)
    console.print(matrix_table(learner("sequential", tasks=("english", "french", "spanish"))))
    text = console.export_text()
    assert "Sequential, LoRA, seed 0: % right" in text
    assert "after French" in text
    assert "• 53" in text
    assert "OP 28 ± 3, BWT −72 ± 6" in text


@pytest.mark.parametrize("suffix", [".png", ".svg"])
def test_the_picture_is_drawn_the_same_twice(school: list[Path], tmp_path: Path, suffix: str) -> None:
    for name in ("one", "two"):
        school_picture(school, tmp_path / f"{name}{suffix}")
    drawn = (tmp_path / f"one{suffix}").read_bytes()
    assert drawn == (tmp_path / f"two{suffix}").read_bytes()
    if suffix == ".png":
        assert int.from_bytes(drawn[16:20], "big") == 1800  # twice the 900 pixels it is read at
    assert sorted(path.name for path in tmp_path.glob(f"*{suffix}")) == [f"one{suffix}", f"two{suffix}"]


def test_the_picture_takes_any_answer(learner: Maker, tmp_path: Path) -> None:
    school_picture([learner("sequential", hostile="三百一十四 ᚠ " + HOSTILE)], tmp_path / "picture.png")
    assert (tmp_path / "picture.png").stat().st_size > 10_000


def test_no_answers_no_picture(learner: Maker, tmp_path: Path) -> None:
    folder = learner("replay")
    for path in folder.glob("tasks/*/answers.jsonl"):
        path.unlink()
    with pytest.raises(DataError, match="share no question"):
        school_picture([folder], tmp_path / "picture.png")


def test_partial_scores_show_how_much(learner: Maker, tmp_path: Path) -> None:
    folder = learner("replay")
    path = folder / "tasks" / "03-spanish" / "answers.jsonl"
    rows = [{**json.loads(line), "score": 0.62} for line in path.read_text("utf-8").splitlines()]
    path.write_text("".join(json.dumps(row) + "\n" for row in rows), "utf-8")
    assert "62\u00a0%" in page_of([folder], tmp_path)
