"""Carrying a language-agnostic sample into another language (UltraLink, pipeline 1B, stage 2): message by message.

What the original lacks, a check of what came back, is the point here: numbers, language, length, echo.
"""

from __future__ import annotations

from mezzofanti.corpus.guards import Candidate, first_objection, guards_for
from mezzofanti.corpus.prompts import load_prompts
from mezzofanti.corpus.recipe import Recipe
from mezzofanti.corpus.report import Outcome, Reject
from mezzofanti.corpus.store import Desk
from mezzofanti.corpus.stories import Story, tell
from mezzofanti.corpus.teachers.base import Request, stable_seed
from mezzofanti.records import Lineage, Message, Sample

__all__ = ["SKILL", "carry_story", "english_story"]

SKILL = "arithmetic-story"
_SOURCE = "arithmetic stories"
_LICENSE = "Apache-2.0"


def english_story(story: Story) -> Sample:
    """Return the story as an English sample, told from templates."""
    lineage = Lineage(source=_SOURCE, license=_LICENSE, template=True)
    return _sample(story, "en", tell(story, "en"), lineage)


async def carry_story(story: Story, language: str, desk: Desk, recipe: Recipe) -> Outcome:
    """Return the story in another language, or why it was given up."""
    parts: dict[str, str] = {}
    rejects: list[Reject] = []
    for part in ("question", "answer"):
        text, refused = await _translated(story, part, language, desk, recipe)
        rejects.extend(refused)
        if text is None:
            last = refused[-1].model_copy(update={"what": "translation"})
            return Outcome(rejects=(*rejects, last))
        parts[part] = text
    lineage = Lineage(
        source=_SOURCE,
        license=_LICENSE,
        parent_id=f"en/{SKILL}/{story.id}",
        teacher=desk.teacher.name,
        prompt=f"{language}.translate",
        template=desk.teacher.identity["type"] == "offline",
    )
    return Outcome(sample=_sample(story, language, parts, lineage), rejects=tuple(rejects))


async def _translated(
    story: Story, part: str, language: str, desk: Desk, recipe: Recipe
) -> tuple[str | None, list[Reject]]:
    rejects: list[Reject] = []
    for attempt in range(1 if desk.steadfast else recipe.dialogues.attempts):
        request = _request(story, part, language, recipe, attempt)
        reply = await desk.ask(request)
        text = reply.text.strip()
        if (objection := _objection(text, reply.finish, request, story, part, recipe)) is None:
            return text, rejects
        rejects.append(
            Reject(
                what="reply",
                reason=objection[0],
                detail=objection[1],
                language=language,
                skill=SKILL,
                id=f"{language}/{SKILL}/{story.id}",
                text=reply.text,
                source=_SOURCE,
                license=_LICENSE,
            )
        )
    return None, rejects


def _request(story: Story, part: str, language: str, recipe: Recipe, attempt: int) -> Request:
    prompt = load_prompts(language).translate
    original = tell(story, "en")[part]
    return Request(
        task="translation",
        language=language,
        messages=(
            Message(role="system", content=prompt.system),
            Message(role="user", content=prompt.user.format(text=original)),
        ),
        material={"story": story.model_dump(), "part": part},
        tokens=recipe.stories.translation_tokens if recipe.stories else 400,
        seed=stable_seed(recipe.seed, language, story.id, part, attempt),
        attempt=attempt,
    )


def _objection(
    text: str, finish: str, request: Request, story: Story, part: str, recipe: Recipe
) -> tuple[str, str] | None:
    if finish == "failed":
        return "teacher-failed", text
    if finish == "length":
        return "cut", f"at {request.tokens} tokens"
    candidate = Candidate(
        text=text,
        language=request.language,
        role="translation",
        original=tell(story, "en")[part],
        instructions=request.messages[0].content,
    )
    return first_objection(candidate, guards_for("translation", recipe.guards))


def _sample(story: Story, language: str, parts: dict[str, str], lineage: Lineage) -> Sample:
    return Sample(
        id=f"{language}/{SKILL}/{story.id}",
        language=language,
        skill=SKILL,
        messages=(
            Message(role="user", content=parts["question"]),
            Message(role="assistant", content=parts["answer"]),
        ),
        lineage=lineage,
    )
