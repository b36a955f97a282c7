"""What is cut off a reply before it is judged: labels, numbering, what follows the question, a torn last sentence."""

from __future__ import annotations

import re

from mezzofanti.corpus.prompts import PromptPack
from mezzofanti.corpus.text import sentences

__all__ = ["tidy_answer", "tidy_question", "whole_sentences"]

_ENDS = (".", "!", "?", "…", "。", "！", "？")


def tidy_question(text: str, pack: PromptPack) -> str:
    """Take the first line that says something, without label, number or quotes, up to its question mark."""
    for line in text.splitlines():
        if line := _bare(line, pack):
            end = re.search(r"[?？]", line)
            return line[: end.end()] if end else line
    return ""


def _bare(line: str, pack: PromptPack) -> str:
    """Take numbering, labels and quotes off a line, in whatever order they stand around it."""
    while True:
        bare = re.sub(r"^\s*(?:\d+[.)]|[-•])\s+", "", _without_label(line, pack)).strip(' *"“”')
        if bare == line:
            return line
        line = bare


def tidy_answer(text: str, pack: PromptPack) -> str:
    """Take what stands before the teacher goes on to ask itself, without a label in front."""
    text = _without_label(text, pack)
    return re.split(rf"\n\s*\**(?:{_labels(pack)})\s*[:：]", text, maxsplit=1)[0].strip()


def whole_sentences(text: str) -> str:
    """Return a text that was cut at the token limit up to its last full sentence, or nothing."""
    told = sentences(text)
    if not told or told[-1].rstrip('"”»’)').endswith(_ENDS):
        return text
    position = 0
    for word in (word for sentence in told[:-1] for word in sentence.split()):
        position = text.index(word, position) + len(word)
    return text[:position].strip()


def _without_label(text: str, pack: PromptPack) -> str:
    return re.sub(rf"^\s*\**(?:{_labels(pack)})\s*[:：]\**\s*", "", text).strip()


def _labels(pack: PromptPack) -> str:
    names = ("Question", "Answer", *pack.labels.values())
    return "|".join(re.escape(name.rstrip(" :：")) for name in names)
