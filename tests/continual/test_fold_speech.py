"""A fold is calibrated on rows written as its mixture learned them, whatever the base's template is."""

from __future__ import annotations

from pathlib import Path

import pytest
import tiny
import tiny_school as school

from mezzofanti.continual.serving.speech import encode_as_spoken, mark_assistant, spoken
from mezzofanti.errors import DataError
from mezzofanti.records import Message, Sample

SYSTEM = (
    "{% if messages[0]['role'] != 'system' %}{{ '<|im_start|>system\nYou are kind.<|im_end|>\n' }}{% endif %}"
)
ONLY_LAST = (
    "{% for message in messages %}{{ '<|im_start|>' + message['role'] + '\n' }}"
    "{% if message['role'] == 'assistant' and not loop.last %}{{ '...' }}"
    "{% else %}{{ message['content'] }}{% endif %}{{ '<|im_end|>\n' }}{% endfor %}"
    "{% if add_generation_prompt %}{{ '<|im_start|>assistant\n' }}{% endif %}"
)


def _sample(*turns: str) -> Sample:
    roles = ("user", "assistant")
    said = tuple(Message(role=roles[turn % 2], content=words) for turn, words in enumerate(turns))  # type: ignore[arg-type]
    return school.task("one").train[0].model_copy(update={"messages": said})


ROWS = [_sample("Un mot ?", "chat"), _sample("a", "b", "c", "dé"), _sample("lang " * 20, "trop")]


def test_a_template_with_a_default_system_prompt_is_kept_and_the_assistants_words_are_found() -> None:
    tokenizer, marked = (
        tiny.tiny_tokenizer(SYSTEM + tiny.CHATML),
        tiny.tiny_tokenizer(SYSTEM + tiny.MARKED_CHATML),
    )
    mark_assistant(tokenizer)
    assert spoken(tokenizer) == spoken(marked)
    assert "You are kind." in spoken(tokenizer)
    rows, left_out = encode_as_spoken(ROWS, tokenizer, max_length=90)
    expected, _ = encode_as_spoken(ROWS, marked, max_length=90)
    assert left_out == 1
    assert rows == expected
    assert tokenizer.decode([token for token in rows[1]["labels"] if token >= 0]) == "b<|im_end|>dé<|im_end|>"


def test_a_template_whose_training_form_says_the_same_is_marked() -> None:
    tokenizer = tiny.tiny_tokenizer()
    said = spoken(tokenizer)
    mark_assistant(tokenizer)
    assert "generation %}" in tokenizer.chat_template
    assert spoken(tokenizer) == said


def test_a_template_that_rewrites_earlier_turns_is_said() -> None:
    tokenizer = tiny.tiny_tokenizer(ONLY_LAST)
    with pytest.raises(DataError, match="writes an earlier turn otherwise"):
        encode_as_spoken(ROWS, tokenizer, max_length=90)
    assert len(encode_as_spoken(ROWS[:1], tokenizer, max_length=90)[0]) == 1


def test_an_adapter_is_spoken_to_as_its_own_tokenizer_says(tmp_path: Path) -> None:
    from peft import get_peft_model
    from transformers import AutoModelForCausalLM

    from mezzofanti.adapters import MaloraConfig
    from mezzofanti.continual.serving import open_source

    base = tiny.build_tiny_base(tmp_path / "base", template=SYSTEM + tiny.CHATML)
    config = MaloraConfig(task_type="CAUSAL_LM", target_modules=["q_proj"], r=2, shared_rank=4)
    get_peft_model(AutoModelForCausalLM.from_pretrained(base), config).save_pretrained(tmp_path / "adapter")
    source = open_source(tmp_path / "adapter")
    pupil = source.pupil()
    assert "You are kind." in spoken(pupil.tokenizer)
    assert source.new_chat_template(pupil) == ""
    mark = source.mark
    tiny.tiny_tokenizer().save_pretrained(tmp_path / "adapter")
    assert "You are kind." not in source.new_chat_template(source.pupil()) != ""
    assert source.mark != mark
    wordless = tiny.tiny_tokenizer()
    wordless.chat_template = None
    wordless.save_pretrained(base)  # an adapter may bring the words that its base lacks
    (base / "chat_template.jinja").unlink(missing_ok=True)
    assert source.new_chat_template(source.pupil()) == source.pupil().tokenizer.chat_template
