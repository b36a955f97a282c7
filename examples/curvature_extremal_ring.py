"""The extremal ring: at the largest load a circle can carry, the film inside may hang at any depth.

    python examples/curvature_extremal_ring.py ring.png

Length on a circle of radius 1/2 has mass equal to its perimeter. The film outside leaves the circle vertically, and
the flat piece inside may be lowered by any amount: the wall has |g| = 1 as the vertical tangent had, so the measure is
the same. At the extremal load the Dirichlet problem has many solutions.
"""

from __future__ import annotations

import sys
from pathlib import Path

import numpy as np
from matplotlib.figure import Figure

from mezzofanti.curvature import Mesh, is_subharmonic, mean_curvature_measure
from mezzofanti.curvature.experiments import RING, extremal_ring

MESH = Mesh.rectangle((-1, 1), (-1, 1), cells=64)
DEPTHS = (0.0, 0.3, 1.0)


def main(path: Path) -> None:
    figure = Figure(figsize=(9.6, 4.2))
    profile, masses = figure.subplots(1, 2)
    x, radii = np.linspace(-1, 1, 801), np.linspace(0.1, 0.95, 18)
    for depth in DEPTHS:
        u = extremal_ring(depth)
        measure = mean_curvature_measure(u, MESH)
        of_discs = [measure.mass(disc=((0, 0), r)) for r in radii]
        verdict = is_subharmonic(u, MESH, balls=4)
        print(
            f"jump {depth:3.1f}: mass of the disc of radius 0.8 {measure.mass(disc=((0, 0), 0.8)):.5f}, "
            f"of radius 0.4 {measure.mass(disc=((0, 0), 0.4)):.5f}, subharmonic: {verdict.holds}"
        )
        profile.plot(x, u(x, 0 * x), label=f"jump {depth:g}")
        masses.plot(radii, of_discs, "o-", ms=3, label=f"jump {depth:g}")
    print(f"perimeter of the circle {2 * np.pi * RING:.5f}")
    masses.plot(radii, 2 * np.pi * radii, ":", color="#5b6475", label="perimeter")
    for axes, name in ((profile, "height along a diameter"), (masses, "mass of discs, by radius")):
        axes.set_title(name, fontsize=10)
        axes.legend(frameon=False)
    figure.savefig(path, dpi=130, bbox_inches="tight")
    print(f"wrote {path}")


if __name__ == "__main__":
    main(Path(sys.argv[1] if len(sys.argv) > 1 else "ring.png"))
