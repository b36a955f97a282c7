"""Four sequences of surfaces and their measures: each tends to the measure of its limit, in the flat metric.

    python examples/curvature_weak_convergence.py weak.png

A smoothed kink gathers on a line; creases that come ever closer spread into a density; a steepening wall becomes a
free jump; and a sequence of your own, given as two functions. The theorem says that almost everywhere convergence of
the surfaces is enough. The figure shows the distances against k, the print their rates.
"""

from __future__ import annotations

import sys
from pathlib import Path

import numpy as np
from matplotlib.figure import Figure

from mezzofanti.curvature import Mesh, experiments, on_curve
from mezzofanti.curvature.experiments import Convergence, weak_convergence

STRIP = Mesh.rectangle((-0.5, 0.5), (-0.25, 0.25), cells=(256, 16))
SQUARE = Mesh.rectangle((-0.9, 0.9), (-0.9, 0.9), cells=72)
MIDDLE = ((-0.375, 0.375), (-0.125, 0.125))


def four_sequences() -> dict[str, Convergence]:
    """Return the flat distances of each sequence; boxes are fine across the direction in which mass moves."""
    kink = on_curve([(0, -0.25), (0, 0.25)], np.sqrt(2))
    steps = (4, 8, 16, 32)
    return {
        "smoothed kink": weak_convergence(
            experiments.smoothed_kink, kink, STRIP, steps=steps, box=MIDDLE, boxes=(97, 3)
        ),
        "creases into a density": weak_convergence(
            experiments.oscillating,
            experiments.oscillating_limit(),
            STRIP,
            steps=steps,
            box=MIDDLE,
            boxes=(96, 3),
        ),
        "wall into a free jump": weak_convergence(
            experiments.tending_to_a_jump,
            experiments.ring_measure(),
            SQUARE,
            steps=(4, 8, 16),
            box=((0, 0.8), (0, 0.8)),
            boxes=20,
        ),
        "your own: max(x, y/k)": weak_convergence(
            lambda k: lambda x, y: np.maximum(x, y / k),
            lambda x, y: np.maximum(x, 0),
            STRIP,
            steps=(2, 4, 8),
            box=MIDDLE,
            boxes=(49, 9),
        ),
    }


def draw(found: dict[str, Convergence], path: Path) -> None:
    """Draw distance against k on logarithmic axes, with the slope of 1/k beside it."""
    figure = Figure(figsize=(7.2, 5.0))
    axes = figure.add_subplot()
    for name, convergence in found.items():
        axes.loglog(
            convergence.steps, convergence.errors, "o-", label=f"{name} (rate {convergence.rate:.2f})"
        )
    k = np.array([2, 32])
    axes.loglog(k, 0.5 / k, ":", color="#5b6475", label="1/k")
    axes.set_xlabel("k")
    axes.set_ylabel("flat distance to the measure of the limit")
    axes.legend(frameon=False)
    figure.savefig(path, dpi=130, bbox_inches="tight")


def main(path: Path) -> None:
    found = four_sequences()
    for name, convergence in found.items():
        shown = ", ".join(
            f"k={k}: {e:.2g}" for k, e in zip(convergence.steps, convergence.errors, strict=True)
        )
        print(f"{name:24} {shown}; rate {convergence.rate:.2f}")
    draw(found, path)
    print(f"wrote {path}")


if __name__ == "__main__":
    main(Path(sys.argv[1] if len(sys.argv) > 1 else "weak.png"))
