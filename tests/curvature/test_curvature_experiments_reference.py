"""The reference page names every public name of the room and no other."""

from __future__ import annotations

import re
from pathlib import Path

import mezzofanti.curvature

PAGE = Path(__file__).parents[2] / "docs" / "reference" / "curvature.md"


def test_the_reference_names_every_public_name() -> None:
    rows = [line for line in PAGE.read_text("utf-8").splitlines() if line.startswith("| `")]
    named = [re.match(r"\| `(\w+)", row) for row in rows]
    assert {match[1] for match in named if match} == set(mezzofanti.curvature.__all__)
