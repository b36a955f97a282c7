"""Knowledge-grounded dialogues: passage, question, answer, follow-ups (UltraLink, arXiv:2402.04588, pipeline 1A).

A turn is asked for, judged by the guards, and asked anew while attempts are left. A first turn that fails ends
everything; a later one ends the dialogue, which is kept if it has turns enough. Unlike the original, every reply is
judged, an empty follow-up question never passes, and the passage stands between marks that it cannot know.
"""

from __future__ import annotations

import hashlib
from typing import Literal

from mezzofanti.corpus.guards import Candidate, first_objection, guards_for
from mezzofanti.corpus.prompts import load_prompts
from mezzofanti.corpus.recipe import Recipe
from mezzofanti.corpus.report import Outcome, Reject
from mezzofanti.corpus.store import Desk
from mezzofanti.corpus.teachers.base import Reply, Request, stable_seed
from mezzofanti.corpus.tidying import tidy_answer, tidy_question, whole_sentences
from mezzofanti.records import Lineage, Message, Passage, Record, Sample

__all__ = ["SKILL", "hold_dialogue", "mark", "turns_wanted"]

SKILL = "dialogue"

Turn = tuple[str, str]
Role = Literal["question", "answer"]

# UltraLink stops after turn t with this probability (t = 2, 3, ...), and always after the sixth
_STOP = {2: 0.1, 3: 0.2, 4: 0.4, 5: 0.8}


class _Said(Record):
    """A reply that passed, or the reject it became; `exhausted` where the teacher has nothing more to ask."""

    text: str = ""
    reject: Reject | None = None
    trimmed: bool = False
    exhausted: bool = False


def turns_wanted(passage: Passage, recipe: Recipe) -> int:
    """Return how many turns this passage is to get: drawn with UltraLink's odds, within the recipe's bounds."""
    settings = recipe.dialogues
    for turn in range(settings.least_turns, settings.most_turns):
        chance = stable_seed(recipe.seed, passage.id, "stop", turn) / 2**31
        if chance < _STOP.get(turn, 1.0 if turn > 5 else 0.0):
            return turn
    return settings.most_turns


def mark(passage: Passage) -> str:
    """Return the passage between marks that carry a hash of it, so that no text can close its own mark."""
    name = f"document-{hashlib.sha256(passage.text.encode()).hexdigest()[:8]}"
    return f"<{name}>\n{passage.title}\n\n{passage.text}\n</{name}>"


async def hold_dialogue(passage: Passage, desk: Desk, recipe: Recipe) -> Outcome:
    """Return a dialogue about a passage, or why it was given up."""
    talk = _Talk(passage, desk, recipe)
    while len(talk.turns) < turns_wanted(passage, recipe):
        if not await talk.take_turn():
            break
    return talk.outcome()


