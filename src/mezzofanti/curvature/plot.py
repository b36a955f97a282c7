"""A picture of a film: the surface from the side, and its steepness from above, with the wires that load it.

Colour is |g| = |Du| / sqrt(1 + |Du|^2), the sine of the slope angle: 0 is level, 1 would be a vertical wall.
"""

from __future__ import annotations

import os
import textwrap
from collections.abc import Callable
from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np

from mezzofanti.curvature.crossing import cut_by_mesh
from mezzofanti.curvature.film import Film
from mezzofanti.curvature.mesh import Floats, Mesh
from mezzofanti.errors import ConfigurationError, require

if TYPE_CHECKING:
    from matplotlib.axes import Axes
    from matplotlib.collections import PolyCollection
    from matplotlib.colors import Colormap
    from matplotlib.figure import Figure

    from mezzofanti.curvature.admissible import CriticalLoad

__all__ = ["draw_critical_load", "draw_film"]

INK, FAINT, WIRE, PAPER, WALL = "#1d2433", "#5b6475", "#e8452c", "#ffffff", "#b06a00"
LEVELS = 14  # level lines of the height
DARKEST = 0.86  # The colour map is cut here, so that shading stays visible on steep walls.
LIGHT = np.array([-0.45, 0.35, 0.82]) / np.linalg.norm([-0.45, 0.35, 0.82])
AZIMUTH, ELEVATION = np.radians(-62.0), np.radians(40.0)
LEVEL = 1e-6  # A film flatter than this is drawn flat.
FLATTEST, TALLEST = 0.15, 0.5  # Shares of the width; outside them a film is stretched, and that is said.


def draw_film(film: Film, path: Path | str, *, title: str = "", dots_per_inch: int = 160) -> Path:
    """Draw the film to a PNG file (or PDF, SVG by the name's ending) and return its path."""
    require("curvature", "matplotlib")
    from matplotlib.figure import Figure

    _only_plane(film.mesh)
    figure = Figure(figsize=(12.4, 6.0), facecolor=PAPER)
    grid = figure.add_gridspec(1, 3, width_ratios=(1.28, 1.0, 0.035), wspace=0.04)
    side, above, bar = (figure.add_subplot(grid[0, k]) for k in range(3))
    figure.subplots_adjust(left=0.01, right=0.93, top=0.84, bottom=0.1)
    _surface(side, film)
    colours = _plan(above, film)
    label = figure.colorbar(colours, cax=bar)
    label.set_label("steepness |g|   (0 level, 1 vertical)", color=INK, fontsize=10.5)
    label.outline.set_visible(False)
    bar.tick_params(colors=FAINT, labelsize=9)
    _words(figure, film, title)
    return _saved(figure, Path(path), dots_per_inch)


def draw_critical_load(
    critical: CriticalLoad, path: Path | str, *, title: str = "", dots_per_inch: int = 160
) -> Path:
    """Draw the flux that carries lambda* times the load, coloured by |g|, and the worst set's outline over it.

    Plane domains only: raises ConfigurationError for others. Returns the path.
    """
    require("curvature", "matplotlib")
    from matplotlib.collections import LineCollection
    from matplotlib.figure import Figure

    _only_plane(critical.mesh)
    figure = Figure(figsize=(6.6, 6.2), facecolor=PAPER)
    axes = figure.add_axes((0.03, 0.03, 0.8, 0.82))
    steepness = np.sqrt((critical.flux**2).sum(axis=1))
    colours = _from_above(axes, critical.mesh, steepness, 1.0)
    outline = critical.worst_set.outline if critical.worst_set is not None else ()
    lines = [np.vstack([line, line[:1]]) for line in outline]
    axes.add_collection(LineCollection(lines, colors=PAPER, linewidths=4.2))
    axes.add_collection(LineCollection(lines, colors=WIRE, linewidths=2.2))
    _bare(axes)
    bar = figure.colorbar(colours, cax=figure.add_axes((0.86, 0.12, 0.03, 0.6)))
    bar.set_label("|g| of the flux that carries lambda* times the load", color=FAINT, fontsize=9.5)
    bar.ax.tick_params(colors=FAINT, labelsize=8.5)
    figure.text(0.04, 0.94, title or f"lambda* = {critical.value:.4g}", fontsize=15, color=INK, weight="bold")
    between = f"between {critical.lower:.4g} and {critical.upper:.4g}; in red the region that gives way"
    figure.text(0.04, 0.89, between, fontsize=10, color=FAINT)
    return _saved(figure, Path(path), dots_per_inch)


