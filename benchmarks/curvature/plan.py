"""The plan: parts, their items, and the file that is written after each item."""

from __future__ import annotations

import shlex
import sys
import time
from collections.abc import Callable, Iterable
from importlib.metadata import version
from importlib.util import find_spec
from pathlib import Path
from typing import Any

from benchmarks.curvature import critical, measure, orders, robustness, timing
from benchmarks.record import RESULTS, circumstances, tell
from mezzofanti.errors import DataError
from mezzofanti.files import read_json, write_json

__all__ = ["PARTS", "result_path", "run"]

PARTS: dict[str, Any] = {
    "orders": orders,
    "measure": measure,
    "critical": critical,
    "time": timing,
    "robustness": robustness,
}
LIBRARIES = {"pyamg": "pyamg", "scikit-fem": "skfem", "ngsolve": "ngsolve"}


def run(
    only: Iterable[str], *, again: bool = False, small: bool = False, folder: Path = RESULTS
) -> dict[str, Any]:
    """Measure what is missing of these parts, and return what the file holds."""
    path = result_path(folder, small=small)
    found = _read(path)
    for name in only:
        items: dict[str, Callable[[], Any]] = PARTS[name].items(small)
        measured = found["measured"].setdefault(name, {})
        if again:
            measured.clear()
        for number, (item, job) in enumerate(items.items(), 1):
            if item in measured:
                continue
            started = time.perf_counter()
            measured[item] = job()
            tell(f"{name} {item} ({time.perf_counter() - started:.1f} s)", number, len(items))
            found["circumstances"][name] = _circumstances()
            found.update(PARTS[name].summary(measured))
            write_json(path, found)
    return found


def result_path(folder: Path = RESULTS, *, small: bool = False) -> Path:
    """Return the file results stand in."""
    return folder / ("curvature-small.json" if small else "curvature.json")


def _read(path: Path) -> dict[str, Any]:
    try:
        found: dict[str, Any] = read_json(path)
    except DataError:
        found = {"schema": 1, "measured": {}, "circumstances": {}}
    return found


def _circumstances() -> dict[str, Any]:
    made = circumstances("python -m benchmarks.curvature " + shlex.join(sys.argv[1:]))
    made["versions"] |= {name: version(name) for name, module in LIBRARIES.items() if find_spec(module)}
    return made
