"""Meshes in files: JSON by itself, everything else through meshio (gmsh, VTK, XDMF and some forty more)."""

from __future__ import annotations

import contextlib
import importlib
import io
import json
from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np
from numpy.typing import NDArray

from mezzofanti.errors import ConfigurationError, DataError, require

if TYPE_CHECKING:
    from mezzofanti.curvature.mesh import Mesh

__all__ = ["read_mesh", "write_mesh"]

Floats = NDArray[np.float64]
Integers = NDArray[np.int64]

KINDS = {1: "line", 2: "triangle", 3: "tetra"}


def read_mesh(path: Path) -> tuple[Floats, Integers]:
    """Return points (N, n) and cells (T, n + 1). Raises DataError for a file that is absent or no mesh."""
    if not path.is_file():
        raise DataError(f"There is no mesh file {path}.", cure="Check the path.")
    return _read_json(path) if path.suffix == ".json" else _read_other(path)


def write_mesh(mesh: Mesh, path: Path, point_data: dict[str, Floats]) -> Path:
    """Write a mesh and values (N,) at its nodes; the file is whole or absent."""
    for name, values in point_data.items():
        if len(values) != len(mesh.points):
            raise ConfigurationError(
                f"{name!r} has {len(values)} values, the mesh {len(mesh.points)} nodes.",
                cure="Give one a node.",
            )
    path.parent.mkdir(parents=True, exist_ok=True)
    temporary = path.with_name(f".{path.stem}.part{path.suffix}")
    if path.suffix == ".json":
        content = {"points": mesh.points.tolist(), "triangles": mesh.triangles.tolist()}
        content |= {name: values.tolist() for name, values in point_data.items()}
        temporary.write_text(json.dumps(content), "utf-8")
    else:
        meshio = _meshio()
        space = np.zeros((len(mesh.points), 3))
        space[:, : mesh.dimension] = mesh.points
        options = {}
        if path.suffix in (".xdmf", ".xmf"):
            require("curvature", "h5py")  # meshio imports it even where it is not used
            options = {"data_format": "XML"}  # else its numbers would go to a second file
        if path.suffix not in meshio.extension_to_filetypes:
            raise ConfigurationError(
                f"{path} has no ending of a mesh file.", cure="End it in .vtu, .xdmf, .msh or .json."
            )
        cells = [(KINDS[mesh.dimension], mesh.triangles)]
        meshio.Mesh(space, cells, point_data=point_data).write(temporary, **options)
    temporary.replace(path)
    return path


def _read_json(path: Path) -> tuple[Floats, Integers]:
    try:
        content: dict[str, Any] = json.loads(path.read_text("utf-8"))
        points = np.asarray(content["points"], dtype=np.float64)
        cells = np.asarray(content["triangles"], dtype=np.int64)
    except (KeyError, TypeError, ValueError) as error:
        raise DataError(
            f"{path} does not hold a triangle mesh ({error}).",
            cure='Write {"points": [[x, y], ...], "triangles": [[a, b, c], ...]} with indices from 0.',
        ) from None
    return _checked(path, points, cells)


def _read_other(path: Path) -> tuple[Floats, Integers]:
    meshio = _meshio()
    said = io.StringIO()  # meshio prints what is wrong and ends the program
    try:
        with contextlib.redirect_stdout(said), contextlib.redirect_stderr(said):
            content = meshio.read(path)
    except (Exception, SystemExit) as error:  # its readers raise whatever the file makes them
        why = (
            " ".join(said.getvalue().strip().removeprefix("Error:").split())
            or str(error)
            or type(error).__name__
        )
        raise DataError(
            f"{path} is no mesh that meshio reads ({why.rstrip('.')}).", cure="Check the file and its ending."
        ) from None
    for dimension in (3, 2, 1):
        cells = content.cells_dict.get(KINDS[dimension])
        if cells is None or not len(cells):
            continue
        used, corners = np.unique(cells, return_inverse=True)
        points = np.asarray(content.points, dtype=np.float64)[used]
        if dimension < points.shape[1] and np.ptp(points[:, dimension:], axis=0).max() > 0:
            raise DataError(
                f"{path} holds {KINDS[dimension]} cells that do not lie in the first {dimension} coordinates.",
                cure="A film lies over a flat domain: mesh that domain.",
            )
        return _checked(path, points[:, :dimension], corners.reshape(cells.shape).astype(np.int64))
    raise DataError(f"{path} holds no intervals, triangles or tetrahedra.", cure="Mesh with simplices.")


def _checked(path: Path, points: Floats, cells: Integers) -> tuple[Floats, Integers]:
    """Check here what `Mesh` would check, so that the error names the file."""
    from mezzofanti.curvature.mesh import Mesh

    try:
        mesh = Mesh(points, cells)
    except ConfigurationError as error:
        raise DataError(f"{path}: {error.message}", cure=error.cure) from None
    return mesh.points, mesh.triangles


def _meshio() -> Any:
    require("curvature", "meshio")
    return importlib.import_module("meshio")
