"""A recipe as its user might have written it: settings, or any text or bytes in their place."""

from __future__ import annotations

from pathlib import Path

import yaml


def write_recipe(folder: Path, content: object) -> Path:
    """Write `content` to film.yaml in `folder`, as it is where it is text or bytes, else as YAML; return the path."""
    path = folder / "film.yaml"
    if not isinstance(content, bytes):
        text = content if isinstance(content, str) else yaml.safe_dump(content)
        content = text.encode("utf-8")
    path.write_bytes(content)
    return path
