"""What a person sees: one HTML page, a few lines in the terminal, one picture. Each name is loaded when asked for."""

from __future__ import annotations

from typing import TYPE_CHECKING

from mezzofanti.lazy import lazy

if TYPE_CHECKING:
    from mezzofanti.report.page import write_report
    from mezzofanti.report.picture import school_picture
    from mezzofanti.report.terminal import matrix_table, verdict_lines

__all__ = ["matrix_table", "school_picture", "verdict_lines", "write_report"]

_HOMES = {
    "matrix_table": "terminal",
    "school_picture": "picture",
    "verdict_lines": "terminal",
    "write_report": "page",
}

__getattr__, __dir__ = lazy(__name__, _HOMES)
