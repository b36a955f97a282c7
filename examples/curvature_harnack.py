"""Harnack's inequality for minimal graphs: false on a fixed half ball, true on a small one.

    python examples/curvature_harnack.py harnack.png

Over the unit disc take the boundary value K where x > 1/4 and 0 elsewhere. As K grows the film tears upwards along
the chord x = 1/4: the largest value on the disc of radius 1/2 grows like K, the middle stays below 1.
"""

from __future__ import annotations

import sys
from pathlib import Path

from matplotlib.figure import Figure

from mezzofanti.curvature.experiments import Growth, harnack_growth

HEIGHTS = (0.1, 1.0, 2.0, 4.0, 8.0)


def draw(rows: list[Growth], path: Path) -> None:
    """Draw both quotients against K."""
    figure = Figure(figsize=(7.2, 4.6))
    axes = figure.add_subplot()
    heights = [row.height for row in rows]
    axes.loglog(heights, [row.on_half for row in rows], "o-", label="on the disc of radius 1/2: no bound")
    axes.loglog(heights, [row.on_eighth for row in rows], "s-", label="on the disc of radius 1/8")
    axes.loglog(heights, [row.middle for row in rows], "^:", color="#5b6475", label="u(0), below 1")
    axes.set_xlabel("boundary value K on the arc x > 1/4")
    axes.set_ylabel("sup u / inf u")
    axes.legend(frameon=False)
    figure.savefig(path, dpi=130, bbox_inches="tight")


def main(path: Path) -> None:
    rows = harnack_growth(HEIGHTS)
    print("    K    u(0)   sup/inf on 1/2   on 1/8")
    for row in rows:
        print(f"{row.height:5.1f}  {row.middle:6.3f}  {row.on_half:12.2f}  {row.on_eighth:10.2f}")
    draw(rows, path)
    print(f"wrote {path}")


if __name__ == "__main__":
    main(Path(sys.argv[1] if len(sys.argv) > 1 else "harnack.png"))
