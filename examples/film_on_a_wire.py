"""A soap film over a disc, pulled down along an S-shaped wire: solve it, measure it, draw it.

    python examples/film_on_a_wire.py film.png

The film carries the wire by a crease: the jump of its flux across the wire is the wire's mass per unit of length.
"""

from __future__ import annotations

import sys
from pathlib import Path

import numpy as np

from mezzofanti.curvature import Film, Mesh, fit_mesh, on_curve, solve_dirichlet
from mezzofanti.curvature.plot import draw_film


def film_on_a_wire(refinement: int = 7, mass_per_length: float = 1.1) -> Film:
    """Return the film over the unit disc, its rim waved by 0.15 cos(3 angle), under an S-shaped wire."""
    along = np.linspace(-1, 1, 25)
    wire = np.column_stack([0.6 * along, 0.3 * np.sin(np.pi * along)])
    load = on_curve(wire, mass_per_length)
    mesh = fit_mesh(Mesh.disc(refinement=refinement), load)
    return solve_dirichlet(mesh, lambda x, y: 0.15 * np.cos(3 * np.arctan2(y, x)), load)


def main(picture: Path, refinement: int = 7) -> None:
    film = film_on_a_wire(refinement)
    inside = film.mesh.interior
    print(
        f"asked {film.prescribed[inside].sum():.6f}, measured {film.measure.total():.6f}, off by {film.mismatch:.0e}"
    )
    print(f"lowest {film.u.min():.4f}, steepest |g| {film.steepness.max():.4f}, area {film.area:.4f}")
    print(f"wrote {draw_film(film, picture, title='A film on a wire')}")


if __name__ == "__main__":
    main(Path(sys.argv[1] if len(sys.argv) > 1 else "film.png"))
