"""Greedy answers in batches, which end when every row of the batch has answered.

An answer is one turn: it ends at the stop token or, for exams whose answers are one line, at the first line break.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from typing import Any

import torch
from torch import Tensor
from transformers import StoppingCriteria, StoppingCriteriaList

from mezzofanti.answering import answering

__all__ = ["answer"]

Progress = Callable[[int, int], None]


def answer(
    model: Any,
    tokenizer: Any,
    prompts: Sequence[str],
    *,
    max_new_tokens: int = 48,
    batch_size: int = 60,
    one_line: bool = True,
    systems: Sequence[str] = (),
    progress: Progress | None = None,
) -> list[str]:
    """Ask each prompt as one user turn and return the answers in the same order.

    `systems` holds a system turn for each prompt ("" for none); left out, none has one. Greedy: the same model,
    prompts and thread count give the same answers. Prompts are batched by length, so that little is spent on
    padding. `progress` is called with (answered, total).
    """
    spoken = zip(systems or [""] * len(prompts), prompts, strict=True)
    texts = [_chat(tokenizer, system, prompt) for system, prompt in spoken]
    breaks = _line_breaks(tokenizer) if one_line else None
    order = sorted(range(len(texts)), key=lambda index: len(texts[index]))
    answers = [""] * len(texts)
    for start in range(0, len(order), batch_size):
        chosen = order[start : start + batch_size]
        found = _generate(model, tokenizer, [texts[i] for i in chosen], max_new_tokens, breaks)
        for index, text in zip(chosen, found, strict=True):
            answers[index] = text
        if progress is not None:
            progress(min(start + batch_size, len(order)), len(order))
    return answers


def _chat(tokenizer: Any, system: str, prompt: str) -> str:
    messages = [{"role": "system", "content": system}] if system else []
    messages.append({"role": "user", "content": prompt})
    return str(tokenizer.apply_chat_template(messages, tokenize=False, add_generation_prompt=True))


@torch.inference_mode()
def _generate(
    model: Any, tokenizer: Any, texts: list[str], max_new_tokens: int, breaks: Tensor | None
) -> list[str]:
    side, tokenizer.padding_side = tokenizer.padding_side, "left"
    batch = tokenizer(texts, return_tensors="pt", padding=True, add_special_tokens=False).to(model.device)
    tokenizer.padding_side = side
    width = batch["input_ids"].shape[1]
    stops = StoppingCriteriaList([] if breaks is None else [_LineBreak(breaks, width)])
    with answering(model):
        output = model.generate(
            **batch,
            max_new_tokens=max_new_tokens,
            do_sample=False,
            stopping_criteria=stops,
            eos_token_id=tokenizer.eos_token_id,
            pad_token_id=tokenizer.pad_token_id,
        )
    found = tokenizer.batch_decode(output[:, width:], skip_special_tokens=True)
    return [text.strip() if breaks is None else text.strip().split("\n")[0].strip() for text in found]


def _line_breaks(tokenizer: Any) -> Tensor:
    decoded = tokenizer.batch_decode([[token] for token in range(len(tokenizer))])
    return torch.tensor([token for token, text in enumerate(decoded) if "\n" in text])


class _LineBreak(StoppingCriteria):
    """A row has answered once its words hold a line break; a break before the first word does not count."""

    def __init__(self, breaks: Tensor, width: int) -> None:
        self.breaks = breaks
        self.width = width
        self.done: Tensor | None = None

    def __call__(self, input_ids: Any, scores: Any, **kwargs: Any) -> Any:
        """True for every row that has answered."""
        now = torch.isin(input_ids[:, -1], self.breaks.to(input_ids.device))
        if input_ids.shape[1] - self.width <= 1:
            now = torch.zeros_like(now)
        self.done = now if self.done is None else self.done | now
        return self.done
