"""One self-contained HTML page on a solved film: no script, no request, readable anywhere."""

from __future__ import annotations

import base64
import os
import tempfile
from collections.abc import Sequence
from html import escape
from pathlib import Path
from string import Template
from typing import TYPE_CHECKING, Any

import numpy as np

from mezzofanti.curvature.film import Film
from mezzofanti.curvature.plot import draw_critical_load, draw_film

if TYPE_CHECKING:
    from mezzofanti.curvature.admissible import CriticalLoad

__all__ = ["write_page"]

HERE = Path(__file__).parent
HEADLINES = {
    "attained": "The film carries the load, and keeps its boundary values.",
    "detached": "The film carries the load, but leaves its boundary values on {size:.3g} of the boundary's length "
    "{perimeter:.3g}.",
    "undecided": "The film carries the load; whether it keeps its boundary values is not decided.",
}
WIDTH, HEIGHT, LEFT, BOTTOM = 640, 260, 64, 40  # of the chart of Newton's history, in its own units


def write_page(
    film: Film, content: dict[str, Any], critical: CriticalLoad | None, path: Path, *, title: str = ""
) -> Path:
    """Write the page on a plane film to `path`, whole or not at all. content: what `results.summary` returns."""
    page = Template((HERE / "page.html").read_text("utf-8")).substitute(
        style=(HERE / "page.css").read_text("utf-8"),
        title=escape(title or "A film"),
        headline=escape(
            HEADLINES[film.outcome].format(size=film.detached.size, perimeter=film.mesh.perimeter)
        ),
        lead=escape(_lead(film, content)),
        notes="".join(f'<p class="quiet">{escape(note)}</p>' for note in content["notes"]),
        picture=_picture(film, title),
        certificate=_certificate(film, critical),
        masses=_table(_masses(content)),
        history=_chart(film),
        numbers=_table(_numbers(film, content)),
    )
    temporary = path.with_name(f".{path.stem}.{os.getpid()}{path.suffix}")
    temporary.write_text(page, "utf-8")
    temporary.replace(path)
    return path


def _lead(film: Film, content: dict[str, Any]) -> str:
    load = content["load"][:1].upper() + content["load"][1:]
    return (
        f"{load}, {len(film.mesh.points):,} nodes. The film hangs between {film.u.min():.4g} and "
        f"{film.u.max():.4g}; it is steepest where |g| = {content['steepest']:.3f}, and 1 would be vertical."
    )


def _picture(film: Film, title: str) -> str:
    words = (
        "The film from the side and from above, coloured by the length of its flux, with the load drawn on it"
    )
    with tempfile.TemporaryDirectory() as folder:
        return _inline(draw_film(film, Path(folder) / "film.png", title=title, dots_per_inch=130), words)


def _certificate(film: Film, critical: CriticalLoad | None) -> str:
    if critical is None or not np.isfinite(critical.value):
        return (
            "<p>There is no load to weigh.</p>"
            if critical is not None
            else "<p>The load was not weighed.</p>"
        )
    low, high = critical.interval
    proof = (
        "a flux of length at most 1 with that multiple of the load as its divergence proves it"
        if critical.proven
        else "a flux shows it for the load averaged over each cell"
    )
    region = critical.worst_set
    worst = (
        f" The region in red has perimeter {region.perimeter:.4g} and mass {region.mass:.4g}: no film carries more "
        f"than {high:.4g} of this load."
        if region is not None
        else ""
    )
    words = (
        f"<p>A film holds a load only while every region has at most its perimeter as mass. This load could be "
        f"multiplied by <strong>{critical.value:.4g}</strong>, its critical load. At least {low:.4g} of it is carried: "
        f"{proof}.{worst}</p>"
    )
    with tempfile.TemporaryDirectory() as folder:
        picture = draw_critical_load(critical, Path(folder) / "worst.png", dots_per_inch=110)
        return words + _inline(
            picture, "The region that would give way first, over the flux that proves the rest"
        )


def _masses(content: dict[str, Any]) -> list[tuple[str, str]]:
    return [
        ("mass of the load in the domain", f"{content['mass_of_load']:.6g}"),
        ("asked at inner nodes", f"{content['mass_prescribed_at_inner_nodes']:.6g}"),
        ("measured there from the film", f"{content['mass_measured_at_inner_nodes']:.6g}"),
        ("sum of differences, node by node", f"{content['mismatch']:.2g}"),
        ("perimeter, which no mass exceeds", f"{content['perimeter']:.6g}"),
    ]


def _numbers(film: Film, content: dict[str, Any]) -> list[tuple[str, str]]:
    rows = [
        ("nodes, triangles", f"{content['nodes']:,}, {content['triangles']:,}"),
        ("area of the film", f"{content['area']:.6g}"),
        ("largest jump from a boundary value", f"{content['detached']['largest_jump']:.4g}"),
    ]
    if film.admission is not None:
        rows.append(("seconds to weigh the load", f"{film.admission.seconds:.2f}"))
    return [*rows, ("seconds to find the film", f"{film.seconds:.2f}")]


def _table(rows: Sequence[tuple[str, str]]) -> str:
    lines = "".join(
        f'<tr><th scope="row">{escape(name)}</th><td>{escape(value)}</td></tr>' for name, value in rows
    )
    return f'<table class="figures"><tbody>{lines}</tbody></table>'


def _chart(film: Film) -> str:
    """Newton's residual after each step, on a logarithmic scale, one line a mesh."""
    steps = [step for step in film.history if step.residual > 0]
    if not steps:
        return "<p>No step was needed.</p>"
    exponents = np.log10([step.residual for step in steps])
    low, high = np.floor(exponents.min()), max(np.ceil(exponents.max()), np.floor(exponents.min()) + 1)
    across = LEFT + (WIDTH - LEFT - 16) * (np.arange(len(steps)) + 0.5) / len(steps)
    up = 12 + (HEIGHT - BOTTOM - 12) * (high - exponents) / (high - low)
    parts = []
    for power in range(int(low), int(high) + 1, max(1, int(high - low) // 5)):
        y = 12 + (HEIGHT - BOTTOM - 12) * (high - power) / (high - low)
        parts.append(f'<line class="grid" x1="{LEFT}" x2="{WIDTH - 8}" y1="{y:.1f}" y2="{y:.1f}"/>')
        parts.append(f'<text x="{LEFT - 8}" y="{y + 4:.1f}" text-anchor="end">1e{power}</text>')
    for nodes in dict.fromkeys(step.nodes for step in steps):
        chosen = [k for k, step in enumerate(steps) if step.nodes == nodes]
        corners = " ".join(f"{across[k]:.1f},{up[k]:.1f}" for k in chosen)
        parts.append(f'<polyline class="line" points="{corners}"/>')
        parts += [f'<circle cx="{across[k]:.1f}" cy="{up[k]:.1f}" r="3"/>' for k in chosen]
        middle = across[chosen].mean()
        parts.append(f'<text x="{middle:.1f}" y="{HEIGHT - 18}" text-anchor="middle">{nodes:,}</text>')
    parts.append(f'<text x="{LEFT}" y="{HEIGHT - 2}">nodes of the mesh, coarse to fine</text>')
    words = "Residual mass over the perimeter after each Newton step, on each mesh"
    return f'<svg viewBox="0 0 {WIDTH} {HEIGHT}" role="img" aria-label="{words}">{"".join(parts)}</svg>'


def _inline(picture: Path, words: str) -> str:
    data = base64.b64encode(picture.read_bytes()).decode("ascii")
    return f'<img alt="{escape(words)}" src="data:image/png;base64,{data}">'
