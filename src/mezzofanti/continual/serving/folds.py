"""A learner's mixture as plain LoRA folders, one a language: what `mezzo fold` does, callable from Python.

    fold_by("learners/mixture", "folds/mixture", by="language")

    folds/mixture/fr/          an ordinary PEFT LoRA folder, its card with what was lost
    folds/mixture/folds.json   the figures of all
    folds/mixture/chat_template.jinja    how the learner was spoken to, where the base would be spoken to otherwise

Killed, the same call goes on with the languages that are missing. Rows a fold is calibrated on and rows it is measured
on are others: every fifth is held out, drawn by the seed.
"""

from __future__ import annotations

import dataclasses
import hashlib
import json
from collections.abc import Callable, Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Any, get_args

from mezzofanti.continual.serving.report import FoldReport
from mezzofanti.continual.serving.rows import By, chosen_groups, encoded_rows, grouped_rows, split_rows
from mezzofanti.continual.serving.source import Source, open_source
from mezzofanti.errors import ConfigurationError, DataError, nearest
from mezzofanti.files import read_json, write_json, write_text
from mezzofanti.records import Sample

if TYPE_CHECKING:
    from mezzofanti.adapters.folding.choice import How
    from mezzofanti.continual.pupil import Pupil

__all__ = ["fold_by"]

Progress = Callable[[str, int, int], None]


def fold_by(
    source: Path | str,
    output: Path | str,
    *,
    by: By = "language",
    rows: Path | None = None,
    only: Sequence[str] = (),
    how: How = "regression",
    rank: int | None = None,
    exam: bool = True,
    seed: int = 0,
    progress: Progress | None = None,
) -> FoldReport:
    """Fold the mixture in `source`, a learner's folder or an adapter's, into one plain LoRA a language.

    Args:
        source: A learner's folder: its last adapter, its memory's rows, its questions as the exam. Or a PEFT folder
            with a routed adapter: then `rows` must be given, and there is no exam.
        output, by: Where the folders go, one called after each "language", "skill" or (of a learner) "task".
        rows, only: Rows (JSONL, Parquet) instead of the memory's; some of their languages instead of all.
        how, rank: As in `mezzofanti.adapters.fold`.
        exam: Whether a learner's questions are answered, routed and folded.

    Raises:
        ConfigurationError: an unknown `by`, `how` or language; no mixture. DataError: no rows, or without a language.
    """
    from mezzofanti.adapters.folding.choice import How

    if by not in get_args(By):
        raise ConfigurationError(f"fold: there is no --by {by}.", cure=nearest(by, get_args(By)))
    if how not in get_args(How):
        raise ConfigurationError(f"fold: there is no --how {how}.", cure=nearest(how, get_args(How)))
    if rank is not None and rank < 1:
        raise ConfigurationError(f"fold: --rank {rank} is not above 0.", cure="Give 1, 2, 3, ...")
    found = open_source(Path(source))
    groups = chosen_groups(grouped_rows(found, by, rows), only, by)
    work = _Work(found, Path(output), by, how, rank, exam, seed, progress)
    for name, samples in groups.items():
        work.fold(name, samples)
    return work.report(list(groups))


class _Work:
    """One call of `fold_by`: the model is loaded when the first fold is missing."""

    def __init__(
        self,
        source: Source,
        output: Path,
        by: By,
        how: How,
        rank: int | None,
        exam: bool,
        seed: int,
        progress: Progress | None,
    ) -> None:
        self.source, self.output, self.by, self.how = source, output, by, how
        self.rank, self.exam, self.seed, self.progress = rank, exam, seed, progress
        self.figures = output / "folds.json"
        self.pupil: Pupil | None = None
        known = read_json(self.figures) if self.figures.is_file() else {}
        self.known: dict[str, dict[str, Any]] = known.get("folds", {})
        self.chat_template: str | None = known.get("chat_template")

    def fold(self, name: str, samples: list[Sample]) -> None:
        """Fold for one language, unless that was done already from the same adapter, rows and settings."""
        folder, mark = self.output / name, self._mark(samples)
        if self.known.get(name, {}).get("made_from") == mark and (folder / "adapter_config.json").is_file():
            return
        pupil = self._seated()
        from mezzofanti.adapters.folding import fold

        calibration, held_out = split_rows(samples, f"{self.seed}-{name}")
        rows, left_out = encoded_rows(pupil, calibration)
        others, left_out_too = encoded_rows(pupil, held_out)
        if not rows:
            longest = f"max_length={pupil.training.max_length} tokens"
            raise DataError(f"fold: all rows of {name} are longer than {longest}.", cure="Give shorter ones.")
        folded = fold(
            pupil.model,
            calibration=rows,
            held_out=others,
            how=self.how,
            rank=self.rank,
            score=self._score(pupil, name),
        )
        folded.save(folder, base=str(self.source.base.path), title=name)
        assert folded.loss is not None
        self.known[name] = {
            "folder": str(folder),
            "made_from": mark,
            "how": folded.how,
            "rank": folded.rank,
            "calibration_rows": len(calibration) - left_out,
            "rows_left_out": left_out + left_out_too,
            "max_length": pupil.training.max_length,
            "truncation": max(folded.truncation.values()),
            "loss": dataclasses.asdict(folded.loss),
        }
        self._write()

    def report(self, names: list[str]) -> FoldReport:
        """What `names` came to, done now or before."""
        folds = {name: self.known[name] for name in names}
        template = self.output / self.chat_template if self.chat_template else None
        rank = max(fold["rank"] for fold in folds.values())
        return FoldReport(self.output, str(self.source.base.path), rank, folds, template)

    def _seated(self) -> Pupil:
        if self.pupil is None:
            self.pupil = self.source.pupil()
            template = self.source.new_chat_template(self.pupil)
            self.chat_template = "chat_template.jinja" if template else None
            if self.chat_template:
                write_text(self.output / self.chat_template, template)
        return self.pupil

    def _score(self, pupil: Pupil, name: str) -> Callable[[Any], float] | None:
        questions = self.source.questions(self.by, name) if self.exam else {}
        if not questions:
            return None

        def score(model: Any) -> float:
            answers = pupil.examine(questions, self._say(f"{name}: exam, routed and folded"))
            return sum(answer.score for answer in answers) / len(answers)

        return score

    def _say(self, what: str) -> Callable[[int, int], None] | None:
        progress = self.progress
        return None if progress is None else lambda done, total: progress(what, done, total)

    def _mark(self, samples: list[Sample]) -> str:
        settings = [
            self.by,
            self.how,
            self.rank,
            self.exam,
            self.seed,
            *(s.model_dump(mode="json") for s in samples),
        ]
        return hashlib.sha256((self.source.mark + json.dumps(settings)).encode()).hexdigest()[:16]

    def _write(self) -> None:
        content = {"base": str(self.source.base.path), "source": str(self.source.path), "by": self.by}
        write_json(
            self.figures, {"schema": 1, **content, "chat_template": self.chat_template, "folds": self.known}
        )
