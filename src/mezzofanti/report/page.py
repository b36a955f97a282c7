"""One self-contained HTML page from one or more learners' folders: no script, no request, readable anywhere."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Any

from mezzofanti.errors import require
from mezzofanti.files import write_text
from mezzofanti.report import figures, names
from mezzofanti.report.asked import ask
from mezzofanti.report.reading import Reading, read_learners
from mezzofanti.report.routing import routing
from mezzofanti.report.tables import costs, groups, left_out, matrices, memory, origin, samples, settings
from mezzofanti.report.verdict import verdict

if TYPE_CHECKING:
    from jinja2 import Environment
    from markupsafe import Markup

__all__ = ["write_report"]

TEMPLATES = Path(__file__).parent / "templates"
LONGEST_TEXT = 240


def write_report(
    folders: Sequence[Path],
    path: Path,
    *,
    title: str = "What was kept, and what was lost",
    notes: Sequence[str] = (),
) -> None:
    """Write the report on learners that were taught the same tasks to `path`, whole or not at all.

    Args:
        folders: learners' folders, in the order the page shows them.
        path: the HTML file to write.
        title: the page's heading.
        notes: paragraphs in plain text shown under the verdict, such as how the run was made.

    Raises:
        ConfigurationError: no folder is given, or the folders' tasks differ.
        DataError: a folder is not a learner's, or a file in it is broken.
        MissingExtraError: jinja2 is not installed.
    """
    require("train", "jinja2")
    readings = read_learners(folders)
    page = _environment().get_template("page.html.jinja").render(_content(readings, title, notes))
    write_text(path, page)


def _content(readings: list[Reading], title: str, notes: Sequence[str]) -> dict[str, Any]:
    labels = names.labels(readings)
    return {
        "title": title,
        "notes": notes,
        "verdict": verdict(readings),
        "tasks": readings[0].tasks,
        "moments": names.moments(readings[0].tasks),
        "labels": labels,
        "methods": list(dict.fromkeys(reading.method for reading in readings)),
        "questions": ask(readings),
        "charts": figures.curves(readings, labels),
        "costs": costs(readings),
        "left_out": [
            (label, said)
            for label, reading in zip(labels, readings, strict=True)
            for said in left_out(reading)
        ],
        "matrices": matrices(readings),
        "groups": groups(readings),
        "routing": routing(readings),
        "samples": samples(readings),
        "memory": memory(readings),
        "settings": settings(readings),
        "box": figures,
    }


def _environment() -> Environment:
    from jinja2 import Environment, FileSystemLoader, StrictUndefined

    # Every answer on the page was written by a model: all of it is text, none of it markup.
    environment = Environment(
        loader=FileSystemLoader(TEMPLATES),
        autoescape=True,
        undefined=StrictUndefined,
        trim_blocks=True,
        lstrip_blocks=True,
    )
    environment.filters.update(
        task=names.task_name,
        code=names.language_code,
        percent=names.percent,
        points=names.signed_points,
        duration=names.duration,
        short=_short,
        origin=origin,
        unbroken=_unbroken,
    )
    return environment


def _unbroken(text: str) -> Markup:
    """Escape a text and hold hyphenated words together: in large letters "Recurrent-" alone looks wrong."""
    from markupsafe import Markup, escape

    held = Markup('<span class="held">{}</span>')
    return Markup(" ").join(held.format(word) if "-" in word else escape(word) for word in text.split(" "))


def _short(text: str) -> str:
    """A model may answer without end; what is cut says so."""
    if len(text) <= LONGEST_TEXT:
        return text
    return f"{text[:LONGEST_TEXT]} … ({len(text) - LONGEST_TEXT} characters more)"