def _only_plane(mesh: Mesh) -> None:
    if mesh.dimension != 2:
        raise ConfigurationError(
            f"A mesh of dimension {mesh.dimension} has no picture here.",
            cure="Write it for ParaView instead.",
        )


def _saved(figure: Figure, path: Path, dots_per_inch: int) -> Path:
    known = figure.canvas.get_supported_filetypes()
    if path.suffix[1:].lower() not in known:
        raise ConfigurationError(
            f"{path} has no ending that says what picture to write.",
            cure="End it in .png, .pdf or .svg.",
        )
    path.parent.mkdir(parents=True, exist_ok=True)
    temporary = path.with_name(f".{path.stem}.{os.getpid()}{path.suffix}")
    figure.savefig(temporary, dpi=dots_per_inch)
    temporary.replace(path)
    return path


def _words(figure: Figure, film: Film, title: str) -> None:
    figure.text(0.035, 0.94, title or "A film", fontsize=17, color=INK, weight="bold", va="center")
    steps = f"{len(film.mesh.points):,} nodes, {len(film.history)} Newton steps"
    load = textwrap.shorten(film.load.describe(), 95, placeholder=" ...")
    scale = "" if abs(_stretch(film) - 1) < 0.05 else f", heights x {_stretch(film):.2g}"
    wires = {0: "", 1: "; the wire in red"}.get(len(film.load.curves), "; the wires in red")
    wires += "; walls in brown" if len(film.detached.nodes) else ""
    figure.text(
        0.035,
        0.885,
        f"{load};  {steps}, steepest |g| {film.steepness.max():.2f}",
        fontsize=10.5,
        color=FAINT,
        va="center",
    )
    for x, words in (
        (0.255, f"the film{scale}{wires}"),
        (0.71, "from above: |g| and level lines of the height"),
    ):
        figure.text(x, 0.055, words, fontsize=10.5, color=FAINT, ha="center")


def _plan(axes: Axes, film: Film) -> PolyCollection:
    """Steepness on each triangle, as it is (piecewise constant), with level lines of the height."""
    colours = _from_above(axes, film.mesh, film.steepness, _top(film))
    _draw_lines(axes, film, lambda points: points[:, :2])
    return colours


def _from_above(axes: Axes, mesh: Mesh, values: Floats, top: float) -> PolyCollection:
    x, y = mesh.points.T
    colours = axes.tripcolor(
        x, y, mesh.triangles, facecolors=values, cmap=_colours(), vmin=0, vmax=top, rasterized=True
    )
    colours.set_edgecolor("face")
    return colours


def _surface(axes: Axes, film: Film) -> None:
    """The graph in parallel projection, far triangles first, coloured by |g| and shaded by the light's angle."""
    from matplotlib.collections import PolyCollection

    stretch = _stretch(film)
    corners = np.column_stack([film.mesh.points, stretch * film.u])
    screen, depth = _project(corners)
    triangles = film.mesh.triangles
    order = np.argsort(depth[triangles].mean(axis=1))
    colour = _colours()(film.steepness / _top(film))[:, :3] * _shade(corners, triangles)[:, None]
    faces = PolyCollection(
        list(screen[triangles[order]]),
        facecolors=colour[order].clip(0, 1),
        edgecolors="face",
        linewidths=0.25,
        rasterized=True,
    )
    axes.add_collection(faces)
    _draw_lines(axes, film, lambda points: _project(points * [1.0, 1.0, stretch])[0])


def _draw_lines(axes: Axes, film: Film, place: Callable[[Floats], Floats]) -> None:
    """Draw level lines, the rim and the wires, each put on the paper by `place`: (P, 3) to (P, 2)."""
    from matplotlib.collections import LineCollection

    strokes = [(_level_lines(film), INK, 0.6, 0.45), (_rim(film), INK, 1.4, 1.0)]
    strokes += [(_walls(film), WALL, 1.0, 0.8)]
    strokes += [(_wires(film), PAPER, 3.8, 1.0), (_wires(film), WIRE, 2.0, 1.0)]
    for (start, end), colour, width, opacity in strokes:
        segments = np.stack([place(start), place(end)], axis=1)
        axes.add_collection(
            LineCollection(list(segments), colors=colour, linewidths=width, alpha=opacity, capstyle="round")
        )
    _bare(axes)


