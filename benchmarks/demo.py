"""How long the demo takes and what it shows.

python -m benchmarks.demo                    run it in work/demo; -> benchmarks/results/demo.json
python -m benchmarks.demo --quick            the short one in work/demo-quick; -> "quick" in the same file
python -m benchmarks.demo --folder demo      read a demo that has been run
"""

from __future__ import annotations

import argparse
from pathlib import Path
from typing import Any

from benchmarks.lock import machine_lock
from benchmarks.record import RESULTS, WORK, circumstances
from mezzofanti.continual import LearnerFolder
from mezzofanti.demo import METHODS, QUICK, DemoPlan, run
from mezzofanti.files import read_json, write_json
from mezzofanti.report import verdict_lines

RESULT = RESULTS / "demo.json"


def read(folder: Path) -> dict[str, Any]:
    """What a finished demo says: minutes from its log of moments, matrices, and its last lines."""
    folders = [folder / method for method in METHODS if (folder / method / "matrix.json").is_file()]
    moments = folder / "demo.json"
    return {
        "moments": _moments(moments, folder),
        "first_forgetting_seconds": sum(_spent(folders[0])[:2]),
        "teaching_and_exam_seconds": sum(_spent(folders[0]))
        + sum(sum(_spent(place)[1:]) for place in folders[1:]),
        "methods": {place.name: _method(place) for place in folders},
        "verdict": verdict_lines(folders),
    }


def _moments(log: Path, folder: Path) -> list[dict[str, Any]]:
    """What was said when, with the demo's own folder called `demo` wherever it lay."""
    said = read_json(log)["moments"] if log.is_file() else []
    return [{**moment, "said": str(moment["said"]).replace(str(folder), "demo")} for moment in said]


def _spent(place: Path) -> list[float]:
    """Seconds of lessons and exam, a task; the first task is shared by all methods."""
    return [task["seconds"] + task["exam_seconds"] for task in LearnerFolder(place).history()]


def _method(place: Path) -> dict[str, Any]:
    matrix = read_json(place / "matrix.json")
    history = LearnerFolder(place).history()
    return {
        **{name: matrix[name] for name in ("tasks", "questions", "rows", "op", "bwt")},
        "seconds": [task["seconds"] for task in history],
        "exam_seconds": [task["exam_seconds"] for task in history],
    }


def main() -> None:
    """Run or read the demo and write the result."""
    parser = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    parser.add_argument("--folder", type=Path, help="a demo that has been run")
    parser.add_argument("--quick", action="store_true", help="one method beside Sequential")
    options = parser.parse_args()
    folder = options.folder or WORK / ("demo-quick" if options.quick else "demo")
    if options.folder is None:
        with machine_lock("python -m benchmarks.demo"):
            run(folder, DemoPlan(methods=QUICK if options.quick else METHODS))
    found = read(folder)
    write_json(RESULT, _result(found, quick=options.quick))
    print("\n".join(found["verdict"]))


def _result(found: dict[str, Any], *, quick: bool) -> dict[str, Any]:
    """The result file with what was found put in its place; the other demo's figures stay."""
    known = read_json(RESULT) if RESULT.is_file() else {}
    if quick:
        return {**known, "quick": {**circumstances("python -m benchmarks.demo --quick"), **found}}
    kept = {"quick": known["quick"]} if "quick" in known else {}
    return {"schema": 1, **circumstances("python -m benchmarks.demo"), **found, **kept}


if __name__ == "__main__":
    main()
