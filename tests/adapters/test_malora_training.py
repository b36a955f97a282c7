"""MALoRA in the trainers people use, and in generation."""

from __future__ import annotations

import copy
from pathlib import Path
from typing import Any

import pytest
import torch
from peft import PeftModel, get_peft_model
from torch import Tensor
from transformers import AutoModelForCausalLM, Trainer, TrainingArguments

from mezzofanti.adapters import MaloraConfig, MoloraConfig
from mezzofanti.adapters.layer import MixtureLayer


def _rows(count: int) -> list[dict[str, list[int]]]:
    rows = [[4 + (7 * row + 3 * place) % 50 for place in range(12)] for row in range(count)]
    return [{"input_ids": row, "labels": row, "attention_mask": [1] * 12} for row in rows]


def _config(kind: str, settings: dict[str, Any]) -> MaloraConfig | MoloraConfig:
    if kind == "molora":
        return MoloraConfig(**{name: value for name, value in settings.items() if name != "shared_rank"})
    more: dict[str, Any] = {"router_scope": "block", "mixing": "sorted"} if kind == "block, sorted" else {}
    return MaloraConfig(**settings, **more)


KINDS = ["malora", "molora", "block, sorted"]


def _trainer(base: Path, small: dict[str, Any], folder: Path, steps: int, kind: str) -> Trainer:
    torch.manual_seed(0)
    config = _config(kind, {**small, "target_modules": "all-linear", "lora_dropout": 0.1})
    model = get_peft_model(AutoModelForCausalLM.from_pretrained(base), config)
    arguments = TrainingArguments(
        output_dir=str(folder),
        max_steps=steps,
        save_steps=3,
        save_strategy="steps",
        per_device_train_batch_size=4,
        learning_rate=1e-2,
        lr_scheduler_type="constant",
        logging_steps=1,
        report_to="none",
        disable_tqdm=True,
        use_cpu=True,
        seed=0,
    )
    return Trainer(model=model, args=arguments, train_dataset=_rows(16))


def _layers(model: Any) -> list[MixtureLayer]:
    return [module for module in model.modules() if isinstance(module, MixtureLayer)]


def _adapter(trainer: Trainer) -> dict[str, Tensor]:
    return {
        name: weight.detach() for name, weight in trainer.model.named_parameters() if weight.requires_grad
    }


@pytest.mark.parametrize("kind", KINDS)
def test_a_resumed_trainer_ends_with_the_same_weights(
    tiny_base: Path, small: dict[str, Any], tmp_path: Path, kind: str
) -> None:
    straight = _trainer(tiny_base, small, tmp_path / "straight", steps=6, kind=kind)
    straight.train()
    losses = [row["loss"] for row in straight.state.log_history if "loss" in row]
    assert losses[-1] < losses[0]
    resumed = _trainer(tiny_base, small, tmp_path / "resumed", steps=6, kind=kind)
    resumed.train(resume_from_checkpoint=str(tmp_path / "straight" / "checkpoint-3"))
    for name, weight in _adapter(straight).items():
        assert torch.equal(_adapter(resumed)[name], weight), name


def _sft_trainer(base: Path, tokenizer: Any, folder: Path, config: Any, **more: Any) -> Any:
    from datasets import Dataset
    from trl import SFTConfig, SFTTrainer

    rows = [
        {"messages": [{"role": "user", "content": f"{n}?"}, {"role": "assistant", "content": f"{n + 1}"}]}
        for n in range(8)
    ]
    arguments = SFTConfig(
        output_dir=str(folder),
        max_steps=4,
        per_device_train_batch_size=4,
        learning_rate=1e-2,
        logging_steps=1,
        report_to="none",
        disable_tqdm=True,
        use_cpu=True,
        bf16=False,
        max_length=64,
        **{"save_strategy": "no", **more},
    )
    return SFTTrainer(
        AutoModelForCausalLM.from_pretrained(base),
        args=arguments,
        train_dataset=Dataset.from_list(rows),
        processing_class=tokenizer,
        peft_config=config,
    )


