"""Critical loads of a constant density, which are Cheeger constants, against values found otherwise.

The reference is h = 1 / r with |{points at a distance of r or more from the outside}| = pi r^2 (B. Kawohl and
T. Lachand-Robert 2006 for convex domains; G. P. Leonardi, R. Neumayer and G. Saracco 2017 for plane domains without
necks). No finite elements enter it: the inner set is known in closed form, or by one integral for the ellipse.
"""

from __future__ import annotations

import time
from collections.abc import Callable
from typing import Any

import numpy as np
from scipy.integrate import quad
from scipy.optimize import brentq

from mezzofanti.curvature import Mesh, critical_load, density

__all__ = ["ellipse_constant", "items", "l_shape", "l_shape_constant", "summary"]

ELLIPSE = (1.0, 0.5)  # Half axes.


def items(small: bool) -> dict[str, Callable[[], Any]]:
    """Return the domains."""
    cells, rings = (8, 3) if small else (64, 6)
    return {
        "square": lambda: _compared(Mesh.rectangle((0, 1), (0, 1), cells=cells), 2 + np.sqrt(np.pi)),
        "disc": lambda: _compared(Mesh.disc(refinement=rings), 2.0),
        "ellipse": lambda: _compared(_ellipse(rings), ellipse_constant(*ELLIPSE)),
        "l_shape": lambda: _compared(l_shape(cells), l_shape_constant()),
    }


def summary(measured: dict[str, Any]) -> dict[str, Any]:
    """Return them as they are."""
    return {"critical_load": measured}


def _compared(mesh: Mesh, reference: float) -> dict[str, Any]:
    started = time.perf_counter()
    found = critical_load(mesh, density(1.0))
    seconds = time.perf_counter() - started
    return {
        "value": found.value,
        "reference": float(reference),
        "error": float(found.value / reference - 1),
        "lower": found.lower,
        "upper": found.upper,
        "nodes": len(mesh.points),
        "seconds": seconds,
    }


def _ellipse(rings: int) -> Mesh:
    disc = Mesh.disc(refinement=rings)
    return Mesh(disc.points * ELLIPSE, disc.triangles)


def ellipse_constant(a: float, b: float) -> float:
    """Return h of an ellipse: points of its inner set keep r from it, and its area is one integral."""

    def excess(r: float) -> float:
        # The inward offset of (a cos t, b sin t) meets the long axis where sqrt(b^2 cos^2 t + a^2 sin^2 t) = r a / b.
        share = ((r * a / b) ** 2 - b**2) / (a**2 - b**2) if a > b else -1.0
        first = float(np.arcsin(np.sqrt(np.clip(share, 0.0, 1.0))))

        def strip(t: float) -> float:
            w = np.sqrt(b**2 * np.cos(t) ** 2 + a**2 * np.sin(t) ** 2)
            return float(np.sin(t) ** 2 * (b - r * a / w) * (a - r * a**2 * b / w**3))

        return float(4 * quad(strip, first, np.pi / 2)[0] - np.pi * r**2)

    return float(1 / brentq(excess, 1e-6 * b, 0.999 * b))


def l_shape(cells: int) -> Mesh:
    """Return the square of side 2 without its upper right quarter, so many cells along 2."""
    whole = Mesh.rectangle((0, 2), (0, 2), cells=cells)
    kept = whole.triangles[~(whole.centroids > 1).all(axis=1)]
    used, corners = np.unique(kept, return_inverse=True)
    return Mesh(whole.points[used], corners.reshape(kept.shape))


def l_shape_constant() -> float:
    """Return h of that shape. Its inner set has the area 3 - 8 r + (5 - pi / 4) r^2, round at the inner corner."""
    return float(1 / brentq(lambda r: 3 - 8 * r + (5 - np.pi / 4) * r**2 - np.pi * r**2, 0.1, 0.5))
