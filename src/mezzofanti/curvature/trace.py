"""How a film ends at its boundary: it keeps its values there, leaves them, or neither can be said.

The relaxed film's distance from its values in L1, G = sum of m_i |u_i - phi_i|, is what the relaxed problem pays for a
trace that is not phi. If G is 0 on some mesh, the trace agrees. If a jump is larger than what one cell can hide
(`Newton.left`), it does not. Between the two the mesh is refined, its boundary values carried along, and G is watched:
where the film meets the boundary vertically, G falls like the root of the cell's size, by 2^(-1/2) a refinement, and
faster where only places of no length are left, such as the inner corners of a hole; where the film detaches, G tends
to a positive number. So a film whose G falls more slowly on the finest two meshes is detached. (Derived here.)
"""

from __future__ import annotations

import numpy as np

from mezzofanti.curvature.film import Detachment, Outcome
from mezzofanti.curvature.measures import Measure
from mezzofanti.curvature.mesh import Floats, Mesh
from mezzofanti.curvature.newton import LET_GO, Lost, Newton

__all__ = ["ending"]

LOOKS = 2  # Meshes finer than the film's own on which the film is looked at.
MOST = 30_000  # Nodes of the finest of them, at most.
VANISHES = 0.75  # Ratio of two G one refinement apart: 2^(-1/2), and a little for what else changes.
COARSE_ENOUGH = 1e-6  # Newton's tolerance there.


def ending(
    newton: Newton, u: Floats, load: Measure, coarser: float | None
) -> tuple[Floats, Outcome, Detachment]:
    """Return the film u (N,) as it ends, how, and where it is detached. Raises Lost where it cannot be held again.

    u: the minimiser. coarser: G on the mesh that this one was refined from, if it was.
    """
    none = Detachment.none(newton.mesh)
    if not newton.relaxed:
        holds = bool((np.abs(newton.pull(u)) <= 1 + LET_GO).all())
        return u, "attained" if holds else "undecided", none
    if not newton.off(u).any():
        return u, "attained", none
    left = newton.left(u)
    if left.any():
        return u, "detached", _detachment(newton, left)
    outcome = _looked_at(newton, u, load, coarser)
    if outcome == "detached":
        return u, outcome, _detachment(newton, newton.off(u))
    return newton.held_again(u), outcome, none


def _looked_at(newton: Newton, u: Floats, load: Measure, coarser: float | None) -> Outcome:
    """Return what finer meshes say, or where there is room for none, the coarser one: it may not suffice."""
    before, gap = np.inf, newton.gap(u)
    if 4 * len(u) > MOST:
        return "attained" if coarser is not None and gap <= VANISHES * coarser else "undecided"
    for _ in range(LOOKS):
        if 4 * len(u) > MOST:
            break
        try:
            newton, u = _on_finer(newton, u, load)
        except Lost:
            return "undecided"
        if not newton.off(u).any():
            return "attained"
        if newton.left(u).any():
            return "detached"
        before, gap = gap, newton.gap(u)
    return "attained" if gap <= VANISHES * before else "detached"


def _on_finer(newton: Newton, u: Floats, load: Measure) -> tuple[Newton, Floats]:
    """Return the relaxed film over the same polygon, with the same boundary values, on the mesh refined once."""
    # As a bare mesh: a disc that is refined bends its rim, and would be another domain.
    mesh = _same_polygon(newton.mesh)
    held = mesh.prolong(newton.held)
    held[mesh.interior] = 0.0
    finer = Newton(
        mesh, load.load(mesh), held, relaxed=True, tolerance=COARSE_ENOUGH, max_steps=newton.max_steps
    )
    return finer, finer.run(mesh.prolong(u))


def _same_polygon(mesh: Mesh) -> Mesh:
    return Mesh(mesh.points, mesh.triangles).refined()


def _detachment(newton: Newton, jumps: Floats) -> Detachment:
    mesh, nodes = newton.mesh, np.flatnonzero(jumps)
    faces = mesh.boundary_faces[(jumps[mesh.boundary_faces] != 0).all(axis=1)]
    return Detachment(nodes, jumps[nodes], faces, float(newton.shares[nodes].sum()))
