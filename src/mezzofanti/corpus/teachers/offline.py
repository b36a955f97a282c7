"""The teacher without a model: it takes facts out of a passage and fills frames, and retells stories from templates.

Its questions are template text; its answers are the passage's own sentences, its description, its topic and its
numbers. Nothing it says can be wrong about the passage, and nothing it says was not there.
"""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from mezzofanti.corpus.prompts import load_prompts
from mezzofanti.corpus.sources.documents import Document
from mezzofanti.corpus.stories import Story, tell
from mezzofanti.corpus.teachers.base import Reply, Request
from mezzofanti.corpus.text import numbers, sentences
from mezzofanti.records import Passage

__all__ = ["OfflineTeacher", "document_facts"]

Fact = tuple[str, str]


class OfflineTeacher:
    """Answers from `request.material`. A passage gives its facts one after another and then is "exhausted"."""

    name = "offline"
    identity: Mapping[str, Any] = {"type": "offline", "version": 1, "uses_material": True}
    concurrency = 1
    steadfast = True

    async def ask(self, request: Request) -> Reply:
        """Return the next question of a passage, the answer to a question, or a story in another language."""
        if request.task == "translation":
            story = Story.model_validate(request.material["story"])
            return Reply(text=tell(story, request.language)[request.material["part"]])
        facts = _facts(request.material)
        if request.task == "answer":
            return Reply(text=dict(facts)[request.material["question"]])
        asked = request.material["asked"]
        fresh = next((question for question, _ in facts if question not in asked), None)
        return Reply(text=fresh) if fresh else Reply(text="", finish="exhausted")

    async def close(self) -> None:
        """Nothing is open."""


def _facts(material: Mapping[str, Any]) -> list[Fact]:
    if material["kind"] == "Document":
        return document_facts(Document.model_validate(material["passage"]))
    from mezzofanti.corpus.sources.almanac import Almanac

    passage = Passage.model_validate(material["passage"])
    return list(Almanac(passage.language).dialogue_facts(passage))


def document_facts(document: Document) -> list[Fact]:
    """Return questions with answers about an article: what it is, in short, its field, what else, a missing number."""
    frames = load_prompts(document.language).offline
    told = sentences(document.text)
    title = document.title
    facts = [(frames.definition.format(title=title), told[0])]
    for frame, sentence in zip(frames.following, told[1:], strict=False):
        facts.append((frame.format(title=title), sentence))
    if document.description:
        question, answer = frames.short
        facts.append(
            (question.format(title=title), answer.format(title=title, description=document.description))
        )
    if document.topic:
        question, answer = frames.topic
        facts.append((question.format(title=title), answer.format(title=title, topic=document.topic)))
    return facts + _gap(document, told, frames.missing)


def _gap(document: Document, told: list[str], frame: Fact) -> list[Fact]:
    """Return one question for a number of two digits or more that was taken out of its sentence."""
    for sentence in told:
        for number in numbers(sentence, document.language):
            if len(number) >= 2 and sentence.count(number) == 1:
                asked = frame[0].format(title=document.title, sentence=sentence.replace(number, "…"))
                return [(asked, frame[1].format(number=number))]
    return []
