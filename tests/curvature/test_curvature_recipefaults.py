"""What is wrong in a recipe, its mesh file or an argument is said in one line: what, where, and the cure."""

from __future__ import annotations

import json
import sys
from pathlib import Path

import pytest
from recipe_file import write_recipe

from mezzofanti.cli import main
from mezzofanti.curvature import Mesh, NodalMeasure, density, flat_distance, solve_dirichlet
from mezzofanti.curvature.problem import read_problem, solve_problem
from mezzofanti.errors import ConfigurationError, DataError, MezzofantiError, SolverError


@pytest.mark.parametrize(
    ("content", "said"),
    [
        ("a: [", "is not YAML"),
        ("- 1", "holds no settings"),
        (b"title: \xe9t\xe9", "is not text in UTF-8: byte 7"),
        ({"domain": None}, "the domain names no shape. Write domain: {shape: ...}, one of disc, rectangle"),
        ({"loads": {"density": 1}}, "loads must be a list. Begin each load with `- `"),
        ({"loads": [{"density": float("nan")}]}, "load 1 density: must be a finite number, not nan"),
        ({"loads": [{"line": "here", "mass_per_length": 1}]}, "load 1 line: must be a list, not 'here'"),
        ({"boundary": [1, 2]}, "boundary: must be a number or a formula in quotes"),
        (
            {"domain": {"shape": "rectangle", "lower": [1, 1], "upper": [0, 0]}},
            "from (1.0, 1.0) to (0.0, 0.0)",
        ),
        (
            {"domain": {"shape": "rectangle", "divisions": 10**6}},
            "divisions: must be less than or equal to 2048",
        ),
        (
            {"domain": {"shape": "rectangle", "divisions": [4, -4]}},
            "domain divisions 2: must be greater than",
        ),
        ({"domain": {"shape": "rectangle", "divisions": 1}}, "the domain's mesh has no node inside"),
        (
            {"domain": {"shape": "polygon", "corners": [[0, 0], [1, 0], [0, 1]], "size": 1e-6}},
            "some 1e+12 nodes, and 5,000,000 is the most",
        ),
        ({"domian": {"shape": "disc"}}, "'domian'. Did you mean 'domain'?"),
        ({"domain": {"shape": "disk"}}, "'disk' is no shape of a domain. Did you mean 'disc'?"),
        ({"domain": {"shape": "disc", "radios": 1}}, "Did you mean 'radius'?"),
        (
            {"domain": {"shape": "disc", "refinement": 40}},
            "must be less than or equal to 10, not 40",
        ),
        (
            {"loads": [{"densty": 1}]},
            "load 1: one of density, line, point must be there, and there is densty.",
        ),
        ({"loads": [{"density": 1}, {"line": [[0, 0]], "mass": 1}]}, "load 2 has no key 'mass'"),
        ({"loads": [{"line": [[0, 0]], "mass_per_length": 1}]}, "load 1 line: has too few entries"),
        ({"loads": [{"point": [0, 0], "mass": 1}]}, "A point mass at (0, 0) is no mean curvature measure"),
        ({"boundary": "sin(z)"}, "names 'z', which is unknown"),
        ({"boundary": ".inf"}, "is not a formula"),
        ({"schema": 2}, "schema: must be 1, not 2"),
    ],
)
def test_what_is_wrong_in_a_recipe_is_named(tmp_path: Path, content: object, said: str) -> None:
    with pytest.raises(MezzofantiError) as caught:
        solve_problem(write_recipe(tmp_path, content), tmp_path / "out")
    assert said in str(caught.value)
    assert "\n" not in str(caught.value)
    assert caught.value.cure
    assert not (tmp_path / "out").exists()


def test_an_overload_writes_nothing(tmp_path: Path) -> None:
    with pytest.raises(SolverError, match="perimeter"):
        solve_problem(write_recipe(tmp_path, {"loads": [{"density": 2.3}]}), tmp_path / "out")
    assert not (tmp_path / "out").exists()