def _bare(axes: Axes) -> None:
    axes.autoscale_view()
    axes.margins(0.02)
    axes.set_aspect("equal")
    axes.set_axis_off()


def _project(points: Floats) -> tuple[Floats, Floats]:
    """Return the place on the paper (P, 2) and the nearness (P,) of points (P, 3)."""
    right = np.array([-np.sin(AZIMUTH), np.cos(AZIMUTH), 0.0])
    toward = np.array(
        [np.cos(AZIMUTH) * np.cos(ELEVATION), np.sin(AZIMUTH) * np.cos(ELEVATION), np.sin(ELEVATION)]
    )
    upward = np.cross(toward, right)
    return points @ np.column_stack([right, upward]), points @ toward


def _shade(corners: Floats, triangles: Any) -> Floats:
    a, b, c = (corners[triangles[:, k]] for k in range(3))
    normal = np.cross(b - a, c - a)
    normal /= np.linalg.norm(normal, axis=1)[:, None]
    return np.asarray(0.72 + 0.36 * (normal @ LIGHT), dtype=np.float64)


def _stretch(film: Film) -> float:
    height = float(np.ptp(film.u)) / (film.mesh.diameter / np.sqrt(2))
    return float(np.clip(height, FLATTEST, TALLEST)) / height if height > LEVEL else 1.0


def _colours() -> Colormap:
    from matplotlib import colormaps
    from matplotlib.colors import ListedColormap

    return ListedColormap(colormaps["YlGnBu"](np.linspace(0.02, DARKEST, 256)))


def _top(film: Film) -> float:
    steepest = float(film.steepness.max())
    return steepest if LEVEL < steepest < 0.7 else 1.0


def _wires(film: Film) -> tuple[Floats, Floats]:
    """Return the two ends (P, 3) of the pieces of all loaded curves, on the film."""
    starts, ends = [np.zeros((0, 3))], [np.zeros((0, 3))]
    for curve in film.load.curves:
        pieces = cut_by_mesh(curve.vertices, film.mesh)
        heights = film.u[film.mesh.triangles[pieces.triangle]]
        starts.append(np.column_stack([pieces.start, (pieces.start_shares * heights).sum(axis=1)]))
        ends.append(np.column_stack([pieces.end, (pieces.end_shares * heights).sum(axis=1)]))
    return np.vstack(starts), np.vstack(ends)


def _rim(film: Film) -> tuple[Floats, Floats]:
    corners = np.column_stack([film.mesh.points, film.u])[film.mesh.boundary_edges]
    return corners[:, 0], corners[:, 1]


def _walls(film: Film) -> tuple[Floats, Floats]:
    """Return the ends (P, 3) of the walls between the film and the boundary values it left."""
    nodes = film.detached.nodes
    foot = np.column_stack([film.mesh.points[nodes], film.u[nodes]])
    return foot, foot - film.detached.jumps[:, None] * [0.0, 0.0, 1.0]


def _level_lines(film: Film) -> tuple[Floats, Floats]:
    """Return the two ends (P, 3) of the pieces of the level lines: on each triangle a level is one straight piece."""
    corners = np.column_stack([film.mesh.points, film.u])[film.mesh.triangles]
    starts, ends = [np.zeros((0, 3))], [np.zeros((0, 3))]
    for level in np.linspace(film.u.min(), film.u.max(), LEVELS + 2)[1:-1]:
        below = corners[:, :, 2] < level
        cut = corners[(below.sum(axis=1) % 3) > 0]
        # The lone corner is the one on its own side of the level; the piece joins the two edges that leave it.
        lone_below = (cut[:, :, 2] < level).sum(axis=1) == 1
        height = np.where(lone_below[:, None], cut[:, :, 2], -cut[:, :, 2])
        lone = cut[np.arange(len(cut)), height.argmin(axis=1)]
        for turn, side in ((1, starts), (2, ends)):
            other = cut[np.arange(len(cut)), (height.argmin(axis=1) + turn) % 3]
            share = (level - lone[:, 2]) / (other[:, 2] - lone[:, 2])
            side.append(lone + share[:, None] * (other - lone))
    return np.vstack(starts), np.vstack(ends)
