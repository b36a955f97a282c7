"""Guards decide whether a teacher's reply may become training data. Each is one class with one method.

A guard returns None, or says what is wrong; its `name` is the reason that rejects are counted by.
None of them asks a model: the same reply is always judged the same.
"""

from __future__ import annotations

import re
from collections import Counter
from collections.abc import Iterable
from functools import cache
from typing import Any, ClassVar, Literal, Protocol

from mezzofanti.corpus.prompts import load_prompts
from mezzofanti.corpus.recipe import GuardSettings
from mezzofanti.corpus.text import letters, numbers, overlap, plain, script, sentences, words
from mezzofanti.records import Record

__all__ = ["Candidate", "Guard", "first_objection", "guards_for"]

Role = Literal["question", "answer", "translation"]


class Candidate(Record):
    """A reply with what it must be held against. Empty fields are not looked at."""

    text: str
    language: str
    role: Role
    question: str = ""
    history: tuple[str, ...] = ()
    passage: str = ""
    original: str = ""
    original_language: str = "en"
    instructions: str = ""


class Guard(Protocol):
    """One reason to reject a reply."""

    name: str

    def check(self, candidate: Candidate) -> str | None:
        """Return what is wrong, or None."""
        ...


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


class Script:
    """Most letters belong to the script of the language."""

    name = "script"
    _SCRIPTS: ClassVar = {"ru": "CYRILLIC", "zh": "CJK"}

    def check(self, candidate: Candidate) -> str | None:
        found = [script(char) for char in letters(plain(candidate.text))]
        expected = self._SCRIPTS.get(candidate.language, "LATIN")
        share = found.count(expected) / len(found) if found else 1.0
        return f"{share:.0%} of the letters are {expected}" if share < 0.5 else None


class Language:
    """py3langid gives the language at least `least` probability; too short a text is not judged.

    Measured on 700 Wikipedia leads each: at 0.1 a false alarm on 0.0 % of the English, 0.0 % of the French and
    0.1 % of the Spanish leads, and on 0.6, 0.3 and 0.9 % of their first sentences alone.
    """

    name = "language"
    shortest = 20
    # py3langid knows sister languages written alike, which a short text cannot be told apart from
    _KIN: ClassVar = {"zh": ("zh", "wuu", "yue"), "en": ("en", "pcm"), "es": ("es", "ext", "an")}

    def __init__(self, least: float) -> None:
        self.least = least

    def check(self, candidate: Candidate) -> str | None:
        text = plain(candidate.text)
        size = sum(3 if script(char) == "CJK" else 1 for char in letters(text))
        if size < self.shortest:
            return None
        ranked = _identifier().rank(text)
        kin = self._KIN.get(candidate.language, (candidate.language,))
        probability = sum(share for name, share in ranked if name in kin)
        return f"looks like {ranked[0][0]}" if probability < self.least and ranked[0][0] not in kin else None


@cache
def _identifier() -> Any:
    from py3langid.langid import MODEL_FILE, LanguageIdentifier

    return LanguageIdentifier.from_model_file(MODEL_FILE, norm_probs=True)


class Refusal:
    """The teacher excuses itself instead of answering."""

    name = "refusal"

    def check(self, candidate: Candidate) -> str | None:
        # refusals come first; the same words deep in a text are mostly quoted from it
        return _phrase(candidate.text[:160], _phrases(candidate.language, "refusal"))


class MetaTalk:
    """The reply speaks of "the text", which nobody who reads it will have."""

    name = "speaks-of-the-text"

    def check(self, candidate: Candidate) -> str | None:
        if candidate.role == "translation":
            return None
        return _phrase(candidate.text, load_prompts(candidate.language).phrases.meta)


class Echo:
    """The reply repeats the question, an earlier turn, the whole passage, or the text it should translate."""

    name = "echo"

    def __init__(self, most: float) -> None:
        self.most = most

    def check(self, candidate: Candidate) -> str | None:
        if candidate.original and overlap(candidate.text, candidate.original) >= self.most:
            return "repeats the original"
        if candidate.question and overlap(candidate.text, candidate.question) >= self.most:
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


class NumbersKept:
    """A translation has exactly the numbers of its original, by value, as often."""

    name = "numbers-changed"

    def check(self, candidate: Candidate) -> str | None:
        if candidate.role != "translation":
            return None
        wanted = numbers(candidate.original, candidate.original_language)
        found = numbers(candidate.text, candidate.language)
        lost, added = wanted - found, found - wanted
        if not lost and not added:
            return None
        return f"lost {sorted(lost.elements())}, added {sorted(added.elements())}"


