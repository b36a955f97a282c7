"""The mean curvature measure of a given function, read off without a second derivative.

mu_h({i}) = - integral of g_h . D phi_i, with g_h = Du / sqrt(1 + |Du|^2) piecewise constant. It is exact for
creases on mesh edges, and because |g_h| < 1 the mass of any set of nodes is at most the total variation of the sum
of their hats.
"""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np
from numpy.typing import ArrayLike

from mezzofanti.curvature.checking import place
from mezzofanti.curvature.fields import Field, evaluate
from mezzofanti.curvature.mesh import Floats, Mesh
from mezzofanti.curvature.nodal import NodalMeasure
from mezzofanti.curvature.operator import AreaOperator
from mezzofanti.errors import ConfigurationError

__all__ = ["NodalMeasure", "mean_curvature_measure", "nodal_values", "truncated"]


def mean_curvature_measure(
    u: ArrayLike | Field | Mesh,
    mesh: Mesh | ArrayLike | Field | None = None,
    *,
    axes: Sequence[ArrayLike] | None = None,
    floor: float | None = None,
) -> NodalMeasure:
    """Return the discrete mean curvature measure of the graph of u.

    u: a function of arrays x, y; values (N,) at the nodes of `mesh`; or, with `axes` (one increasing array a
    coordinate) and no mesh, samples on their grid, u[i, j] at (x[i], y[j]). A mesh may also come first.
    u may jump, and be -inf where it is upper semicontinuous so: it is cut off at `floor`, by default one diameter of
    the domain below the lowest finite value. Cutting keeps u subharmonic, and as the floor sinks the measures
    converge (weakly) to that of u, so a set where u is -inf, which has no area, gets no mass of its own.
    Raises ConfigurationError for the wrong number of values, and for values that are NaN or +inf.
    Source: Dai, Trudinger, Wang, "The mean curvature measure" (2012).
    """
    if isinstance(u, Mesh):
        u, mesh = mesh, u  # type: ignore[assignment]
    if axes is not None and mesh is None and not callable(u):
        u, mesh = _samples(u, axes)  # type: ignore[arg-type]
    if not isinstance(mesh, Mesh) or isinstance(u, Mesh) or u is None:
        raise ConfigurationError(
            "A measure needs a function and a mesh.",
            cure="Call mean_curvature_measure(u, mesh), or mean_curvature_measure(samples, axes=(x, y)).",
        )
    field = u
    source = (lambda other: _masses(other, truncated(other, field, floor))) if callable(field) else None
    return NodalMeasure(mesh, _masses(mesh, truncated(mesh, field, floor)), source)


def _masses(mesh: Mesh, heights: Floats) -> Floats:
    masses = -AreaOperator(mesh).residual(heights, np.zeros(len(heights)))
    masses[mesh.boundary] = 0.0
    return masses


def truncated(mesh: Mesh, u: ArrayLike | Field, floor: float | None = None) -> Floats:
    """Return max(u, floor) at the nodes (N,), finite. The default floor is what `mean_curvature_measure` says."""
    if callable(u):
        with np.errstate(
            divide="ignore", invalid="ignore"
        ):  # log 0 is welcome; what is not is refused below.
            heights = np.asarray(u(*mesh.points.T), dtype=np.float64)
        heights = np.array(np.broadcast_to(heights, len(mesh.points)))
    else:
        heights = np.array(u, dtype=np.float64)
    if heights.shape != (len(mesh.points),) or np.isneginf(heights).all():
        return nodal_values(mesh, heights, "u")
    wrong = np.isnan(heights) | np.isposinf(heights)
    if wrong.any():
        where = place(mesh.points[np.argmax(wrong)])
        raise ConfigurationError(
            f"u is {heights[np.argmax(wrong)]} at {where}.",
            cure="Give one value a node, each finite or -inf.",
        )
    deep = np.isneginf(heights)
    if floor is None and deep.any():
        floor = float(heights[~deep].min()) - mesh.diameter
    return heights if floor is None else np.maximum(heights, floor)


def nodal_values(mesh: Mesh, values: ArrayLike | Field, name: str) -> Floats:
    """Return finite values (N,) at the nodes, from a number, an array (N,) or a function of x, y."""
    if callable(values):
        return np.array(evaluate(values, mesh.points, name))
    array = np.asarray(values, dtype=np.float64)
    if array.shape not in ((), (len(mesh.points),)) or not np.isfinite(array).all():
        raise ConfigurationError(
            f"{name} has shape {array.shape}, the mesh {len(mesh.points)} nodes, and each value must be finite.",
            cure="Give one value a node, a number, or a function of x and y.",
        )
    return np.array(np.broadcast_to(array, (len(mesh.points),)))


def _samples(values: ArrayLike, axes: Sequence[ArrayLike]) -> tuple[Floats, Mesh]:
    samples, coordinates = (
        np.asarray(values, dtype=np.float64),
        [np.asarray(x, dtype=np.float64) for x in axes],
    )
    counts = tuple(x.size for x in coordinates)
    rising = all(x.ndim == 1 and len(x) > 1 and (np.diff(x) > 0).all() for x in coordinates)
    if samples.shape != counts or not rising or len(counts) > 3:
        raise ConfigurationError(
            f"Samples of shape {samples.shape} do not lie on axes of {' x '.join(map(str, counts))} values.",
            cure="Give one increasing array a coordinate: samples[i, j] is u at (x[i], y[j]).",
        )
    return samples.ravel(), Mesh.grid(*coordinates)
