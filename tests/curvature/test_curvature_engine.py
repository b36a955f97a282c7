"""The second engine finds the same films, and says so where it is not installed."""

from __future__ import annotations

import numpy as np
import pytest

from mezzofanti.curvature import Mesh, density, on_curve, solve_dirichlet
from mezzofanti.curvature import engine as engine_module
from mezzofanti.curvature.engine import engine_heights, engine_is_installed
from mezzofanti.curvature.fields import Field
from mezzofanti.curvature.measures import Measure
from mezzofanti.errors import MissingExtraError

CASES: dict[str, tuple[Mesh, Measure, Field]] = {
    "square": (
        Mesh.rectangle((-1, 1), (-1, 1), cells=16),
        density(0.4) + on_curve([(-0.5, -0.1), (0.5, 0.3)], 0.8),
        lambda x, y: x * y,
    ),
    "disc": (Mesh.disc(refinement=3), density(1.5), lambda x, y: 0.2 * x),
    "cube": (Mesh.box((-1, 1), (-1, 1), (-1, 1), cells=4), density(1.0), lambda x, y, z: x * y - z),
}


@pytest.mark.parametrize("name", CASES)
def test_both_engines_find_the_same_film(name: str) -> None:
    if not engine_is_installed():
        pytest.skip("NGSolve absent: pip install 'mezzofanti[ngsolve]'")
    import ngsolve

    ngsolve.SetNumThreads(1)
    mesh, load, boundary = CASES[name]
    ours = solve_dirichlet(mesh, load, boundary, relaxed=False)
    theirs = engine_heights(mesh, load, boundary)
    assert np.ptp(theirs) > 0.1
    assert theirs == pytest.approx(ours.u, abs=1e-8)


def test_its_absence_is_said_with_the_cure(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(engine_module, "engine_is_installed", lambda: False)
    with pytest.raises(MissingExtraError, match="ngsolve"):
        engine_heights(Mesh.disc(refinement=2))
