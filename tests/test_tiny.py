"""The tiny model that other tests stand on behaves like a model a user would name."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import pytest
from tiny import CHATML, MARKED_CHATML, build_tiny_base, tiny_tokenizer

TURNS = [{"role": "user", "content": "Écris 314."}, {"role": "assistant", "content": "三百一十四, триста"}]


def test_text_of_any_script_comes_back(tiny_tokenizer: Any) -> None:
    text = "Naïve ÷ триста 三百一十四 🙂\n\ttab"
    numbers = tiny_tokenizer(text)["input_ids"]
    assert len(numbers) == len(text.encode())
    assert tiny_tokenizer.decode(numbers) == text


def test_chat_template_is_chatml_with_one_token_a_mark(tiny_tokenizer: Any) -> None:
    text = tiny_tokenizer.apply_chat_template(TURNS, tokenize=False)
    assert text.startswith("<|im_start|>user\nÉcris 314.<|im_end|>\n<|im_start|>assistant\n")
    numbers = tiny_tokenizer(text, add_special_tokens=False)["input_ids"]
    assert numbers.count(tiny_tokenizer.eos_token_id) == 2
    assert tiny_tokenizer.apply_chat_template(TURNS, tokenize=True, return_dict=True)["input_ids"] == numbers


def test_marked_template_writes_the_same_text_and_masks_the_answer() -> None:
    marked, plain = tiny_tokenizer(MARKED_CHATML), tiny_tokenizer(CHATML)
    assert marked.apply_chat_template(TURNS, tokenize=False) == plain.apply_chat_template(
        TURNS, tokenize=False
    )
    encoded = marked.apply_chat_template(TURNS, return_dict=True, return_assistant_tokens_mask=True)
    kept = [n for n, keep in zip(encoded["input_ids"], encoded["assistant_masks"], strict=True) if keep]
    assert marked.decode(kept) == TURNS[1]["content"] + "<|im_end|>"


def test_same_arguments_same_weights(tmp_path: Path, tiny_base: Path) -> None:
    from safetensors.torch import load_file

    again = load_file(build_tiny_base(tmp_path / "again") / "model.safetensors")
    other = load_file(build_tiny_base(tmp_path / "other", seed=1) / "model.safetensors")
    first = load_file(tiny_base / "model.safetensors")
    assert all(bool((first[name] == again[name]).all()) for name in first)
    assert any(bool((first[name] != other[name]).any()) for name in first)


@pytest.mark.parametrize("rows", [1, 3])
def test_it_generates(tiny_model: Any, tiny_tokenizer: Any, rows: int) -> None:
    prompts = tiny_tokenizer(["a"] * rows, return_tensors="pt")
    answer = tiny_model.generate(**prompts, max_new_tokens=3, do_sample=False)
    assert answer.shape[0] == rows
