"""Real text, end to end: two tasks of Long Sequence, and the topics of Wikipedia leads in three languages.

    python -m benchmarks.real_text               both recipes; -> benchmarks/results/real_text.json

One learner and one seed a recipe: it shows that real text goes through, and is no comparison of methods. Resumable.
"""

from __future__ import annotations

from pathlib import Path
from typing import Any

from benchmarks.lock import machine_lock
from benchmarks.record import REPOSITORY, RESULTS, WORK, circumstances, tell
from mezzofanti.continual import LearnerFolder
from mezzofanti.files import write_json
from mezzofanti.schooling import teach_recipe

RECIPES = ("long-sequence", "wikipedia-topics")
RESULT = RESULTS / "real_text.json"


def run(name: str) -> dict[str, Any]:
    """Teach the learner of one recipe and say what it found."""
    folder = WORK / "real_text" / name
    matrix = teach_recipe(REPOSITORY / "recipes" / f"{name}.yaml", folder, tell)
    place = LearnerFolder(folder)
    return {
        "recipe": f"recipes/{name}.yaml",
        "method": place.settings()["method"]["type"],
        "training": place.settings()["training"],
        **matrix.as_json(),
        "history": place.history(),
        "examples": _examples(place),
    }


def _examples(place: LearnerFolder) -> list[dict[str, Any]]:
    from mezzofanti.files import read_jsonl

    last = place.task_folders()[-1]
    return list(read_jsonl(last / "answers.jsonl"))[:6]


def main() -> None:
    """Run both recipes under the machine's lock."""
    with machine_lock("python -m benchmarks.real_text"):
        found = {name: run(name) for name in RECIPES}
    write_json(RESULT, {"schema": 1, **circumstances("python -m benchmarks.real_text"), "recipes": found})
    for name, result in found.items():
        print(name, Path(result["recipe"]), [[round(100 * (c or 0)) for c in row] for row in result["rows"]])


if __name__ == "__main__":
    main()
