"""A recipe is read, solved and written out; what is wrong in it is named in one line."""

from __future__ import annotations

import importlib.util
import json
import re
import subprocess
import sys
from pathlib import Path
from typing import Any

import meshio
import numpy as np
import pyarrow.parquet as pq
import pytest
import yaml
from recipe_file import write_recipe

from mezzofanti.cli import main
from mezzofanti.curvature import Mesh
from mezzofanti.curvature.expression import parse_field
from mezzofanti.curvature.problem import read_problem, solve_problem
from mezzofanti.errors import ConfigurationError

ROOT = Path(__file__).parents[2]
READY = ROOT / "recipes" / "curvature" / "film-on-a-wire.yaml"


def test_the_ready_recipe_is_solved_and_written_out(tmp_path: Path) -> None:
    content = yaml.safe_load(READY.read_text())
    content["domain"]["refinement"] = 4
    film = solve_problem(write_recipe(tmp_path, content), tmp_path / "out")
    summary = json.loads((tmp_path / "out" / "solution.json").read_text())
    files = {"film.html", "film.png", "nodes.parquet", "solution.json", "timings.json", "triangles.parquet"}
    assert {p.name for p in (tmp_path / "out").iterdir()} == files | {"film.vtu"}
    assert summary["outcome"] == "attained"
    assert summary["admissibility"]["at_least"] > 1
    low, high = summary["admissibility"]["between"]
    assert low <= summary["admissibility"]["critical_load"] <= high <= 2 / 1.1
    assert json.loads((tmp_path / "out" / "timings.json").read_text())["newton_seconds"] > 0
    assert summary["steepest"] == film.steepness.max() < 1
    assert summary["mass_of_load"] == pytest.approx(1.1 * film.load.curves[0].length())
    assert summary["mass_measured_at_inner_nodes"] == pytest.approx(summary["mass_prescribed_at_inner_nodes"])
    assert summary["newton"][-1]["residual"] < 1e-10
    nodes, triangles = (pq.read_table(tmp_path / "out" / f"{n}.parquet") for n in ("nodes", "triangles"))
    assert np.array_equal(nodes["u"].to_numpy(), film.u)
    assert nodes["measured_mass"].to_numpy() == pytest.approx(nodes["prescribed_mass"].to_numpy(), abs=1e-10)
    assert np.hypot(triangles["flux_x"], triangles["flux_y"]).max() == pytest.approx(film.steepness.max())
    assert (tmp_path / "out" / "film.png").read_bytes().startswith(b"\x89PNG")


def test_the_page_stands_alone_and_says_what_the_summary_says(tmp_path: Path) -> None:
    recipe = {
        "title": "Near <its> limit",
        "domain": {"shape": "rectangle", "divisions": 16},
        "loads": [{"density": 3.65}],
    }
    film = solve_problem(write_recipe(tmp_path, recipe), tmp_path / "out")
    page = (tmp_path / "out" / "film.html").read_text("utf-8")
    summary = json.loads((tmp_path / "out" / "solution.json").read_text())
    assert film.outcome == summary["outcome"] == "detached"
    assert f"{film.detached.size:.3g} of the boundary&#x27;s length 4." in page
    assert "Near &lt;its&gt; limit" in page
    assert f"<strong>{summary['admissibility']['critical_load']:.4g}</strong>" in page
    assert page.count("data:image/png;base64,") == 2
    assert page.count("<circle") == len([step for step in film.history if step.residual > 0])
    assert not re.search(r"(src|href)=\"(?!data:)|<script|https?://|\$[a-z{]", page)
    left = pq.read_table(tmp_path / "out" / "nodes.parquet")["left_boundary_value_by"].to_numpy()
    assert (left < 0).sum() == summary["detached"]["nodes"] > 0


