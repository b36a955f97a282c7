"""The demo: a real open model goes to school in three languages, and shows what it kept, method by method.

Everything a user does is done here with the public names: a corpus is built, a learner learns English, forks of it
learn French and Spanish by different methods with one and the same adapter, and a report says what was kept. Killed,
the same call goes on where it was.
"""

from __future__ import annotations

import time
from collections.abc import Callable
from pathlib import Path

from mezzofanti.bases import Base, resolve
from mezzofanti.continual import AdapterSettings, Learner, LearnerFolder, Task, TaskStream, TrainingSettings
from mezzofanti.continual.methods import create
from mezzofanti.corpus import Recipe, build
from mezzofanti.evaluation.suites.almanac import LANGUAGE_NAMES, load_task
from mezzofanti.files import write_json
from mezzofanti.records import Record
from mezzofanti.report import verdict_lines, write_report

__all__ = ["LANGUAGES", "METHODS", "QUICK", "DemoPlan", "last_lines", "run"]

LANGUAGES = ("en", "fr", "es")
METHODS = ("sequential", "replay", "recurrent-kif")
QUICK = ("sequential", "recurrent-kif")

Say = Callable[[str], None]
Progress = Callable[[str, int, int], None]


class DemoPlan(Record):
    """How large the demo is. The defaults take about ten minutes on two cores; tests shrink them."""

    methods: tuple[str, ...] = METHODS
    base: str = "smollm2-135m"
    train_rows: int = 640
    questions: int = 30
    unseen_phrasings: int = 10
    memory_rows: int = 60
    adapter: AdapterSettings = AdapterSettings(layers="upper-half")
    training: TrainingSettings = TrainingSettings()
    seed: int = 0


def run(folder: Path, plan: DemoPlan, *, say: Say = print, progress: Progress | None = None) -> list[Path]:
    """Run the demo in `folder` and write `report.html` there; return the learners' folders."""
    started = time.monotonic()
    moments: list[dict[str, float | str]] = []

    def told(line: str) -> None:
        moments.append({"seconds": round(time.monotonic() - started, 1), "said": line})
        write_json(folder / "demo.json", {"schema": 1, "moments": moments})
        say(line)

    folders = _teach(folder, plan, told, progress)
    minutes = (time.monotonic() - started) / 60
    _report(folder, folders, minutes=minutes, questions=plan.questions)
    told(f"The report is written: {folder / 'report.html'}.")
    return folders


def _teach(folder: Path, plan: DemoPlan, say: Say, progress: Progress | None) -> list[Path]:
    base = resolve(plan.base, say=say)
    say(f"The pupil is {base.origin}, {base.license}.")
    _show_corpus(folder / "corpus", say)
    stream = _stream(plan)
    first = _english(folder, plan, base, stream, say, progress)
    return [_go_on(first, folder, method, stream, say) for method in plan.methods]


def _report(folder: Path, folders: list[Path], *, minutes: float, questions: int) -> None:
    notes = [
        f"Made by the command mezzo demo in {minutes:.0f} minutes; all methods share the adapter, the English task and the "
        f"memory. One seed and {questions} questions a language: read no order into small differences.",
        "All lessons are written by a program from CLDR facts (templates); no person or model wrote them.",
    ]
    write_report(folders, folder / "report.html", title="School in three languages", notes=notes)


def _show_corpus(folder: Path, say: Say) -> None:
    recipe = Recipe.of(
        {
            "name": "demo",
            "languages": list(LANGUAGES),
            "sources": [{"type": "almanac", "count": 12}],
            "stories": {"count": 24, "share": 0.25},
            "guards": {"least_answer_characters": 1},
        }
    )
    report = build(recipe, folder)
    say(
        f"A corpus to look at, from the almanac, offline: {sum(report.accepted.values())} samples in {folder}."
    )


def _stream(plan: DemoPlan) -> TaskStream:
    tasks = []
    for code in LANGUAGES:
        train, test = load_task(
            code,
            train_rows=plan.train_rows,
            questions=plan.questions,
            unseen_phrasings=plan.unseen_phrasings,
            seed=plan.seed,
        )
        tasks.append(Task(name=LANGUAGE_NAMES[code], train=tuple(train), test=tuple(test)))
    return TaskStream(tasks)


def _english(
    folder: Path, plan: DemoPlan, base: Base, stream: TaskStream, say: Say, progress: Progress | None
) -> Learner:
    learner = Learner.open(
        folder / "english",
        base=base,
        method=create({"type": "sequential"}),
        adapter=plan.adapter,
        training=plan.training,
        memory_rows=plan.memory_rows,
        seed=plan.seed,
        progress=progress,
    )
    say(f"English first, once for all methods: {plan.train_rows} lessons of numbers and dates.")
    rows = learner.learn_stream(stream, until=1).rows
    say(
        f"It answers {_percent(rows[1][0])} of English questions it never saw; before, {_percent(rows[0][0])}."
    )
    return learner


def _go_on(first: Learner, folder: Path, method: str, stream: TaskStream, say: Say) -> Path:
    place = folder / method
    chosen = create({"type": method})
    if LearnerFolder(place).exists:
        learner = Learner.open(place, base=first.base, method=chosen, progress=first.progress)
    else:
        learner = first.fork(place, method=chosen)
    say(f"{method}: French, then Spanish.")
    for index, task in enumerate(stream.tasks[1:], 2):
        row = learner.learn_stream(stream, until=index).rows[index]
        scores = ", ".join(f"{name} {_percent(row[j])}" for j, name in enumerate(stream.names[:index]))
        say(f"  after {task.name.title()}: {scores}")
    return place


def _percent(score: float | None) -> str:
    return "?" if score is None else f"{100 * score:.0f} %"


def last_lines(folder: Path, folders: list[Path]) -> list[str]:
    """What the demo ends with: the verdict, where to look, what to do next."""
    return [
        *verdict_lines(folders),
        f"Look at {folder / 'report.html'}; the learners lie beside it.",
        f"Teach it something of yours: mezzo learn YOUR.jsonl --learner {folders[-1]}",
    ]
