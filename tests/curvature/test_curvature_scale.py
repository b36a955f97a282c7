"""What makes large films cheap: kernels that agree with slow sums, hierarchies that serve twice, few steps."""

from __future__ import annotations

import numpy as np
import pytest

from mezzofanti.curvature import Mesh, density, exact, solve_dirichlet
from mezzofanti.curvature import linear as linear_module
from mezzofanti.curvature.kernels import Kernels
from mezzofanti.curvature.linear import PositiveSolver
from mezzofanti.curvature.operator import AreaOperator
from mezzofanti.errors import SolverError

MESHES = [Mesh.interval(cells=7), Mesh.disc(refinement=2), Mesh.box((0, 1), (0, 1), (0, 2), cells=3)]


@pytest.mark.parametrize("mesh", MESHES)
def test_kernels_agree_with_sums_over_cells(mesh: Mesh) -> None:
    u = np.random.default_rng(0).standard_normal(len(mesh.points))
    kernels, corners = Kernels(mesh), mesh.dimension + 1
    whole, forces = np.zeros((len(u), len(u))), np.zeros(len(u))
    for cell, nodes in enumerate(mesh.triangles):
        hats, volume = mesh.hat_gradients[cell], mesh.areas[cell]
        p = u[nodes] @ hats
        q = np.sqrt(1 + p @ p)
        assert kernels.slope(u)[:, cell] == pytest.approx(p)
        forces[nodes] += volume * hats @ p / q
        turn = volume / q * (np.eye(mesh.dimension) - np.outer(p, p) / q**2)
        for a in range(corners):
            for b in range(corners):
                whole[nodes[a], nodes[b]] += hats[a] @ turn @ hats[b]
    operator, inside = AreaOperator(mesh), mesh.interior
    assert operator.residual(u, np.zeros(len(u))) == pytest.approx(forces, abs=1e-12)
    assert operator.jacobian(u).toarray() == pytest.approx(whole[np.ix_(inside, inside)], abs=1e-12)


def test_the_matrix_has_sorted_columns_and_no_entry_twice() -> None:
    mesh = MESHES[1]
    matrix = AreaOperator(mesh).jacobian(np.zeros(len(mesh.points)))
    assert matrix.has_canonical_format


def system(steepness: float) -> tuple[linear_module.sparse.csr_matrix, np.ndarray]:
    mesh = Mesh.disc(refinement=5)
    matrix = AreaOperator(mesh).jacobian(steepness * np.sin(5 * mesh.points[:, 0]))
    return matrix, np.random.default_rng(1).standard_normal(matrix.shape[0])


def test_a_hierarchy_serves_while_it_preconditions_well(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(linear_module, "LARGEST_DIRECT", 100)
    built: list[int] = []
    build = linear_module._multigrid
    monkeypatch.setattr(linear_module, "_multigrid", lambda matrix: built.append(1) or build(matrix))
    solver = PositiveSolver()
    for steepness, expected in ((1.0, 1), (1.01, 1), (30.0, 2), (30.1, 2)):
        matrix, right = system(steepness)
        solution = solver(matrix, right, 1e-9)
        assert np.linalg.norm(matrix @ solution - right) < 1e-8 * np.linalg.norm(right)
        assert len(built) == expected


def test_iterations_that_end_nowhere_are_an_error(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(linear_module, "LARGEST_DIRECT", 100)
    monkeypatch.setattr(linear_module, "MOST_ITERATIONS", 1)
    with pytest.raises(SolverError, match="nearly vertical"):
        PositiveSolver()(*system(1.0))


def test_the_finest_mesh_needs_as_few_steps_whatever_its_size() -> None:
    known, steps = exact.scherk(), []
    for cells in (16, 32, 64):
        mesh = Mesh.rectangle((-1.2, 1.2), (-1.2, 1.2), cells=cells)
        film = solve_dirichlet(mesh, density(0.2), known.height)
        steps.append(sum(step.nodes == len(mesh.points) for step in film.history))
    assert steps[-1] <= steps[0] <= 5
