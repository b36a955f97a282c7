"""Answers in batches: the same as one by one, in order, and no step longer than the slowest answer takes."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import pytest
import torch
from tiny import build_tiny_base
from transformers import AutoModelForCausalLM, AutoTokenizer

from mezzofanti.evaluation.generation import answer

STOP = "<|im_end|>"
PROMPTS = [
    "short",
    "a good deal longer than that",
    "mid length",
    "Écrivez 314 en lettres, s'il vous plaît",
    "7",
]


@pytest.fixture(scope="module")
def pupil(tmp_path_factory: pytest.TempPathFactory) -> tuple[Any, Any]:
    """A random model whose next word hangs on every word before it, and its tokenizer."""
    base = build_tiny_base(tmp_path_factory.mktemp("generation") / "base")
    model = AutoModelForCausalLM.from_pretrained(base)
    with torch.no_grad():
        for parameter in model.model.layers.parameters():
            parameter.mul_(8)
    return model, AutoTokenizer.from_pretrained(base)


@contextmanager
def scripted(model: Any, tokenizer: Any, script: dict[str, str]) -> Iterator[list[int]]:
    """Make `model` say what `script` tells it to answer to each prompt; yield the widths of its forward calls.

    The generation is the real one. Only the scores of the next token are replaced.
    """
    said: list[list[int]] = []
    calls: list[int] = []

    def hook(module: Any, arguments: Any, named: dict[str, Any], output: Any) -> Any:
        ids = named["input_ids"]
        calls.append(ids.shape[1])
        if len(calls) == 1 or ids.shape[1] > 1:
            said[:] = [tokenizer(words)["input_ids"] for words in map(answered, tokenizer.batch_decode(ids))]
            hook.step = 0  # type: ignore[attr-defined]
        output.logits[:, -1] = -1.0
        for row, tokens in enumerate(said):
            step = hook.step  # type: ignore[attr-defined]
            output.logits[row, -1, tokens[step] if step < len(tokens) else tokenizer.eos_token_id] = 1.0
        hook.step += 1  # type: ignore[attr-defined]
        return output

    def answered(text: str) -> str:
        return next(words for prompt, words in script.items() if f"user\n{prompt}<" in text)

    handle = model.register_forward_hook(hook, with_kwargs=True)
    try:
        yield calls
    finally:
        handle.remove()


@pytest.mark.parametrize("one_line", [True, False])
def test_a_batch_answers_as_each_prompt_alone_does(pupil: tuple[Any, Any], one_line: bool) -> None:
    model, tokenizer = pupil
    settings = {"max_new_tokens": 12, "one_line": one_line}
    together = answer(model, tokenizer, PROMPTS, batch_size=60, **settings)
    alone = [answer(model, tokenizer, [prompt], **settings)[0] for prompt in PROMPTS]
    assert together == alone
    assert len(set(together)) == len(PROMPTS)
    assert answer(model, tokenizer, PROMPTS[::-1], batch_size=2, **settings) == alone[::-1]


def test_answers_come_in_the_order_of_their_prompts(pupil: tuple[Any, Any]) -> None:
    script = {prompt: f"answer {number}{STOP}" for number, prompt in enumerate(PROMPTS)}
    seen: list[tuple[int, int]] = []
    with scripted(*pupil, script):
        found = answer(*pupil, PROMPTS, batch_size=2, progress=lambda done, total: seen.append((done, total)))
    assert found == [f"answer {number}" for number in range(5)]
    assert seen == [(2, 5), (4, 5), (5, 5)]


def test_a_batch_ends_when_all_have_answered(pupil: tuple[Any, Any]) -> None:
    script = {
        "short": f"x{STOP}",
        "mid length": "hello\nand much more that nobody asked for",
        "7": f"seven{STOP}",
    }
    with scripted(*pupil, script) as calls:
        found = answer(*pupil, list(script), max_new_tokens=40)
    assert found == ["x", "hello", "seven"]
    # one call reads the prompts, then one a token: "hello\n" and "seven", stop are six tokens each
    assert calls[0] > 1
    assert calls[1:] == [1] * 5


def test_what_was_said_after_the_end_is_not_heard(pupil: tuple[Any, Any]) -> None:
    script = {"short": f"one{STOP}", "7": "a rather longer answer" + STOP}
    with scripted(*pupil, script):
        assert answer(*pupil, list(script), max_new_tokens=30) == ["one", "a rather longer answer"]


def test_a_line_break_before_the_first_word_does_not_end_an_answer(pupil: tuple[Any, Any]) -> None:
    with scripted(*pupil, {"7": f"\nseven{STOP}"}):
        assert answer(*pupil, ["7"], max_new_tokens=30) == ["seven"]


def test_several_lines_are_one_answer_where_asked(pupil: tuple[Any, Any]) -> None:
    with scripted(*pupil, {"7": f"one\ntwo{STOP}"}):
        assert answer(*pupil, ["7"], max_new_tokens=30, one_line=False) == ["one\ntwo"]


def test_a_system_turn_is_said_before_its_question(pupil: tuple[Any, Any]) -> None:
    model, tokenizer = pupil
    read: list[str] = []

    def listen(module: Any, arguments: Any, named: dict[str, Any], output: Any) -> None:
        read.extend(tokenizer.batch_decode(named["input_ids"]))

    handle = model.register_forward_hook(listen, with_kwargs=True)
    answer(model, tokenizer, ["7", "8"], systems=["Count.", ""], max_new_tokens=1)
    handle.remove()
    of = {number: next(text for text in read if f"user\n{number}<" in text) for number in "78"}
    assert "system\nCount.<" in of["7"]
    assert "system" not in of["8"]


def test_no_answer_is_longer_than_allowed(pupil: tuple[Any, Any]) -> None:
    with scripted(*pupil, {"7": "x" * 50}) as calls:
        assert answer(*pupil, ["7"], max_new_tokens=9) == ["x" * 9]
    assert len(calls) == 9


@pytest.mark.parametrize("training", [True, False])
@pytest.mark.parametrize("side", ["left", "right"])
def test_model_and_tokenizer_are_left_as_they_were(pupil: tuple[Any, Any], side: str, training: bool) -> None:
    model, tokenizer = pupil
    tokenizer.padding_side = side
    model.train(training)
    answer(model, tokenizer, PROMPTS[:2], max_new_tokens=2)
    assert (tokenizer.padding_side, model.training) == (side, training)
    model.eval()


def test_nothing_asked_is_nothing_answered(pupil: tuple[Any, Any]) -> None:
    assert answer(*pupil, []) == []


def test_answering_keeps_no_gradients(pupil: tuple[Any, Any]) -> None:
    answer(*pupil, PROMPTS[:1], max_new_tokens=2)
    assert torch.is_grad_enabled()
    assert all(parameter.grad is None for parameter in pupil[0].parameters())


def test_the_scripted_model_needs_its_script(pupil: tuple[Any, Any], tmp_path: Path) -> None:
    """Without the script the same model says something else: these tests look at real generation."""
    assert answer(*pupil, ["7"], max_new_tokens=9) != ["x" * 9]
