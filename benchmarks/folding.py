"""What folding loses: a MALoRA learner of four languages, routed and as plain LoRA, language by language.

    python -m benchmarks.folding [--learner FOLDER]      -> benchmarks/results/folding.json

The learner is the school benchmark's cell recurrent-kif/malora, seed 0. Every fold is calibrated on 48 remembered rows
of its language; divergences are measured on the other 12, and the exam has 120 questions a language. Beside each way to
fold: one fold for all languages, each fold on the other languages, fewer rows, lower ranks. Resumable.
"""

from __future__ import annotations

import argparse
import dataclasses
from collections.abc import Callable
from pathlib import Path
from typing import Any

from benchmarks.lock import machine_lock
from benchmarks.record import RESULTS, WORK, circumstances, tell
from benchmarks.school.setting import cell_folder
from mezzofanti.continual.serving.rows import encoded_rows, split_rows
from mezzofanti.continual.serving.source import Source, open_source
from mezzofanti.evaluation.statistics import paired_bootstrap
from mezzofanti.files import read_json, write_json

RESULT = RESULTS / "folding.json"
HOW = ("mean", "regression", "kl")
FEWER = (6, 12, 24, 48)
RANKS = (8, 6, 4)
STEPS = 12
"""Of the fit of gates by gradient: twice through the calibration rows."""
EVERYTHING = "one for all"


class Bench:
    """The learner, its rows by language, and what was found so far."""

    def __init__(self, source: Source, work: Path) -> None:
        self.source, self.work = source, work
        self.pupil: Any = None
        samples: dict[str, list[Any]] = {}
        for _, sample in source.memory:
            samples.setdefault(sample.language, []).append(sample)
        self.rows = {name: split_rows(rows, f"0-{name}") for name, rows in samples.items()}
        self.languages = list(samples)

    def cell(self, name: str, find: Callable[[], dict[str, Any]]) -> dict[str, Any]:
        """What `find` finds, kept in a file: a run that was killed goes on with the next cell."""
        path = self.work / f"{name}.json"
        if not path.is_file():
            if self.pupil is None:
                self.pupil = self.source.pupil()
            write_json(path, find())
        found: dict[str, Any] = read_json(path)
        return found

    def batches(self, language: str, *, held_out: bool, count: int | None = None) -> list[Any]:
        """Encoded rows of a language: those measured on, or those calibrated on."""
        calibration, others = self.rows[language]
        return encoded_rows(self.pupil, others if held_out else calibration[:count])[0]

    def fold(self, language: str, how: str, *, rank: int | None = None, count: int | None = None) -> Any:
        """The learner folded for a language, or for all, and measured on held-out rows of it (of the first)."""
        from mezzofanti.adapters import fold

        names = self.languages if language == EVERYTHING else [language]
        rows = [batch for name in names for batch in self.batches(name, held_out=False, count=count)]
        others = self.batches(names[0], held_out=True)
        settings: dict[str, Any] = {"how": how, "rank": rank, "steps": STEPS}
        return fold(self.pupil.model, calibration=rows, held_out=others, **settings)

    def loss(self, folded: Any, language: str) -> dict[str, Any]:
        """What a fold lost on the held-out rows of a language."""
        from mezzofanti.adapters.folding.measure import measure

        rows = self.batches(language, held_out=True)
        return dataclasses.asdict(measure(self.pupil.model, folded.factors, rows, held_out=True))

    def exam(self, language: str) -> list[float]:
        """The score of every question of a language, by the model as it answers now."""
        questions = self.source.questions("language", language)
        return [answer.score for answer in self.pupil.examine(questions)]


def _routed(bench: Bench, language: str) -> dict[str, Any]:
    return bench.cell(f"routed-{language}", lambda: {"exam": bench.exam(language)})


def _folded(bench: Bench, language: str, how: str) -> dict[str, Any]:
    """One language's fold: what it lost on its rows, and its exam."""

    def find() -> dict[str, Any]:
        folded = bench.fold(language, how)
        with folded.standing_in():
            return {"loss": dataclasses.asdict(folded.loss), "exam": bench.exam(language)}

    return bench.cell(f"{how}-{language}", find)


