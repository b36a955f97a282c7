"""The same script run again: with a name, a task replaces itself in the memory and is not trained against itself."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import pytest
from peft import LoraConfig, get_peft_model
from transformers import (
    AutoModelForCausalLM,
    AutoTokenizer,
    DataCollatorForSeq2Seq,
    Trainer,
    TrainingArguments,
)

from mezzofanti.continual.encoding import encode_messages, use_training_template
from mezzofanti.continual.memory import Memory
from mezzofanti.continual.methods import RecurrentKIF, create
from mezzofanti.errors import ConfigurationError


def script(base: Path, folder: Path, names: list[str | None]) -> list[bool]:
    """What a user's script does: one `train()` a task, a memory in a folder. Was each task trained with rounds?"""
    memory, rounds = Memory(4, folder / "memory"), []
    tokenizer: Any = AutoTokenizer.from_pretrained(base)
    use_training_template(tokenizer)
    model: Any = get_peft_model(AutoModelForCausalLM.from_pretrained(base), LoraConfig(task_type="CAUSAL_LM"))
    for word, name in zip(("eins", "zwei"), names, strict=True):
        asked = [{"role": "user", "content": word}, {"role": "assistant", "content": word[::-1]}]
        method = RecurrentKIF(memory, inner_steps=1, outer_steps=1, task_name=name)
        trainer = Trainer(
            model,
            TrainingArguments(
                str(folder / word), max_steps=1, per_device_train_batch_size=2, use_cpu=True, report_to="none",
                disable_tqdm=True, save_strategy="no", dataloader_pin_memory=False, remove_unused_columns=False,
            ),
            train_dataset=[encode_messages(asked, tokenizer)] * 6,
            data_collator=DataCollatorForSeq2Seq(tokenizer),
            processing_class=tokenizer,
            callbacks=[method],
        )  # fmt: skip
        trainer.train()
        rounds.append(method.active)
    return rounds


def test_a_script_run_again_trains_its_first_task_as_the_first(school_base: Path, tmp_path: Path) -> None:
    for _ in range(2):
        assert script(school_base, tmp_path, ["english", "french"]) == [False, True]
        assert [path.name for path in sorted((tmp_path / "memory").iterdir())] == [
            "01-english.jsonl",
            "02-french.jsonl",
        ]


def test_without_a_name_every_train_is_a_further_task(school_base: Path, tmp_path: Path) -> None:
    assert script(school_base, tmp_path, [None, None]) == [False, True]
    assert script(school_base, tmp_path, [None, None]) == [True, True]
    assert Memory(4, tmp_path / "memory").tasks == ["task-1", "task-2", "task-3", "task-4"]


def test_a_name_is_no_setting_of_a_recipe() -> None:
    assert "task_name" not in RecurrentKIF(task_name="french").settings
    with pytest.raises(ConfigurationError, match="there is no setting 'task_name'"):
        create({"type": "recurrent-kif", "task_name": "french"})
