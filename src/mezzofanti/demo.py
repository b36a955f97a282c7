"""The demo: a real open model goes to school in three languages, and shows what it kept, method by method.

Everything a user does is done here with the public names: a corpus is built, a learner learns English, forks of it
learn French and Spanish by different methods with one and the same adapter, and a report says what was kept. Killed,
the same call goes on where it was.
"""

from __future__ import annotations

import time
from collections.abc import Callable
from pathlib import Path
from typing import Any

from mezzofanti.bases import Base, resolve
from mezzofanti.continual import AdapterSettings, Learner, LearnerFolder, Task, TaskStream, TrainingSettings
from mezzofanti.continual.methods import create
from mezzofanti.corpus import Recipe, build
from mezzofanti.evaluation.suites.almanac import LANGUAGE_NAMES, load_task
from mezzofanti.files import read_json, write_json
from mezzofanti.records import Record
from mezzofanti.report import verdict_lines, write_report

__all__ = ["LANGUAGES", "METHODS", "QUICK", "DemoPlan", "last_lines", "run"]

LANGUAGES = ("en", "fr", "es")
METHODS = ("sequential", "replay", "recurrent-kif")
QUICK = ("sequential", "recurrent-kif")

NOTED_EVERY = 5.0
"""Seconds from one note of the time to the next."""

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


class _Diary:
    """What was said when, in `demo.json`. It counts working time: of every run, and of none that found all done.

    What a run said before it was killed is said again by the next one; those lines keep the moment they had.
    """

    def __init__(self, folder: Path, say: Say, progress: Progress | None) -> None:
        self.path = folder / "demo.json"
        known = read_json(self.path) if self.path.is_file() else {}
        self.moments: list[dict[str, Any]] = known.get("moments", [])
        last = self.moments[-1]["seconds"] if self.moments else 0.0
        self.before: float = known.get("seconds", last)
        self.finished: bool = known.get("finished", False)
        self.place = 0
        self.started = self.written = time.monotonic()
        self._say, self._progress = say, progress

    @property
    def seconds(self) -> float:
        """Seconds of work until now, or until the demo was finished."""
        return self.before if self.finished else self.before + time.monotonic() - self.started

    def say(self, line: str) -> None:
        """Note `line`, and say it."""
        self._note(line)
        self._say(line)

    def close(self, line: str) -> None:
        """Stop the clock: `line` is the last one, and everything is done that it counts."""
        self._note(line)
        if not self.finished:
            self.before, self.finished = round(self.seconds, 1), True
            self._write()

    def _note(self, line: str) -> None:
        # a demo that was moved is the same demo
        line = line.replace(str(self.path.parent), self.path.parent.name)
        known = [moment["said"] for moment in self.moments[self.place :]]
        if line in known:
            self.place += known.index(line) + 1
        else:
            if self.finished:  # another demo in the same folder goes on from here
                self.finished, self.started = False, time.monotonic()
            self.moments[self.place :] = [{"seconds": round(self.seconds, 1), "said": line}]
            self.place += 1
        if not self.finished:
            self._write()

    def progress(self, what: str, done: int, total: int) -> None:
        """Pass progress on; every few seconds note the time, so that a kill costs no more of it."""
        if not self.finished and time.monotonic() - self.written > NOTED_EVERY:
            self._write()
        if self._progress is not None:
            self._progress(what, done, total)

    def _write(self) -> None:
        self.written = time.monotonic()
        state = {"seconds": round(self.seconds, 1), "finished": self.finished}
        write_json(self.path, {"schema": 1, **state, "moments": self.moments})


def run(folder: Path, plan: DemoPlan, *, say: Say = print, progress: Progress | None = None) -> list[Path]:
    """Run the demo in `folder` and write `report.html` there; return the learners' folders."""
    diary = _Diary(folder, say, progress)
    base = resolve(plan.base, say=say)
    folders = _teach(folder, plan, base, diary.say, diary.progress)
    last = f"The report is written: {folder / 'report.html'}."
    diary.close(last)
    _report(folder, folders, minutes=diary.seconds / 60, questions=plan.questions)
    say(last)
    return folders


def _teach(folder: Path, plan: DemoPlan, base: Base, say: Say, progress: Progress) -> list[Path]:
    say(f"The pupil is {base.origin}, {base.license}.")
    _show_corpus(folder / "corpus", say)
    stream = _stream(plan)
    first = _english(folder, plan, base, stream, say, progress)
    return [_go_on(first, folder, method, stream, say) for method in plan.methods]


def _report(folder: Path, folders: list[Path], *, minutes: float, questions: int) -> None:
    notes = [
        f"Made by the command mezzo demo in {minutes:.0f} minutes; all methods share the adapter, the English "
        f"task and the memory. One seed and {questions} questions a language: read no order into small differences.",
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
    folder: Path, plan: DemoPlan, base: Base, stream: TaskStream, say: Say, progress: Progress
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
