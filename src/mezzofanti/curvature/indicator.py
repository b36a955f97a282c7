"""How far each cell is from balance: an a posteriori indicator of the error of a film.

On a cell K with diameter h, eta_K^2 = h^2 nu(K)^2 / |K| + h / 2 sum over its sides S of r_S^2 / |S|, where
r_S = [g_h . n] |S| - nu(S) is what the flux leaves unbalanced across S. Both vanish for a crease on mesh lines.
Source: I. Babuska and W. C. Rheinboldt (1978) for residual indicators; here for div g = nu with line loads in nu.
"""

from __future__ import annotations

import numpy as np

from mezzofanti.curvature.crouzeix import SideFunctions, side_load
from mezzofanti.curvature.curvature import nodal_values
from mezzofanti.curvature.measures import Measure
from mezzofanti.curvature.mesh import Floats, Mesh
from mezzofanti.curvature.operator import AreaOperator

__all__ = ["error_indicator"]


def error_indicator(mesh: Mesh, u: Floats, measure: Measure) -> Floats:
    """Return eta (T,) of heights u (N,) at the nodes, in units of (volume)^(1/2), that of an H1-seminorm.

    The root of its sum of squares is equivalent to the error of the flux where slopes stay bounded. Raises
    ConfigurationError for another number of heights.
    """
    u = nodal_values(mesh, u, "u")
    functions = SideFunctions(mesh)
    load = side_load(functions, measure)
    flux = AreaOperator(mesh).flux(u)
    # Out of a cell through the side opposite corner k flows -n |K| g . D lambda_k.
    into = mesh.dimension * mesh.areas[:, None] * np.einsum("tcx,tx->tc", mesh.hat_gradients, flux)
    balance = np.bincount(functions.sides.ravel(), into.ravel(), minlength=functions.count) - load.on_sides
    balance[functions.rim] = 0.0
    across = (balance**2 / functions.sizes)[functions.sides].sum(axis=1)
    size = _diameters(mesh)
    return np.asarray(np.sqrt(size**2 * load.in_cells**2 / mesh.areas + size / 2 * across), dtype=np.float64)


def _diameters(mesh: Mesh) -> Floats:
    corners = mesh.points[mesh.triangles]
    spans = corners[:, :, None] - corners[:, None, :]
    return np.asarray(np.linalg.norm(spans, axis=3).max(axis=(1, 2)), dtype=np.float64)
