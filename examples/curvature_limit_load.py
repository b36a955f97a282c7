"""Towards the limit load: the disc ends in a hemisphere, the square lets go.

    python examples/curvature_limit_load.py limit.png

A constant load is carried up to lambda*, the least perimeter over area of a region inside (Cheeger's constant): 2 for
the unit disc, 2 + sqrt(pi) for the unit square. The disc is its own worst region, and at lambda* the film is a
hemisphere, vertical all round. The worst region of the square has rounded corners, and on it the film sinks without
bound: at lambda* it hangs lower on every finer mesh.
"""

from __future__ import annotations

import sys
from pathlib import Path

import numpy as np
from matplotlib.figure import Figure

from mezzofanti.curvature import Mesh, critical_load, density
from mezzofanti.curvature.experiments import falling

SHARES = (0.3, 0.5, 0.7, 0.8, 0.9, 0.95, 0.98, 1.0)
SQUARE_LIMIT = 2 + np.sqrt(np.pi)


def main(path: Path) -> None:
    found = critical_load(Mesh.rectangle(cells=32), density(1.0)).value
    print(f"lambda* of the unit square: {found:.4f} computed, 2 + sqrt(pi) = {SQUARE_LIMIT:.4f}")
    figure = Figure(figsize=(7.2, 4.6))
    axes = figure.add_subplot()
    disc = falling(Mesh.disc(refinement=4), density(2.0), SHARES)
    axes.plot(SHARES, disc, "o-", label="disc")
    shares = np.linspace(0.05, 1, 200)
    axes.plot(shares, 1 / shares - np.sqrt(1 / shares**2 - 1), ":", color="#5b6475", label="disc, exact")
    print("depth of the disc at lambda*:", f"{disc[-1]:.3f} (a hemisphere: 1)")
    for cells in (16, 32, 64):
        depths = falling(Mesh.rectangle(cells=cells), density(SQUARE_LIMIT), SHARES)
        axes.plot(SHARES, depths, "s-", ms=4, label=f"square, {cells} x {cells} cells")
        print(f"square, {cells:3} cells: depth {depths[-2]:.3f} at 0.98 lambda*, {depths[-1]:.3f} at lambda*")
    axes.set_xlabel("share of the limit load")
    axes.set_ylabel("depth of the film")
    axes.legend(frameon=False)
    figure.savefig(path, dpi=130, bbox_inches="tight")
    print(f"wrote {path}")


if __name__ == "__main__":
    main(Path(sys.argv[1] if len(sys.argv) > 1 else "limit.png"))
