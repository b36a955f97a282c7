"""A film in files for other programs, ParaView above all: VTU, and XDMF, whose numbers lie in an HDF5 file beside it.

Each file is whole or absent. An XDMF file holds the name of its HDF5 file, so the pair is written under its own names
in a folder of its own and then moved, numbers first. What stood there before goes first of all: at no moment does an
XDMF file name another film's numbers.
"""

from __future__ import annotations

import importlib
import os
import tempfile
from collections.abc import Sequence
from pathlib import Path
from typing import Any

import numpy as np

from mezzofanti.curvature.film import Film
from mezzofanti.curvature.meshfiles import KINDS
from mezzofanti.errors import ConfigurationError, nearest, require

__all__ = ["FILES", "check_formats", "write_film"]

FILES = {"vtu": ("film.vtu",), "xdmf": ("film.xdmf", "film.h5")}
"""The files of each format, the one to open first."""

NEEDS = {"vtu": ("meshio",), "xdmf": ("meshio", "h5py")}


def check_formats(formats: Sequence[str]) -> tuple[str, ...]:
    """Return the formats, each once. Raises ConfigurationError for one that is unknown, MissingExtraError."""
    for name in formats:
        if name not in FILES:
            raise ConfigurationError(f"{name!r} is no format for a film.", cure=nearest(name, FILES))
        require("curvature", *NEEDS[name])
    return tuple(dict.fromkeys(formats))


def write_film(film: Film, folder: Path, formats: Sequence[str] = ("vtu",)) -> list[Path]:
    """Write the film to `folder` in each format and return the paths, film.xdmf before film.h5.

    Files of the other formats, which an earlier film left there, are removed. Nodes carry u, prescribed_mass and
    measured_mass; cells carry steepness and flux.
    """
    chosen = check_formats(formats)
    folder.mkdir(parents=True, exist_ok=True)
    content = _surface(film) if chosen else None
    for name in FILES:
        for file in FILES[name]:
            (folder / file).unlink(missing_ok=True)
    for name in chosen:
        _write_whole(content, folder, FILES[name], name)
    return [folder / file for name in chosen for file in FILES[name]]


def _write_whole(content: Any, folder: Path, files: Sequence[str], file_format: str) -> None:
    with tempfile.TemporaryDirectory(dir=folder, prefix=f".film.{os.getpid()}.") as temporary:
        content.write(Path(temporary) / files[0], file_format=file_format)
        for file in reversed(files):
            (Path(temporary) / file).replace(folder / file)


def _surface(film: Film) -> Any:
    """The surface itself where there is room for it: a film over the plane stands at height u."""
    meshio = importlib.import_module("meshio")
    mesh = film.mesh
    space = np.zeros((len(mesh.points), 3))
    space[:, : mesh.dimension] = mesh.points
    if mesh.dimension < 3:
        space[:, mesh.dimension] = film.u
    flux = np.zeros((len(mesh.triangles), 3))
    flux[:, : mesh.dimension] = film.flux
    return meshio.Mesh(
        space,
        [(KINDS[mesh.dimension], mesh.triangles)],
        point_data={"u": film.u, "prescribed_mass": film.prescribed, "measured_mass": film.measure.masses},
        cell_data={"steepness": [film.steepness], "flux": [flux]},
    )
