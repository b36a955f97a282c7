"""What a build hands back: what was accepted, what was rejected and why, and where to look."""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterable, Mapping
from pathlib import Path
from typing import Literal

from mezzofanti.records import Record, Sample

__all__ = ["BuildReport", "Outcome", "Reject", "SourceCount"]


class Reject(Record):
    """Something that did not become training data. `what` says of which kind it is:

    A "reply" was rejected, and asked anew while attempts were left; a "dialogue" or a "translation" was given up,
    for the reason of its last reply. `text` is the reply as it came.
    """

    what: Literal["reply", "dialogue", "translation"]
    reason: str
    detail: str = ""
    language: str
    skill: str
    id: str
    turn: int = 0
    text: str = ""
    source: str = ""
    license: str = ""
    url: str = ""


class Outcome(Record):
    """What one job gave: a sample or none, the rejects on the way, the replies cut to their last full sentence."""

    sample: Sample | None = None
    rejects: tuple[Reject, ...] = ()
    trimmed: int = 0


class SourceCount(Record):
    """What one source held for one language. `left_out`: rows that did not qualify, by reason."""

    source: str
    language: str
    rows: int
    left_out: Mapping[str, int]
    qualified: int
    taken: int


class BuildReport(Record):
    """Counts of a build, and `folder` where everything lies.

    `accepted` counts samples by "language/skill"; by reason, `dropped` counts dialogues and translations given up
    and `rejected` single replies. `calls_sent` went to the teacher in this run,
    `calls_reused` were found in the store.
    """

    folder: Path
    accepted: Mapping[str, int]
    dropped: Mapping[str, int]
    rejected: Mapping[str, int]
    trimmed: int
    sources: tuple[SourceCount, ...]
    calls_sent: int
    calls_reused: int

    @classmethod
    def of(
        cls, folder: Path, outcomes: Iterable[Outcome], sources: Iterable[SourceCount], sent: int, reused: int
    ) -> BuildReport:
        """Count the outcomes of a build."""
        outcomes = list(outcomes)
        samples = [outcome.sample for outcome in outcomes if outcome.sample]
        rejects = [reject for outcome in outcomes for reject in outcome.rejects]
        return cls(
            folder=folder,
            accepted=_counts(f"{sample.language}/{sample.skill}" for sample in samples),
            dropped=_counts(
                reject.reason for reject in rejects if reject.what in ("dialogue", "translation")
            ),
            rejected=_counts(reject.reason for reject in rejects if reject.what == "reply"),
            trimmed=sum(outcome.trimmed for outcome in outcomes),
            sources=tuple(sources),
            calls_sent=sent,
            calls_reused=reused,
        )

    def lines(self) -> list[str]:
        """Return what to print at the end: what happened, what was rejected, where to look."""
        accepted, dropped = sum(self.accepted.values()), sum(self.dropped.values())
        rejected = sum(self.rejected.values())
        return [
            f"Accepted {accepted} samples ({_listed(self.accepted)}); gave up {dropped} ({_listed(self.dropped)}).",
            f"Rejected {rejected} replies on the way ({_listed(self.rejected)}); {self.trimmed} cut to full sentences. "
            f"{self.calls_sent} calls went to the teacher, {self.calls_reused} were in the store.",
            f"Look at {self.folder / 'README.md'}, {self.folder / 'samples'} and {self.folder / 'rejects.jsonl'}.",
        ]


def _counts(names: Iterable[str]) -> dict[str, int]:
    """Count names, most frequent first, equals by name."""
    return dict(sorted(Counter(names).items(), key=lambda pair: (-pair[1], pair[0])))


def _listed(counts: Mapping[str, int]) -> str:
    return ", ".join(f"{name} {count}" for name, count in counts.items()) or "none"
