"""A film written for other programs is read back by meshio, number for number, and is whole or absent."""

from __future__ import annotations

import shutil
import sys
from pathlib import Path

import meshio
import numpy as np
import pytest
import yaml

from mezzofanti.cli import main
from mezzofanti.curvature import Film, Mesh, density, on_curve, solve_dirichlet
from mezzofanti.curvature.filmfiles import FILES, write_film
from mezzofanti.errors import ConfigurationError, MissingExtraError

EVERY = ("vtu", "xdmf")
NAMES = {"film.vtu", "film.xdmf", "film.h5"}


@pytest.fixture(scope="module")
def film() -> Film:
    return solve_dirichlet(Mesh.disc(refinement=3), density(0.5) + on_curve([(-0.5, 0), (0.5, 0.1)], 0.7))


def names(folder: Path) -> set[str]:
    return {path.name for path in folder.iterdir()}


@pytest.mark.parametrize("name", ["film.vtu", "film.xdmf"])
def test_what_is_written_is_read_back(film: Film, name: str, tmp_path: Path) -> None:
    write_film(film, tmp_path, EVERY)
    read = meshio.read(tmp_path / name)
    assert np.array_equal(read.points, np.column_stack([film.mesh.points, film.u]))
    assert np.array_equal(read.cells_dict["triangle"], film.mesh.triangles)
    assert np.array_equal(read.point_data["u"], film.u)
    assert np.array_equal(read.point_data["prescribed_mass"], film.prescribed)
    assert np.array_equal(read.point_data["measured_mass"], film.measure.masses)
    assert np.array_equal(read.cell_data["steepness"][0], film.steepness)
    assert np.array_equal(read.cell_data["flux"][0][:, :2], film.flux)


def test_the_pair_may_be_moved_together(film: Film, tmp_path: Path) -> None:
    # The name of the numbers stands inside the XDMF file: were it that of a temporary file, nothing would be read.
    write_film(film, tmp_path / "here", ["xdmf"])
    assert names(tmp_path / "here") == {"film.xdmf", "film.h5"}
    assert "film.h5:/" in (tmp_path / "here" / "film.xdmf").read_text()
    shutil.move(tmp_path / "here", tmp_path / "there")
    assert np.array_equal(meshio.read(tmp_path / "there" / "film.xdmf").point_data["u"], film.u)


@pytest.mark.parametrize("mesh", [Mesh.interval(cells=8), Mesh.ball(refinement=1)], ids=["line", "space"])
def test_on_the_line_and_in_space_too(mesh: Mesh, tmp_path: Path) -> None:
    film = solve_dirichlet(mesh, density(0.5))
    for path in write_film(film, tmp_path, EVERY):
        if path.suffix != ".h5":
            assert np.array_equal(meshio.read(path).point_data["u"], film.u)


def test_a_later_film_leaves_nothing_of_an_earlier_one(film: Film, tmp_path: Path) -> None:
    write_film(film, tmp_path, EVERY)
    assert names(tmp_path) == NAMES
    assert [path.name for path in write_film(film, tmp_path, ["vtu", "vtu"])] == ["film.vtu"]
    assert names(tmp_path) == {"film.vtu"}
    assert write_film(film, tmp_path, ()) == []
    assert names(tmp_path) == set()


def test_no_moment_leaves_a_half_written_pair(
    film: Film, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    write_film(solve_dirichlet(Mesh.disc(refinement=2)), tmp_path, ["xdmf"])
    move, seen = Path.replace, []

    def watched(self: Path, target: Path) -> Path:
        seen.append(names(tmp_path) & NAMES)
        return move(self, target)

    monkeypatch.setattr(Path, "replace", watched)
    write_film(film, tmp_path, ["xdmf"])
    assert seen == [set(), {"film.h5"}]

    def full_disk(self: meshio.Mesh, path: Path, file_format: str) -> None:
        path.write_text("half")
        raise OSError("No space left on device")

    monkeypatch.setattr(meshio.Mesh, "write", full_disk)
    with pytest.raises(OSError, match="No space"):
        write_film(film, tmp_path, ["vtu"])
    assert names(tmp_path) == set()


def test_a_format_that_is_unknown_or_not_installed_is_refused_before_anything_is_solved(
    film: Film, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    with pytest.raises(ConfigurationError, match="is no format"):
        write_film(film, tmp_path / "out", ["xmdf"])
    found = sys.modules["importlib.util"].find_spec  # type: ignore[attr-defined]
    monkeypatch.setattr("importlib.util.find_spec", lambda name: None if name == "h5py" else found(name))
    with pytest.raises(MissingExtraError, match="h5py"):
        write_film(film, tmp_path / "out", ["xdmf"])
    assert not (tmp_path / "out").exists()


@pytest.mark.parametrize("formats", [(), ("vtu",), ("xdmf",), EVERY], ids=["default", "vtu", "xdmf", "both"])
def test_the_command_writes_the_formats_that_are_asked_for(
    formats: tuple[str, ...],
    tmp_path: Path,
    monkeypatch: pytest.MonkeyPatch,
    capsys: pytest.CaptureFixture[str],
) -> None:
    recipe = tmp_path / "small.yaml"
    recipe.write_text(
        yaml.safe_dump({"domain": {"shape": "disc", "refinement": 2}, "loads": [{"density": 1}]})
    )
    options = [word for name in formats for word in ("--format", name)]
    asked = ["mezzo", "curvature", "solve", str(recipe), "--output", str(tmp_path / "out"), *options]
    monkeypatch.setattr(sys, "argv", asked)
    with pytest.raises(SystemExit) as ended:
        main()
    assert not ended.value.code
    expected = {file for name in formats or ("vtu",) for file in FILES[name]}
    assert names(tmp_path / "out") & NAMES == expected
    said = capsys.readouterr().out
    assert all(name in said for name in expected)


def test_the_command_names_the_nearest_format(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    monkeypatch.setattr(sys, "argv", ["mezzo", "curvature", "solve", "any.yaml", "--format", "xdfm"])
    with pytest.raises(SystemExit) as ended:
        main()
    assert ended.value.code == 2
    assert capsys.readouterr().err == "error: 'xdfm' is no format for a film. Did you mean 'xdmf'?\n"
