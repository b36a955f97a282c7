"""Guards over the form of a reply: is it there, is it a question, does it repeat, is it as long as it should be?"""

from __future__ import annotations

from collections import Counter
from typing import ClassVar

from mezzofanti.corpus.guards.base import Candidate
from mezzofanti.corpus.text import overlap, script, sentences, words

__all__ = ["Echo", "Empty", "LengthRatio", "QuestionShape", "Repetition"]


class Empty:
    """Nothing, or too little, came back."""

    name = "empty"

    def __init__(self, least: int) -> None:
        self.least = least

    def check(self, candidate: Candidate) -> str | None:
        # a Chinese character says about as much as three letters
        size = sum(3 if script(char) == "CJK" else 1 for char in candidate.text if not char.isspace())
        least = self.least if candidate.role == "answer" else 1
        return f"{size} characters" if size < least else None


class QuestionShape:
    """A question ends with a question mark and is one sentence, not a list."""

    name = "not-a-question"

    def check(self, candidate: Candidate) -> str | None:
        if not candidate.text.rstrip('"”»’)* ').endswith(("?", "？")):
            return "no question mark at the end"
        return "several lines" if "\n" in candidate.text.strip() else None


class Echo:
    """The reply repeats the question, an earlier turn, the whole passage, or the text it should translate."""

    name = "echo"

    def __init__(self, most: float) -> None:
        self.most = most

    def check(self, candidate: Candidate) -> str | None:
        if candidate.original and overlap(candidate.text, candidate.original) >= self.most:
            return "repeats the original"
        # an answer of a word or two may well stand in its question ("Which is more, 3 or 7?")
        long = len(words(candidate.text)) >= 4
        if long and candidate.question and overlap(candidate.text, candidate.question) >= self.most:
            return "repeats the question"
        if any(self._same(candidate.text, turn) for turn in candidate.history):
            return "repeats an earlier turn"
        whole = len(sentences(candidate.passage)) >= 3
        return (
            "repeats the passage"
            if whole and overlap(candidate.passage, candidate.text) >= self.most
            else None
        )

    def _same(self, text: str, other: str) -> bool:
        return min(overlap(text, other), overlap(other, text)) >= self.most


class Repetition:
    """The reply turns in a circle: one run of four words four times or more, or half of a long reply."""

    name = "repetition"

    def check(self, candidate: Candidate) -> str | None:
        parts = words(candidate.text)
        runs = Counter(tuple(parts[start : start + 4]) for start in range(len(parts) - 3))
        if not runs:
            return None
        run, times = runs.most_common(1)[0]
        circling = times >= 4 or (len(parts) >= 24 and len(runs) < 0.5 * sum(runs.values()))
        return f"{' '.join(run)!r} {times} times" if circling else None


class LengthRatio:
    """A translation is about as long as its original, counted in characters and weighed by language."""

    name = "length-ratio"
    # mean characters a language needs for 100 English ones in the parallel story templates, rounded
    _CHARACTERS: ClassVar = {"zh": 0.35}

    def __init__(self, least: float, most: float) -> None:
        self.least, self.most = least, most

    def check(self, candidate: Candidate) -> str | None:
        if not candidate.original:
            return None
        expected = len(candidate.original) * self._CHARACTERS.get(candidate.language, 1.0)
        ratio = len(candidate.text) / expected
        return None if self.least <= ratio <= self.most else f"{ratio:.2f} of the length expected"
