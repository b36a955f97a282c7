"""How a mixture was spoken to while it learned. Its fold is calibrated so, and a server must speak so as well.

What an assistant said is read from the chat template's `{% generation %}` marks. A template without them is replaced by
its training form only where both say the same (for some families the training form leaves a default system prompt
out); otherwise an assistant turn is what it adds to the conversation before it.
"""

from __future__ import annotations

from collections.abc import Iterable
from typing import Any

from mezzofanti.continual.encoding import IGNORE, encode, marks_assistant, use_training_template
from mezzofanti.errors import DataError
from mezzofanti.records import Sample

__all__ = ["encode_as_spoken", "mark_assistant", "spoken"]

SAID = [{"role": "user", "content": "?"}, {"role": "assistant", "content": "!"}]


def spoken(tokenizer: Any) -> str:
    """A short conversation as `tokenizer` writes it, empty where it has no chat template."""
    return str(tokenizer.apply_chat_template(SAID, tokenize=False)) if tokenizer.chat_template else ""


def mark_assistant(tokenizer: Any) -> None:
    """Let the chat template mark what the assistant says, unless it would say something else then.

    Raises `ConfigurationError` where there is no template.
    """
    own, said = tokenizer.chat_template, spoken(tokenizer)
    use_training_template(tokenizer)
    if spoken(tokenizer) != said:
        tokenizer.chat_template = own


def encode_as_spoken(
    samples: Iterable[Sample], tokenizer: Any, *, max_length: int
) -> tuple[list[dict[str, Any]], int]:
    """Return encoded rows with the assistant's turns as `labels`, and how many were longer than `max_length` tokens."""
    if marks_assistant(tokenizer.chat_template):
        return encode(samples, tokenizer, max_length=max_length, least=0)
    rows = [_by_what_is_added([m.model_dump() for m in sample.messages], tokenizer) for sample in samples]
    kept = [row for row in rows if len(row["input_ids"]) <= max_length]
    return kept, len(rows) - len(kept)


def _by_what_is_added(messages: list[dict[str, str]], tokenizer: Any) -> dict[str, Any]:
    ids = _tokens(messages, tokenizer)
    labels = [IGNORE] * len(ids)
    for turn, message in enumerate(messages):
        if message["role"] == "assistant":
            start, stop = _place(messages[: turn + 1], ids, tokenizer)
            labels[start:stop] = ids[start:stop]
    return {"input_ids": ids, "labels": labels}


def _place(messages: list[dict[str, str]], ids: list[int], tokenizer: Any) -> tuple[int, int]:
    """From where to where the last of `messages` stands in `ids`, its stop token included, what follows that not."""
    before = _tokens(messages[:-1], tokenizer, add_generation_prompt=True)
    until = _tokens(messages, tokenizer)
    if before != ids[: len(before)] or until != ids[: len(until)]:
        raise DataError(
            "The chat template writes an earlier turn otherwise than a last one.",
            cure="Save the adapter with a tokenizer whose template has {% generation %} marks.",
        )
    added = until[len(before) :]
    stops = [place for place, token in enumerate(added) if token == tokenizer.eos_token_id]
    return len(before), len(before) + (stops[-1] + 1 if stops else len(added))


def _tokens(messages: list[dict[str, str]], tokenizer: Any, **how: Any) -> list[int]:
    ids: list[int] = tokenizer.apply_chat_template(messages, return_dict=True, **how)["input_ids"]
    return ids