class NumbersGrounded:
    """An answer names no number that neither the passage nor the conversation holds."""

    name = "number-not-in-the-passage"
    _LIST_MARK = re.compile(r"^\s*\d+[.)]\s", re.MULTILINE)

    def check(self, candidate: Candidate) -> str | None:
        if candidate.role != "answer" or not candidate.passage:
            return None
        known: set[str] = set()
        for text in (candidate.passage, candidate.question, *candidate.history):
            known.update(numbers(text, candidate.language))
        found = numbers(self._LIST_MARK.sub("", candidate.text), candidate.language)
        strange = sorted(set(found) - known)
        return f"{', '.join(strange)}" if strange else None


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


class Leak:
    """The reply shows the marks of the document or a run of ten words of the instructions."""

    name = "prompt-leak"
    _MARK = re.compile(r"</?document|<\|im_|\[/?INST\]|<\|endoftext", re.IGNORECASE)

    def check(self, candidate: Candidate) -> str | None:
        if found := self._MARK.search(candidate.text):
            return f"holds {found.group()!r}"
        said, told = words(candidate.text), f" {' '.join(words(candidate.instructions))} "
        runs = (" ".join(said[start : start + 10]) for start in range(len(said) - 9))
        return next((f"repeats the instructions: {run!r}" for run in runs if f" {run} " in told), None)


class Injection:
    """The passage holds orders ("reply with ...") and the reply does as told, repeats them, or gives orders itself."""

    name = "injection"

    def check(self, candidate: Candidate) -> str | None:
        orders = _orders(candidate.language)
        said = set(words(candidate.text))
        for sentence in sentences(f"{candidate.passage}\n{candidate.original}"):
            if not (order := _phrase(sentence, orders)):
                continue
            # most of the reply's words stand in the sentence that gives the order
            if said and len(said & set(words(sentence))) / len(said) >= 0.6:
                return f"follows {order!r} in the passage"
            if _phrase(candidate.text, [order]):
                return f"repeats {order!r} from the passage"
        return None


class ForeignLink:
    """The reply names a web or mail address that the material does not hold."""

    name = "foreign-link"
    _LINK = re.compile(r"(?:https?://|www\.)[^\s<>\"]+|[\w.+-]+@[\w-]+\.\w+", re.IGNORECASE)

    def check(self, candidate: Candidate) -> str | None:
        material = " ".join((candidate.passage, candidate.original, candidate.question, *candidate.history))
        strange = [link for link in self._LINK.findall(candidate.text) if link not in material]
        return strange[0] if strange else None


def _phrase(text: str, phrases: Iterable[str]) -> str | None:
    """Return the first of `phrases` that stands in the text as whole words, or None."""
    text = re.sub(r"\s+", " ", text.casefold().replace("’", "'"))
    for phrase in phrases:
        if re.search(
            rf"(?<![^\W\d_]){re.escape(phrase)}(?![^\W\d_])" if phrase[0].isascii() else re.escape(phrase),
            text,
        ):
            return phrase
    return None


def _phrases(language: str, kind: Literal["refusal", "orders"]) -> tuple[str, ...]:
    """Return the phrases of a language and the English ones, which weak teachers fall back to."""
    own: tuple[str, ...] = getattr(load_prompts(language).phrases, kind)
    english: tuple[str, ...] = getattr(load_prompts("en").phrases, kind)
    return own if language == "en" else own + english


def _orders(language: str) -> tuple[str, ...]:
    return _phrases(language, "orders")


def guards_for(role: Role, settings: GuardSettings) -> tuple[Guard, ...]:
    """Return the guards of a role, cheapest and plainest first: the first objection is the one that is reported."""
    common: tuple[Guard, ...] = (
        Empty(settings.least_answer_characters),
        Refusal(),
        Leak(),
        Script(),
        Language(settings.least_language_probability),
        Injection(),
        ForeignLink(),
        Echo(settings.most_echo),
        Repetition(),
    )
    own: dict[Role, tuple[Guard, ...]] = {
        "question": (QuestionShape(), MetaTalk()),
        "answer": (MetaTalk(), NumbersGrounded()),
        "translation": (NumbersKept(), LengthRatio(settings.least_ratio, settings.most_ratio)),
    }
    return common + own[role]


def first_objection(candidate: Candidate, guards: Iterable[Guard]) -> tuple[str, str] | None:
    """Return (reason, detail) of the first guard that objects, or None."""
    for guard in guards:
        if detail := guard.check(candidate):
            return guard.name, detail
    return None