@pytest.mark.parametrize("kind", KINDS)
@pytest.mark.parametrize("checkpointing", [False, True])
def test_sft_trainer_takes_it_as_peft_config(
    tiny_base: Path,
    tiny_tokenizer: Any,
    small: dict[str, Any],
    tmp_path: Path,
    checkpointing: bool,
    kind: str,
) -> None:
    config = _config(kind, small)
    trainer = _sft_trainer(
        tiny_base, tiny_tokenizer, tmp_path, config, activation_checkpointing=checkpointing
    )
    trainer.train()
    assert trainer.model.get_base_model().is_activation_checkpointing == checkpointing
    losses = [row["loss"] for row in trainer.state.log_history if "loss" in row]
    assert losses[-1] < losses[0]
    assert _layers(trainer.model)[0].context.mask is not None
    trainer.save_model(str(tmp_path / "adapter"))
    again = PeftModel.from_pretrained(AutoModelForCausalLM.from_pretrained(tiny_base), tmp_path / "adapter")
    ids = tiny_tokenizer("3?", return_tensors="pt").input_ids
    assert torch.equal(again.eval()(ids).logits, trainer.model.eval()(ids).logits)


def test_sft_trainer_resumes_and_its_cards_tell_the_import(
    tiny_base: Path, tiny_tokenizer: Any, small: dict[str, Any], tmp_path: Path
) -> None:
    config = _config("malora", {**small, "lora_dropout": 0.1})
    ends, saving = [], {"save_strategy": "steps", "save_steps": 2}
    for name, checkpoint in (("straight", None), ("resumed", str(tmp_path / "straight" / "checkpoint-2"))):
        trainer = _sft_trainer(tiny_base, tiny_tokenizer, tmp_path / name, copy.deepcopy(config), **saving)
        if checkpoint:  # what is not loaded must show
            for weight in _adapter(trainer).values():
                weight.add_(1.0)
        trainer.train(resume_from_checkpoint=checkpoint)
        ends.append(_adapter(trainer))
    for name, weight in ends[0].items():
        assert torch.equal(ends[1][name], weight), name
    trainer.save_model()
    # in its own folder TRL wrote a card before; elsewhere there was none
    trainer.save_model(str(tmp_path / "elsewhere"))
    for folder in (trainer.args.output_dir, tmp_path / "elsewhere", tmp_path / "straight" / "checkpoint-2"):
        card = (Path(folder) / "README.md").read_text("utf-8")
        assert card.count("import mezzofanti.adapters") == 1, folder
    assert "SFT" in (tmp_path / "resumed" / "README.md").read_text("utf-8")


def test_generation_does_not_depend_on_cache_or_padding(adapted: Any) -> None:
    with torch.no_grad():
        for layer in _layers(adapted):
            layer.malora_B["default"].weight.mul_(30)
    adapted.eval()
    pad = adapted.config.pad_token_id
    prompts = [[10, 20, 30, 40, 50], [60, 70]]
    alone = [_generate(adapted, torch.tensor([prompt]), use_cache=True) for prompt in prompts]
    uncached = [_generate(adapted, torch.tensor([prompt]), use_cache=False) for prompt in prompts]
    assert alone == uncached
    padded = torch.tensor([prompts[0], [pad] * 3 + prompts[1]])
    together = _generate(adapted, padded, attention_mask=(padded != pad).long())
    assert together == [alone[0][0], alone[1][0]]
    with adapted.disable_adapter():
        assert _generate(adapted, torch.tensor([prompts[0]])) != alone[0]


def _generate(model: Any, prompts: Tensor, **more: Any) -> list[list[int]]:
    more = {"attention_mask": torch.ones_like(prompts), **more}
    answer = model.generate(input_ids=prompts, max_new_tokens=8, min_new_tokens=8, do_sample=False, **more)
    return answer[:, prompts.shape[1] :].tolist()
