"""Guards over the conduct of the teacher: does it refuse, speak of "the text", show its prompt, obey a text?"""

from __future__ import annotations

import re

from mezzofanti.corpus.guards.base import Candidate, phrase_in, phrases_of
from mezzofanti.corpus.prompts import load_prompts
from mezzofanti.corpus.text import sentences, words

__all__ = ["Injection", "Leak", "MetaTalk", "Refusal"]


class Refusal:
    """The teacher excuses itself instead of answering."""

    name = "refusal"

    def check(self, candidate: Candidate) -> str | None:
        # refusals come first; the same words deep in a text are mostly quoted from it
        return phrase_in(candidate.text[:160], phrases_of(candidate.language, "refusal"))


class MetaTalk:
    """The reply speaks of "the text", which nobody who reads it will have."""

    name = "speaks-of-the-text"

    def check(self, candidate: Candidate) -> str | None:
        if candidate.role == "translation":
            return None
        return phrase_in(candidate.text, load_prompts(candidate.language).phrases.meta)


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
        orders = phrases_of(candidate.language, "orders")
        said = set(words(candidate.text))
        for sentence in sentences(f"{candidate.passage}\n{candidate.original}"):
            if not (order := phrase_in(sentence, orders)):
                continue
            # most of the reply's words stand in the sentence that gives the order
            if said and len(said & set(words(sentence))) / len(said) >= 0.6:
                return f"follows {order!r} in the passage"
            if phrase_in(candidate.text, (order,)):
                return f"repeats {order!r} from the passage"
        return None
