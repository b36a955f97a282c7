"""What a first user types: the names, the order of arguments and the numbers that are promised."""

from __future__ import annotations

import numpy as np
import pytest

from mezzofanti.curvature import (
    InadmissibleLoad,
    Mesh,
    critical_load,
    density,
    exact,
    mean_curvature_measure,
    on_curve,
    solve_dirichlet,
)

BOX = ((-0.5, 0.5), (-0.5, 0.5))


def test_a_crease_is_found_exactly_and_its_mass_is_read_back() -> None:
    mesh = Mesh.rectangle((-1, 1), (-1, 1), cells=64)
    wire = on_curve([(0, -1), (0, 1)], weight=2 / 2**0.5)
    solution = solve_dirichlet(mesh, wire, boundary=lambda x, y: abs(x))
    assert np.abs(solution.values - np.abs(mesh.points[:, 0])).max() < 1e-9
    assert solution.measure.mass(box=BOX) == pytest.approx(2**0.5, abs=1e-9)
    assert mean_curvature_measure(lambda x, y: abs(x), mesh).mass(box=BOX) == pytest.approx(2**0.5, abs=1e-9)
    assert solution.outcome == "attained"
    assert exact.kink(1.0).measure.total(mesh) == pytest.approx(wire.total(mesh))


def test_the_unit_square_carries_its_cheeger_constant_and_no_more() -> None:
    mesh = Mesh.rectangle((0, 1), (0, 1), cells=64)
    critical = critical_load(mesh, density(1.0))
    assert critical.value == pytest.approx(2 + np.sqrt(np.pi), rel=0.01)
    with pytest.raises(InadmissibleLoad) as caught:
        solve_dirichlet(mesh, density(5.0), boundary=0.0)
    assert caught.value.value == pytest.approx((2 + np.sqrt(np.pi)) / 5, rel=0.01)
    assert caught.value.worst_set is not None
    assert caught.value.worst_set.center == pytest.approx([0.5, 0.5], abs=0.01)
