"""Conversations to tokens: every training row, new or remembered, is encoded here and nowhere else.

Only assistant turns are learned. The mask comes from the chat template's `{% generation %}` marks; a template without
them is replaced by TRL's training form of it, or, for ChatML templates that TRL does not know, by `CHATML`.
"""

from __future__ import annotations

from collections.abc import Iterable
from typing import Any

from mezzofanti.errors import ConfigurationError, DataError
from mezzofanti.records import Sample

__all__ = [
    "CHATML",
    "IGNORE",
    "collator",
    "encode",
    "encode_messages",
    "fitting",
    "marks_assistant",
    "use_training_template",
]

IGNORE = -100

# ChatML with the assistant's words and the stop token marked, and without a default system prompt: a prompt nobody
# wrote would cost thirty tokens a row
CHATML = (
    "{% for message in messages %}"
    "{{ '<|im_start|>' + message['role'] + '\n' }}"
    "{% if message['role'] == 'assistant' %}"
    "{% generation %}{{ message['content'] + '<|im_end|>' }}{% endgeneration %}{{ '\n' }}"
    "{% else %}{{ message['content'] + '<|im_end|>\n' }}{% endif %}"
    "{% endfor %}"
    "{% if add_generation_prompt %}{{ '<|im_start|>assistant\n' }}{% endif %}"
)


def use_training_template(tokenizer: Any) -> str:
    """Give `tokenizer` a chat template that marks what the assistant says; return where it came from.

    Raises `ConfigurationError` where there is no template to mark.
    """
    template = tokenizer.chat_template
    if not template:
        raise ConfigurationError(
            "The base's tokenizer has no chat template.", cure="Use an instruct base, or set one."
        )
    if marks_assistant(template):
        return "the base's own"
    try:
        from trl.chat_template_utils import get_training_chat_template

        tokenizer.chat_template = get_training_chat_template(tokenizer) or template
        return "TRL's training form"
    except ValueError:
        if "<|im_start|>" not in template:
            raise ConfigurationError(
                "The base's chat template does not mark what the assistant says.",
                cure="Set tokenizer.chat_template to one with {% generation %} marks.",
            ) from None
    tokenizer.chat_template = CHATML
    return "ChatML without a default system prompt"


def marks_assistant(template: str) -> bool:
    """Whether a chat template marks what the assistant says."""
    return "{% generation" in template or "{%- generation" in template


def encode(
    samples: Iterable[Sample], tokenizer: Any, *, max_length: int, least: int = 1
) -> tuple[list[dict[str, Any]], int]:
    """Encode samples; return the rows and how many were dropped for being longer than `max_length` tokens.

    A cut row may have lost the answer it teaches, so a long one is dropped whole. Raises `DataError` where there are
    rows and fewer than `least` are left.
    """
    rows = [encode_messages([m.model_dump() for m in sample.messages], tokenizer) for sample in samples]
    kept = [row for row in rows if len(row["input_ids"]) <= max_length]
    if rows and len(kept) < least:
        raise DataError(
            f"All {len(rows)} rows are longer than max_length={max_length} tokens.", cure="Raise max_length."
        )
    return kept, len(rows) - len(kept)


def fitting(samples: Iterable[Sample], tokenizer: Any, *, max_length: int) -> list[Sample]:
    """The samples that `encode` would keep."""
    return [sample for sample in samples if encode([sample], tokenizer, max_length=max_length, least=0)[0]]


def collator(tokenizer: Any) -> Any:
    """What makes one padded batch of encoded rows: `input_ids`, `attention_mask`, and `labels` padded with `IGNORE`."""
    from transformers import DataCollatorForSeq2Seq

    return DataCollatorForSeq2Seq(tokenizer, label_pad_token_id=IGNORE)


def encode_messages(messages: list[dict[str, str]], tokenizer: Any) -> dict[str, Any]:
    """Encode one conversation: `input_ids` and `labels` (the same, `IGNORE` outside assistant turns)."""
    encoded = tokenizer.apply_chat_template(messages, return_dict=True, return_assistant_tokens_mask=True)
    ids, mask = encoded["input_ids"], encoded["assistant_masks"]
    if not any(mask):
        raise DataError(
            "A row has no assistant turn to learn from.", cure="Each row ends in an assistant message."
        )
    return {
        "input_ids": ids,
        "labels": [token if keep else IGNORE for token, keep in zip(ids, mask, strict=True)],
    }