class _Talk:
    """One dialogue while it is being held."""

    def __init__(self, passage: Passage, desk: Desk, recipe: Recipe) -> None:
        self.passage = passage
        self.desk = desk
        self.recipe = recipe
        self.pack = load_prompts(passage.language)
        self.document = mark(passage)
        self.turns: list[Turn] = []
        self.rejects: list[Reject] = []
        self.trimmed = 0
        self.exhausted = False

    async def take_turn(self) -> bool:
        """Ask for one question and its answer, anew after each rejection; False when attempts or facts run out."""
        for attempt in range(1 if self.desk.steadfast else self.recipe.dialogues.attempts):
            question = await self._say("question", "", attempt)
            if question.exhausted:
                self.exhausted = True
                return False
            if question.reject:
                self.rejects.append(question.reject)
                continue
            answer = await self._say("answer", question.text, attempt)
            if answer.reject:
                self.rejects.append(answer.reject)
                continue
            self.trimmed += answer.trimmed
            self.turns.append((question.text, answer.text))
            return True
        return False

    async def _say(self, role: Role, question: str, attempt: int) -> _Said:
        request = self._request(role, question, attempt)
        reply = await self.desk.ask(request)
        if reply.finish == "exhausted":
            return _Said(exhausted=True)
        if reply.finish == "failed":
            return self._rejected("teacher-failed", reply.text, reply)
        text = self._tidied(role, reply.text)
        whole = whole_sentences(text) if reply.finish == "length" and role == "answer" else text
        if text and not whole:
            return self._rejected("cut", f"no full sentence in {request.tokens} tokens", reply)
        if objection := self._objection(role, whole, question, request):
            return self._rejected(*objection, reply)
        return _Said(text=whole, trimmed=whole != text)

    def _tidied(self, role: Role, text: str) -> str:
        if self.desk.teacher.identity.get("uses_material"):
            # it knows its own question again by every letter, and what it says needs no tidying
            return text
        return tidy_question(text, self.pack) if role == "question" else tidy_answer(text, self.pack)

    def _objection(self, role: Role, text: str, question: str, request: Request) -> tuple[str, str] | None:
        candidate = Candidate(
            text=text,
            language=self.passage.language,
            role=role,
            question=question,
            history=tuple(part for turn in self.turns for part in turn),
            passage=f"{self.passage.title}. {getattr(self.passage, 'description', '')}\n{self.passage.text}",
            instructions=request.messages[0].content,
        )
        return first_objection(candidate, guards_for(role, self.recipe.guards))

    def _rejected(self, reason: str, detail: str, reply: Reply) -> _Said:
        return _Said(reject=self._reject("reply", reason, detail, reply.text))

    def _reject(self, what: Literal["reply", "dialogue"], reason: str, detail: str, text: str = "") -> Reject:
        return Reject(
            what=what,
            reason=reason,
            detail=detail,
            language=self.passage.language,
            skill=SKILL,
            id=self.passage.id,
            turn=len(self.turns) + 1,
            text=text,
            source=self.passage.source,
            license=self.passage.license,
            url=self.passage.url,
        )

    def _request(self, role: Role, question: str, attempt: int) -> Request:
        """Put the call together, for a model in words and for a teacher without one in parts."""
        settings, turn = self.recipe.dialogues, len(self.turns)
        kind = self._kind(role)
        seed = stable_seed(self.recipe.seed, self.passage.id, turn, role, attempt)
        prompt = getattr(self.pack.dialogue, kind)
        fields = {"document": self.document, "dialogue": self._told(), "question": question}
        if role == "question":
            advice = getattr(self.pack.advice, kind)
            fields["advice"] = advice[seed % len(advice)]
        return Request(
            task=role,
            language=self.passage.language,
            messages=(
                Message(role="system", content=prompt.system),
                Message(role="user", content=prompt.user.format(**fields)),
            ),
            material={
                "kind": type(self.passage).__name__,
                "passage": self.passage.model_dump(),
                "asked": [asked for asked, _ in self.turns],
                "question": question,
            },
            tokens=settings.question_tokens if role == "question" else settings.answer_tokens,
            seed=seed,
            attempt=attempt,
        )

    def _kind(self, role: Role) -> str:
        """Name the prompt: a fair coin decides whether a follow-up goes deeper or wider."""
        if not self.turns:
            return role
        if role == "answer":
            return "follow_up_answer"
        coin = stable_seed(self.recipe.seed, self.passage.id, "kind", len(self.turns)) % 2
        return ("in_depth", "expansive")[coin]

    def _told(self) -> str:
        labels = self.pack.labels
        return "\n".join(f"{labels['question']} {q}\n{labels['answer']} {a}" for q, a in self.turns)

    def outcome(self) -> Outcome:
        """Return the sample, or the dialogue as given up for the reason of its last reject."""
        least = self.recipe.dialogues.least_turns
        if len(self.turns) >= least:
            return Outcome(sample=self._sample(), rejects=tuple(self.rejects), trimmed=self.trimmed)
        if self.exhausted:
            lost = self._reject("dialogue", "too-few-facts", f"{len(self.turns)} of {least} turns")
        else:
            last = self.rejects[-1]
            lost = self._reject("dialogue", last.reason, f"turn {last.turn} of {least}: {last.detail}")
        return Outcome(rejects=(*self.rejects, lost), trimmed=self.trimmed)

    def _sample(self) -> Sample:
        messages: list[Message] = []
        for number, (question, answer) in enumerate(self.turns):
            if number == 0 and self.recipe.dialogues.document == "shown":
                text = self.passage.text.replace("<document", "< document").replace(
                    "</document", "< /document"
                )
                shown = f"<document>\n{text}\n</document>"
                question = self.pack.shown.format(document=shown, question=question)
            messages.append(Message(role="user", content=question))
            messages.append(Message(role="assistant", content=answer))
        teacher = self.desk.teacher
        lineage = Lineage(
            source=self.passage.source,
            license=self.passage.license,
            url=self.passage.url,
            passage_id=self.passage.id,
            teacher=teacher.name,
            prompt=f"{self.passage.language}.dialogue",
            template=teacher.identity["type"] == "offline",
        )
        return Sample(
            id=f"{self.passage.id}/{SKILL}",
            language=self.passage.language,
            skill=SKILL,
            messages=tuple(messages),
            lineage=lineage,
        )
