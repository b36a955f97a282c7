"""Which jobs, in which order: single tasks for the gate, a search for every contestant, cells; all resumable.

Every job is a process of its own. The result file is written after each one, so that a plan that was stopped, by
hand or because its minutes are over, shows what there is.
"""

from __future__ import annotations

import time
from collections.abc import Callable, Iterable, Iterator, Sequence
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path
from typing import Any

from benchmarks.adapters.quality.setting import Job, Setting
from benchmarks.adapters.quality.table import cells_of
from benchmarks.adapters.quality.timing import timing_path
from benchmarks.record import circumstances
from mezzofanti.bases import resolve
from mezzofanti.files import read_json, read_jsonl, write_json

__all__ = ["Plan", "best_rate", "next_rate"]

COMMAND = "python -m benchmarks.adapters quality"
Runner = Callable[[Job], None]


class OutOfTime(Exception):
    """The minutes are over: nothing new is begun."""


class Plan:
    """Runs what is missing. `minutes` is when no further job is begun (None: never); the running ones end.

    `begin` runs one job to its end in whatever way, and leaves `found.json` in the job's place.
    """

    def __init__(
        self, setting: Setting, begin: Runner, *, workers: int = 1, minutes: float | None = None
    ) -> None:
        self.setting, self.begin, self.workers = setting, begin, workers
        self.deadline = None if minutes is None else time.monotonic() + 60 * minutes
        self.result: dict[str, Any] = self._head()

    def study(self, study: str, contestants: Sequence[str], seeds: Sequence[int]) -> bool:
        """Run a study's search and cells for some contestants; return False where time ran out before the end."""
        try:
            self._search(study, contestants)
            self._pool(self._singles(study))
            repeated = self.setting.repeated
            self._pool(
                self._cell(study, name, name, seed)
                for seed in seeds
                for name in contestants
                if seed == 0 or name in repeated
            )
        except OutOfTime:
            return False
        finally:
            self.write()
        return True

    def variants(self, study: str, named: dict[str, str]) -> bool:
        """Run cells of further contestants with seed 0, each at the rate that was searched for a kin of its."""
        try:
            self._search(study, sorted(set(named.values())))
            self._pool([self._cell(study, name, kin, 0) for name, kin in named.items()])
        except OutOfTime:
            return False
        finally:
            self.write()
        return True

    def _search(self, study: str, contestants: Sequence[str]) -> None:
        """Try the same rates for all; where the best lies at an edge, one further rate beyond it, until it does not."""
        jobs = [Job("search", study, name, 0, rate) for name in contestants for rate in self.setting.rates]
        self._pool(jobs)
        while further := list(self._beyond(study, contestants)):
            self._pool(further)

    def _beyond(self, study: str, contestants: Sequence[str]) -> Iterator[Job]:
        for name in contestants:
            rate = next_rate(self._scores(study, name), self.setting.most_rates)
            if rate is not None:
                yield Job("search", study, name, 0, rate)

    def _scores(self, study: str, name: str) -> dict[float, float]:
        return _searched(self._found(study), name)

    def _cell(self, study: str, name: str, kin: str, seed: int) -> Job:
        return Job("cell", study, name, seed, best_rate(self._scores(study, kin)))

    def _singles(self, study: str) -> list[Job]:
        """Every task alone, at the rate of LoRA of equal parameters, or of whichever contestant has been searched."""
        rate = _rate_alone(self._found(study))
        return [Job("single", study, task, 0, rate) for task in self.setting.names(study)]

    def _pool(self, jobs: Iterable[Job]) -> None:
        with ThreadPoolExecutor(self.workers) as pool:
            for _ in pool.map(self._do, jobs):
                self.write()

    def _do(self, job: Job) -> None:
        if (self.setting.place(job) / "found.json").is_file() or self._stands(job):
            return
        if self.deadline is not None and time.monotonic() > self.deadline:
            raise OutOfTime
        self.begin(job)

    def _stands(self, job: Job) -> bool:
        """Whether the result file holds what a job found, its folder being gone."""
        found = self.result["studies"].get(job.study, {})
        if job.kind == "search":
            return f"{job.rate:g}" in found.get("search", {}).get(job.name, {})
        if job.kind == "single":
            one = found.get("single", {}).get(job.name)
        else:
            one = found.get("cells", {}).get(job.name, {}).get(str(job.seed))
        return one is not None and bool(one["learning_rate"] == job.rate)

    def write(self) -> None:
        """Collect what every job and the timing found and write the result."""
        for study in self.setting.studies:
            self._collect(study)
        if (timing := timing_path(self.setting)).is_file():
            self.result["timing"] = read_json(timing)
        write_json(self.setting.result, self.result)

    def _found(self, study: str) -> dict[str, Any]:
        self._collect(study)
        found: dict[str, Any] = self.result["studies"][study]
        return found

    def _collect(self, study: str) -> None:
        found = self.result["studies"].setdefault(study, {})
        fixed = self.setting.studies[study]
        found.update(tasks=self.setting.names(study), epochs=fixed.epochs, padding_free=fixed.padding_free)
        cells, singles = _all_cells(found), list(found.get("single", {}).items())
        for path in sorted((self.setting.folder / study).glob("*/found.json")):
            one = {**read_json(path), **_marks(path.with_name("answers.jsonl"))}
            kind, rest = path.parent.name.split("-", 1)
            name, end = rest.rsplit("-seed-", 1)
            seed, rate = end.split("-", 1)
            if kind == "search":
                mean = sum(one["scores"].values()) / len(one["scores"])
                found.setdefault("search", {}).setdefault(name, {})[rate] = mean
            elif kind == "single":
                singles.append((name, one))
            else:
                cells[name, rate, seed] = one
        if singles:  # the one at the rate that the search ended with, as soon as there is one
            wanted = _rate_alone(found)
            found["single"] = dict(
                sorted(singles, key=lambda named: bool(named[1]["learning_rate"] == wanted))
            )
        _sort(found, cells)

    def _head(self) -> dict[str, Any]:
        # a job's batches say how many steps it takes: `max_steps` is a default that nobody reads here
        searched_or_derived = {"learning_rate", "warmup_steps", "padding_free", "max_steps"}
        path = self.setting.result
        known: dict[str, Any] = read_json(path) if path.is_file() else {"studies": {}}
        return {
            **known,
            "schema": 1,
            **circumstances(COMMAND),
            "base": resolve(self.setting.base).origin,
            "training": self.setting.training.model_dump(mode="json", exclude=searched_or_derived),
            "layers": "upper half" if self.setting.upper_half else "all",
            "dropout": self.setting.dropout,
        }