def test_a_missing_recipe_is_named(tmp_path: Path) -> None:
    with pytest.raises(ConfigurationError, match=r"There is no recipe .*nowhere\.yaml\. Check the path"):
        read_problem(tmp_path / "nowhere.yaml")
    write_recipe(tmp_path, {})
    with pytest.raises(ConfigurationError, match=r"Did you mean 'film\.yaml'"):
        read_problem(tmp_path / "flim.yaml")
    with pytest.raises(ConfigurationError, match="cannot be read: Is a directory"):
        read_problem(tmp_path)


@pytest.mark.parametrize(
    ("name", "content", "said"),
    [
        (
            "m.json",
            {"points": [[0, 0], [1, 0], [0, 1]], "triangles": [[0, 1, 9]]},
            "Cell 0 names node 9, and nodes",
        ),
        (
            "m.json",
            {"points": [[0, 0], [1, 0], [0, 1], [2, 2]], "triangles": [[0, 1, 2]]},
            "No cell uses node 3.",
        ),
        (
            "m.json",
            {"points": [[0, 0], [1, 0], [0, 1], [0.2, 0.2]], "triangles": [[0, 1, 2], [0, 1, 3]]},
            "m.json: Two cells overlap at (0.5, 0) (cells 0 and 1): one is turned inside out.",
        ),
        ("m.vtu", "garbage", "is no mesh that meshio reads (Couldn't read file"),
        ("m.foo", "garbage", "is no mesh that meshio reads (Could not deduce file format"),
    ],
)
def test_what_is_wrong_in_a_mesh_file_is_named_on_one_line(
    tmp_path: Path, capsys: pytest.CaptureFixture[str], name: str, content: object, said: str
) -> None:
    (tmp_path / name).write_text(content if isinstance(content, str) else json.dumps(content))
    with pytest.raises(DataError) as caught:
        solve_problem(write_recipe(tmp_path, {"domain": {"shape": "mesh", "file": name}}), tmp_path / "out")
    assert said in str(caught.value)
    assert "\n" not in str(caught.value)
    assert caught.value.cure
    assert capsys.readouterr() == ("", "")  # meshio prints, and would end the program


def test_what_a_reader_must_know_is_told_on_the_command_line_too(
    tmp_path: Path, capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    line = {"line": [[0, 0], [4, 0]], "mass_per_length": 0.5}
    path = write_recipe(tmp_path, {"domain": {"shape": "disc", "refinement": 3}, "loads": [line]})
    monkeypatch.setattr(
        sys, "argv", ["mezzo", "curvature", "solve", str(path), "--output", str(tmp_path / "out")]
    )
    with pytest.raises(SystemExit):
        main()
    assert "Note: 3 of the curve's length 4 lies outside and carries nothing." in capsys.readouterr().out


def test_a_function_of_the_wrong_shape_is_named() -> None:
    mesh = Mesh.disc(refinement=2)
    with pytest.raises(ConfigurationError, match=r"'boundary' gave values of shape \(3,\) at \d+ points"):
        solve_dirichlet(mesh, density(0.5), boundary=lambda x, y: [1.0, 2.0, 3.0])
    assert solve_dirichlet(mesh, boundary=lambda x, y: 0.25).u == pytest.approx(0.25)


@pytest.mark.parametrize("name", ["mesh", "mesh.foo"])
def test_a_mesh_file_of_no_known_kind_is_refused(name: str, tmp_path: Path) -> None:
    with pytest.raises(ConfigurationError, match="has no ending of a mesh file"):
        Mesh.disc(refinement=1).write(tmp_path / name)


def test_a_distance_is_the_same_both_ways_and_needs_a_mesh() -> None:
    box, mesh = ((0.0, 1.0), (0.0, 1.0)), Mesh.rectangle(cells=8)
    first, second = NodalMeasure(mesh, density(1.0).load(mesh)), density(1.5)
    there = flat_distance(first, second, box=box, boxes=4)
    assert there == pytest.approx(flat_distance(second, first, box=box, boxes=4))
    assert there == pytest.approx(0.5, rel=0.05)
    with pytest.raises(ConfigurationError, match="Neither measure lives on the nodes"):
        flat_distance(density(1.0), second, box=box)
