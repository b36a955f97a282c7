"""What a teacher is asked and what it gives back."""

from __future__ import annotations

import hashlib
import json
from collections.abc import Mapping
from typing import Any, Literal, Protocol

from mezzofanti.records import Message, Record

__all__ = ["Reply", "Request", "Teacher", "stable_seed"]

Task = Literal["question", "answer", "translation"]


class Request(Record):
    """One call: `messages` for a model, and the same in parts for a teacher without one.

    `material` holds what the messages were made of (passage, history, question, story), as JSON values.
    `tokens` bounds the reply; `attempt` counts the tries of one turn, so that each draws anew.
    """

    task: Task
    language: str
    messages: tuple[Message, ...]
    material: Mapping[str, Any]
    tokens: int
    seed: int
    attempt: int = 0

    def key(self, identity: Mapping[str, Any]) -> str:
        """Return the sha256 of all that decides the reply: the teacher, the messages and the parameters."""
        content = {
            "teacher": dict(identity),
            "messages": [message.model_dump() for message in self.messages],
            "material": dict(self.material) if identity.get("uses_material") else None,
            "task": self.task,
            "tokens": self.tokens,
            "seed": self.seed,
            "attempt": self.attempt,
        }
        return hashlib.sha256(json.dumps(content, sort_keys=True, ensure_ascii=False).encode()).hexdigest()


class Reply(Record):
    """What came back. `finish` is "stop", "length" (cut at the token limit) or "failed" (`text` says why)."""

    text: str
    finish: str = "stop"
    prompt_tokens: int = 0
    reply_tokens: int = 0


class Teacher(Protocol):
    """Anything with a name, an identity that tells its replies from another's, and `ask`.

    `concurrency` bounds the calls at one time. `steadfast` is true of a teacher that always says the same again,
    so that asking anew after a reject is in vain.
    """

    name: str
    identity: Mapping[str, Any]
    concurrency: int
    steadfast: bool

    async def ask(self, request: Request) -> Reply:
        """Answer one request. `TeacherError` where no request can be answered."""
        ...

    async def close(self) -> None:
        """Let connections go."""
        ...


def stable_seed(*parts: object) -> int:
    """Return 31 bits that depend on `parts` alone, on every machine and in every run."""
    digest = hashlib.sha256("\x1f".join(str(part) for part in parts).encode()).digest()
    return int.from_bytes(digest[:4], "big") >> 1