def _searched(found: dict[str, Any], name: str) -> dict[float, float]:
    """What a contestant's search found so far: validation scores by rate."""
    return {float(rate): score for rate, score in found.get("search", {}).get(name, {}).items()}


def _rate_alone(found: dict[str, Any]) -> float:
    """The rate of LoRA of equal parameters, or of whichever contestant has been searched."""
    searched = found["search"]
    return best_rate(_searched(found, "lora-equal" if "lora-equal" in searched else next(iter(searched))))


def _all_cells(found: dict[str, Any]) -> dict[tuple[str, str, str], Any]:
    """Every cell a result holds, by contestant, rate and seed."""
    return {
        (name.split(" at ")[0], f"{one['learning_rate']:g}", seed): one
        for name, cells in cells_of(found).items()
        for seed, one in cells.items()
    }


def _sort(found: dict[str, Any], cells: dict[tuple[str, str, str], Any]) -> None:
    """Cells at the rate their contestant's search ended with, and beside them those at another one."""
    found["cells"], found["other_rates"] = {}, {}
    for (name, rate, seed), one in cells.items():
        scores = _searched(found, name)
        if not scores or float(rate) == best_rate(scores):
            found["cells"].setdefault(name, {})[seed] = one
        else:
            found["other_rates"].setdefault(f"{name} at {rate}", {})[seed] = one


def _marks(path: Path) -> dict[str, Any]:
    """Which questions were answered rightly, a sign each in the exam's order: `{"marks": {task: "0110"}}`."""
    if not path.is_file():
        return {}
    marks: dict[str, str] = {}
    for answer in read_jsonl(path):
        marks[answer["task"]] = marks.get(answer["task"], "") + str(int(answer["score"]))
    return {"marks": marks}


def best_rate(scores: dict[float, float]) -> float:
    """Return the rate with the best score, the lower one where two are equal."""
    return min(scores, key=lambda rate: (-scores[rate], rate))


def next_rate(scores: dict[float, float], most: int) -> float | None:
    """Return the rate to try next where the best one lies at an edge, half or twice it; None where it does not.

    At most `most` rates are tried in all.
    """
    rates = sorted(scores)
    if len(rates) >= most:
        return None
    best = best_rate(scores)
    return best / 2 if best == rates[0] else 2 * best if best == rates[-1] else None