def test_a_polygon_that_crosses_itself_is_refused_where_it_does(tmp_path: Path) -> None:
    bow = {"domain": {"shape": "polygon", "corners": [[0, 0], [1, 1], [1, 0], [0, 1]]}}
    with pytest.raises(ConfigurationError, match=r"\(0\.5, 0\.5\)|cross"):
        solve_problem(write_recipe(tmp_path, bow), tmp_path / "out")
    triangle = {
        "domain": {"shape": "polygon", "corners": [[0, 0], [2, 0], [0, 2]], "size": 0.4},
        "loads": [{"density": 0.5}],
    }
    assert solve_problem(write_recipe(tmp_path, triangle), tmp_path / "out").u.min() < 0


@pytest.mark.parametrize(
    ("recipe", "said"),
    [
        ({"loads": [{"density": 2.3}]}, r"lambda\* = 0\.8\d+ of it is the most.*\(0, 0\) has perimeter 6\.2"),
        ({"loads": [{"density": "-1 + x"}]}, r"negative near \(-?[01]"),
        (
            {"loads": [{"line": [[3, 3], [4, 4]], "mass_per_length": 1}]},
            r"from \(3\.0, 3\.0\).*misses the domain",
        ),
        ({"boundary": "1 / (x - 1)"}, r"boundary.* not finite at \(1, "),
    ],
)
@pytest.mark.filterwarnings("ignore:divide by zero")
def test_the_command_line_says_in_one_line_what_is_wrong_and_where(
    tmp_path: Path,
    recipe: dict[str, object],
    said: str,
    capsys: pytest.CaptureFixture[str],
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    content = {"domain": {"shape": "disc", "refinement": 3}, **recipe}
    path = write_recipe(tmp_path, content)
    monkeypatch.setattr(
        sys, "argv", ["mezzo", "curvature", "solve", str(path), "--output", str(tmp_path / "out")]
    )
    with pytest.raises(SystemExit) as ended:
        main()
    assert ended.value.code == 2
    errors = capsys.readouterr().err
    assert errors.count("\n") == 1
    assert re.search(said, errors)
    assert not (tmp_path / "out").exists()


def test_the_command_line_tells_progress_and_outcome(
    tmp_path: Path, capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("mezzofanti.cli.curvature.QUIET_SECONDS", -1.0)
    path = write_recipe(tmp_path, {"domain": {"shape": "disc", "refinement": 3}, "loads": [{"density": 1.0}]})
    monkeypatch.setattr(
        sys, "argv", ["mezzo", "curvature", "solve", str(path), "--output", str(tmp_path / "out")]
    )
    with pytest.raises(SystemExit) as ended:
        main()
    said = capsys.readouterr()
    assert ended.value.code in (0, None)
    assert re.search(r"217 nodes, step 1: residual \d\.\de-\d+\n", said.err)
    assert "attained, lowest -0.2" in said.out
    assert "film.html" in said.out


def test_the_same_recipe_gives_the_same_numbers(tmp_path: Path) -> None:
    recipe = write_recipe(
        tmp_path, {"domain": {"shape": "rectangle", "divisions": 8}, "loads": [{"density": "1 + x"}]}
    )
    for name in ("one", "two"):
        solve_problem(recipe, tmp_path / name)
    one, two = ((tmp_path / name / "solution.json").read_bytes() for name in ("one", "two"))
    assert one == two


def test_a_mesh_file_is_found_beside_the_recipe(tmp_path: Path) -> None:
    corners = {"points": [[0, 0], [2, 0], [0, 2]], "triangles": [[0, 1, 2]]}
    (tmp_path / "corner.json").write_text(json.dumps(corners))
    recipe = {
        "domain": {"shape": "mesh", "file": "corner.json", "refinement": 3},
        "loads": [{"density": 0.5}],
    }
    film = solve_problem(write_recipe(tmp_path, recipe), tmp_path / "out")
    assert film.u.min() < 0 == film.u.max()


@pytest.mark.parametrize(
    ("text", "value"),
    [
        ("1.5", 1.5),
        ("-x**2 + 2*y", -0.25 + 0.5),
        ("r * cos(theta)", 0.5),
        ("where(x < 0.4, 1, maximum(y, pi))", np.pi),
        ("sqrt(abs(-4)) / +2", 1.0),
    ],
)
def test_formulas_mean_what_they_say(text: str, value: float) -> None:
    assert parse_field(text)(np.array([0.5]), np.array([0.25])) == pytest.approx(value)


@pytest.mark.parametrize(
    "text",
    [
        "__import__('os').system('true')",
        "x.__class__",
        "(lambda: 1)()",
        "[x for x in (1,)]",
        "open('f')",
        "x if y else 1",
        "'text'",
        "True",
        "cos",
        "cos(x, y)",
        "x @ y",
        "x := 1",
        "1 +",
        "(" * 400,
        "1" * 600,
        "",
    ],
)
def test_nothing_outside_the_grammar_is_evaluated(text: str) -> None:
    with pytest.raises(ConfigurationError):
        parse_field(text)


def test_a_formula_without_a_value_is_refused_where_it_is_used(tmp_path: Path) -> None:
    with pytest.raises(ConfigurationError, match=r"'9\*\*9\*\*9\*\*9' is not finite"):
        solve_problem(write_recipe(tmp_path, {"loads": [{"density": "9**9**9**9"}]}), tmp_path / "out")


def test_the_example_draws_its_picture(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    spec = importlib.util.spec_from_file_location("film_on_a_wire", ROOT / "examples" / "film_on_a_wire.py")
    assert spec is not None
    assert spec.loader is not None
    example = importlib.util.module_from_spec(spec)
    spec.loader.exec_module(example)
    example.main(tmp_path / "film.png", refinement=4)
    assert (tmp_path / "film.png").stat().st_size > 50_000
    assert "asked 1.9" in capsys.readouterr().out
    finer = [example.film_on_a_wire(refinement=k).u.min() for k in (4, 5)]
    assert finer[0] == pytest.approx(finer[1], abs=0.03)
    assert finer[1] == pytest.approx(-0.4731, abs=0.01)


def test_the_guide_works_as_written(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.chdir(tmp_path)
    guide = (ROOT / "docs" / "how-to" / "solve-a-film.md").read_text("utf-8")
    recipe, python = (re.findall(rf"```{kind}\n(.*?)```", guide, re.DOTALL) for kind in ("yaml", "python"))
    assert read_problem(write_recipe(tmp_path, recipe[0])).domain.refinement == 6
    Mesh.disc(refinement=2).write(tmp_path / "part.msh")
    names: dict[str, Any] = {}
    for block in python:
        exec(block.replace("refinement=6", "refinement=4").replace("nodes=3000", "nodes=600"), names)
    assert np.array_equal(meshio.read("part.xdmf").point_data["height"], names["part"].points[:, 0])
    assert len(names["curved"].middles) == len(names["mesh"].edges)
    assert len(names["local"].film.mesh.points) >= 600
    assert names["measure"].density.total() < 0.1 * names["measure"].singular.total()
    assert (tmp_path / "film.png").exists()
    assert names["measure"].in_box((-0.5, -0.5), (0.5, 0.5)) == pytest.approx(2**0.5, rel=0.1)


def test_importing_the_room_loads_nothing_heavy() -> None:
    code = "import sys, mezzofanti.curvature; print({'scipy', 'matplotlib', 'torch'} & set(sys.modules))"
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True)
    assert done.stdout.strip() == "set()"


def test_every_public_name_is_there() -> None:
    import mezzofanti.curvature as room

    assert all(getattr(room, name) is not None for name in room.__all__)
    assert set(room.__all__) <= set(dir(room))
    with pytest.raises(AttributeError, match="lambda_star"):
        room.lambda_star  # noqa: B018