def _for_all(bench: Bench) -> dict[str, Any]:
    """One fold calibrated on the rows of all languages."""

    def find() -> dict[str, Any]:
        folded = bench.fold(EVERYTHING, "regression")
        losses = {name: bench.loss(folded, name) for name in bench.languages}
        with folded.standing_in():
            return {name: {"loss": losses[name], "exam": bench.exam(name)} for name in bench.languages}

    return bench.cell("one-for-all", find)


def _elsewhere(bench: Bench, language: str) -> dict[str, float]:
    """A language's fold on the rows of every language: KL in nats a token."""

    def find() -> dict[str, Any]:
        folded = bench.fold(language, "regression")
        return {name: bench.loss(folded, name)["kl"] for name in bench.languages}

    return bench.cell(f"elsewhere-{language}", find)


def _sweeps(bench: Bench, language: str) -> dict[str, Any]:
    """KL of a language's fold with fewer rows, and cut to lower ranks."""

    def find() -> dict[str, Any]:
        fewer = {
            how: {str(count): bench.fold(language, how, count=count).loss.kl for count in FEWER}
            for how in ("mean", "regression")
        }
        cut = {str(rank): bench.fold(language, "regression", rank=rank) for rank in RANKS}
        return {
            "rows": fewer,
            "rank": {
                rank: {"kl": one.loss.kl, "error": max(one.truncation.values())} for rank, one in cut.items()
            },
        }

    return bench.cell(f"sweeps-{language}", find)


def run(bench: Bench) -> dict[str, Any]:
    """Every cell, and what they come to."""
    done, total = 0, len(bench.languages) * (len(HOW) + 3) + 1
    found: dict[str, Any] = {"routed": {}, "elsewhere": {}, "sweeps": {}, **{how: {} for how in HOW}}
    for language in bench.languages:
        found["routed"][language] = _routed(bench, language)
        for how in HOW:
            found[how][language] = _folded(bench, language, how)
        found["elsewhere"][language] = _elsewhere(bench, language)
        found["sweeps"][language] = _sweeps(bench, language)
        done += len(HOW) + 3
        tell("folding", done, total)
    found[EVERYTHING] = _for_all(bench)
    tell("folding", total, total)
    return found


def table(bench: Bench, found: dict[str, Any]) -> dict[str, Any]:
    """What the result file says: divergences, exams, and how sure the exams' differences are."""
    routed = {name: found["routed"][name]["exam"] for name in bench.languages}
    ways = {
        way: {
            name: {**found[way][name]["loss"], **_scores(routed[name], found[way][name]["exam"])}
            for name in bench.languages
        }
        for way in (*HOW, EVERYTHING)
    }
    pooled = {
        way: {
            **_scores(
                [one for name in bench.languages for one in routed[name]],
                [one for name in bench.languages for one in found[way][name]["exam"]],
            ),
            "kl": sum(ways[way][name]["kl"] for name in bench.languages) / len(bench.languages),
        }
        for way in ways
    }
    return {"ways": ways, "pooled": pooled, "elsewhere": found["elsewhere"], "sweeps": found["sweeps"]}


def _scores(routed: list[float], folded: list[float]) -> dict[str, Any]:
    return {
        "questions": len(routed),
        "score_routed": sum(routed) / len(routed),
        "score_folded": sum(folded) / len(folded),
        "folded_minus_routed": paired_bootstrap(folded, routed).model_dump(),
    }


def main() -> None:
    """Fold, measure and write the result, under the machine's lock."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--learner", type=Path, default=cell_folder("recurrent-kif/malora", 0, 4e-3, "cells"))
    learner = parser.parse_args().learner
    command = "python -m benchmarks.folding"
    with machine_lock(command):
        bench = Bench(open_source(learner), WORK / "folding")
        result = table(bench, run(bench))
    about = {
        "learner": learner.name,
        "calibration_rows": {name: len(rows) for name, (rows, _) in bench.rows.items()},
        "held_out_rows": {name: len(rows) for name, (_, rows) in bench.rows.items()},
        "kl_steps": STEPS,
        "rank": read_json(bench.source.adapter / "adapter_config.json")["shared_rank"],
    }
    write_json(RESULT, {"schema": 1, **circumstances(command), **about, **result})
    for way, one in result["pooled"].items():
        print(f"{way}: KL {one['kl']:.4f}, exam {one['score_routed']:.3f} -> {one['score_folded']:.3f}")


if __name__ == "__main__":
    main()
