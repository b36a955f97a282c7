"""Masses on triangulated surfaces in space."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np

from mezzofanti.curvature.clipping import clip, fan
from mezzofanti.curvature.fields import Field, evaluate, gather, rule
from mezzofanti.curvature.locate import cell_tree
from mezzofanti.curvature.mesh import Floats, Integers, Mesh
from mezzofanti.curvature.refinement import EDGES, children
from mezzofanti.curvature.regions import Region
from mezzofanti.errors import ConfigurationError

__all__ = ["Surface"]

LEVELS = 5  # Triangles that a region cuts, but no box, are cut in four so many times.
_SMALL = 1e-13  # In barycentric shares: nearer than this, a point lies on the face.


@dataclass(frozen=True, eq=False)
class Surface:
    """rho dH^2 on triangles (S, 3, 3 coordinates): exact for rho of degree 3, as hats are linear on each cell."""

    pieces: Floats
    field: Field
    name: str
    factor: float = 1.0

    def load(self, mesh: Mesh) -> Floats:
        """Return the integrals (N,) of the hat functions; what lies outside the mesh carries nothing."""
        if mesh.dimension != 3:
            raise ConfigurationError(
                f"A surface in space was laid on a domain of dimension {mesh.dimension}.",
                cure="Use on_curve in the plane, point_mass on an interval.",
            )
        shares, cells, parts = _cut_by_cells(self.pieces, mesh)
        triangles = np.einsum("fvc,fcx->fvx", shares, mesh.points[mesh.triangles[cells]])
        masses = _areas(triangles) * parts
        at_shares, weights = rule(2)
        local = np.einsum("f,fq,q,qv,fvc->fc", masses, self._weights(triangles), weights, at_shares, shares)
        return self.factor * gather(mesh.triangles[cells].ravel(), local, mesh)

    def mass(self, region: Region) -> float:
        """Return the mass inside the region, exact for a constant weight and a box."""
        pieces = self.restricted(region).pieces
        values = self._weights(pieces) * _held(pieces, region)
        return float(self.factor * (_areas(pieces) @ (values @ rule(2)[1])))

    def _weights(self, triangles: Floats) -> Floats:
        at = np.einsum("qv,fvx->fqx", rule(2)[0], triangles).reshape(-1, 3)
        return evaluate(self.field, at, self.name).reshape(len(triangles), -1)

    def scaled(self, factor: float) -> Surface:
        """Return this part times a number."""
        return Surface(self.pieces, self.field, self.name, self.factor * factor)

    def restricted(self, region: Region) -> Surface:
        """Return what lies in the region; a box cuts the triangles exactly, others are tested at points."""
        pieces, field = self.pieces, self.field
        for axis, (low, high) in enumerate(region.box or ()):
            for bound, sign in ((low, 1), (high, -1)):
                pieces = fan(clip(pieces, sign * (pieces[..., axis] - bound))[0])[0]
        pieces = pieces[_areas(pieces) > 0]
        for _ in range(0 if region.box is not None else LEVELS):
            cut = np.ptp(_held(pieces, region), axis=1) > 0
            pieces = np.concatenate([pieces[~cut], _in_four(pieces[cut])])

        def inside(x: Floats, y: Floats, z: Floats) -> Floats:
            held = region.holds(np.column_stack([x, y, z]))
            return np.where(
                held, np.broadcast_to(np.asarray(field(x, y, z), dtype=np.float64), held.shape), 0.0
            )

        return Surface(pieces, inside, f"{self.name} in {region.name}", self.factor)

    def describe(self) -> str:
        """Say in a few words what this part is."""
        times = "" if self.factor == 1 else f"{self.factor:g} x "
        return f"{times}mass {self.name} a unit of area on a surface of area {_areas(self.pieces).sum():.4g}"

    def heaviest(self) -> float:
        """Largest |mass per unit of area| at the points of the rule on each triangle."""
        return float(abs(self.factor) * np.abs(self._weights(self.pieces)).max())


def _areas(triangles: Floats) -> Floats:
    normal = np.cross(triangles[:, 1] - triangles[:, 0], triangles[:, 2] - triangles[:, 0])
    return np.asarray(np.linalg.norm(normal, axis=1) / 2, dtype=np.float64)


def _in_four(triangles: Floats) -> Floats:
    nodes = np.concatenate([triangles, triangles[:, EDGES[2]].mean(axis=2)], axis=1)
    corners = children(np.arange(3)[None], np.arange(3, 6)[None])
    return nodes[:, corners].reshape(-1, 3, 3)


def _held(pieces: Floats, region: Region) -> Floats:
    at = np.einsum("qv,fvx->fqx", rule(2)[0], pieces)
    return region.holds(at.reshape(-1, 3)).reshape(len(pieces), -1).astype(np.float64)


def _cut_by_cells(pieces: Floats, mesh: Mesh) -> tuple[Floats, Integers, Floats]:
    """Return triangles in barycentric shares (F, 3, 4), the cell of each, and which part of it to count.

    A piece in a face that two cells share is found in both, and each time half of it counts.
    """
    owner, cells = _near(pieces, mesh)
    gradients, centroids = mesh.hat_gradients[cells], mesh.centroids[cells]
    shares = 0.25 + np.einsum("pcx,pvx->pvc", gradients, pieces[owner] - centroids[:, None])
    for corner in range(4):
        shares, kept = clip(shares, shares[..., corner] + _SMALL)
        cells = cells[kept]
    on_face = shares.max(axis=1) < 100 * _SMALL  # (P, 4): opposite to which corner
    _, sides = mesh.faces_and_sides
    cells_at = np.bincount(sides.ravel())
    # The k-th face of a cell is the k-th combination of three corners, which leaves out corner 3 - k.
    parts = np.where(on_face, 1 / cells_at[sides[cells][:, ::-1]], 1.0).min(axis=1)
    triangles, polygon = fan(shares)
    return triangles, cells[polygon], parts[polygon]


def _near(pieces: Floats, mesh: Mesh) -> tuple[Integers, Integers]:
    reach = np.linalg.norm(mesh.points[mesh.triangles] - mesh.centroids[:, None], axis=2).max()
    middles = pieces.mean(axis=1)
    radii = np.linalg.norm(pieces - middles[:, None], axis=2).max(axis=1) + reach * (1 + 1e-9)
    near = cell_tree(mesh).query_ball_point(middles, radii)
    counts = np.array([len(cells) for cells in near])
    if not counts.sum():
        raise ConfigurationError("A surface misses the domain.", cure="Draw it inside the domain.")
    return np.repeat(np.arange(len(pieces)), counts), np.concatenate([np.asarray(c, np.int64) for c in near])
