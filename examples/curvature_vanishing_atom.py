"""No film carries a point: put a small mass on one node, refine, and it falls.

    python examples/curvature_vanishing_atom.py atom.png

One node of a mesh carries at most the variation of its hat function, which halves with the spacing. A fixed mass is
carried on coarse meshes, deeper on each, until it is more than the node can hold: there is no limit to converge to.
"""

from __future__ import annotations

import sys
from pathlib import Path

import numpy as np
from matplotlib.figure import Figure

from mezzofanti.curvature.experiments import ScaleOfAtom, atom_on_meshes

MASS = 0.1


def draw(rows: list[ScaleOfAtom], path: Path) -> None:
    """Draw what a node can carry against the spacing, and the mass that is asked of it."""
    figure = Figure(figsize=(6.4, 4.4))
    axes = figure.add_subplot()
    spacing = np.array([row.spacing for row in rows])
    axes.loglog(spacing, [row.most for row in rows], "o-", label="most that one node carries")
    axes.axhline(MASS, color="#e8452c", label=f"the mass {MASS:g}")
    for row in rows:
        words = "falls" if np.isinf(row.depth) else f"hangs {row.depth:.3f} deep"
        axes.annotate(words, (row.spacing, row.most), textcoords="offset points", xytext=(6, -12), fontsize=9)
    axes.set_xlabel("spacing of the mesh")
    axes.set_ylabel("mass")
    axes.legend(frameon=False)
    figure.savefig(path, dpi=130, bbox_inches="tight")


def main(path: Path) -> None:
    rows = atom_on_meshes(MASS, (2, 3, 4, 5))
    for row in rows:
        print(
            f"spacing 1/{1 / row.spacing:.0f}: a node carries {row.most:.4f}, depth under {MASS:g}: {row.depth:.4f}"
        )
    draw(rows, path)
    print(f"wrote {path}")


if __name__ == "__main__":
    main(Path(sys.argv[1] if len(sys.argv) > 1 else "atom.png"))
