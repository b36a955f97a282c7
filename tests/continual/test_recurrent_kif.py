"""Recurrent-KIF against a plain loop written from the specification, and in an unmodified `SFTTrainer`."""

from __future__ import annotations

import random
from pathlib import Path
from typing import Any

import pytest
import torch
from datasets import Dataset
from peft import LoraConfig, get_peft_model
from transformers import DataCollatorForSeq2Seq, Trainer, TrainingArguments, get_scheduler, set_seed

from mezzofanti.continual.encoding import encode_messages, use_training_template
from mezzofanti.continual.loss import labelled_loss
from mezzofanti.continual.memory import Memory
from mezzofanti.continual.methods import RecurrentKIF, create
from mezzofanti.errors import ConfigurationError

Q, S, STEPS, BATCH, RATE, RATIO = 4, 3, 14, 4, 5e-3, 0.25
DECAY, QUANTILE, SEED = 0.85, 0.8, 7


def rows(tokenizer: Any, word: str, count: int) -> list[dict[str, Any]]:
    use_training_template(tokenizer)
    return [
        encode_messages(
            [
                {"role": "user", "content": f"{word} {number}"},
                {"role": "assistant", "content": word[::-1] + str(number * 3)},
            ],
            tokenizer,
        )
        for number in range(count)
    ]


def adapted(model: Any) -> Any:
    set_seed(3)
    adapted = get_peft_model(
        model, LoraConfig(task_type="CAUSAL_LM", r=4, lora_dropout=0.0, target_modules="all-linear")
    )
    with torch.no_grad():  # as after a first task: B is no longer zero
        for name, parameter in adapted.named_parameters():
            if "lora_B" in name:
                parameter.normal_(0, 0.02)
    return adapted


def arguments(folder: Path, **more: Any) -> TrainingArguments:
    settings: dict[str, Any] = {
        "max_steps": STEPS,
        "per_device_train_batch_size": BATCH,
        "learning_rate": RATE,
        "lr_scheduler_type": "linear",
        "warmup_steps": 2,
        "train_sampling_strategy": "sequential",
        "save_strategy": "no",
        "seed": SEED,
        "use_cpu": True,
        "report_to": "none",
        "disable_tqdm": True,
        "dataloader_pin_memory": False,
        "remove_unused_columns": False,
    }
    return TrainingArguments(output_dir=str(folder), **{**settings, **more})


def reference(model: Any, new: list[Any], old: list[Any], collate: Any, fusion: str) -> list[torch.Tensor]:
    """Section 1.2 of the method, as plainly as it can be written."""
    parameters = [p for p in model.parameters() if p.requires_grad]
    inner = torch.optim.AdamW(parameters, lr=RATE, weight_decay=0.0)
    schedule = get_scheduler("linear", inner, num_warmup_steps=2, num_training_steps=STEPS)
    outer = torch.optim.AdamW(parameters, lr=RATE, weight_decay=0.0)
    zeros = [torch.zeros_like(p) for p in parameters]
    in_mean, in_spread = [z.clone() for z in zeros], [z.clone() for z in zeros]
    out_mean, out_spread = [z.clone() for z in zeros], [z.clone() for z in zeros]
    theta_b = [p.detach().clone() for p in parameters]

    def gradient(batch: list[Any]) -> None:
        for p in parameters:
            p.grad = None
        model(**collate(batch)).loss.backward()
        torch.nn.utils.clip_grad_norm_(parameters, 1.0)

    def importance(mean: list[Any], spread: list[Any]) -> None:
        for k, p in enumerate(parameters):
            value = (p.detach() * p.grad).abs()
            mean[k] = DECAY * mean[k] + (1 - DECAY) * value
            spread[k] = DECAY * spread[k] + (1 - DECAY) * (value - mean[k]).abs()

    for t in range(1, STEPS + 1):
        gradient([new[i % len(new)] for i in range((t - 1) * BATCH, t * BATCH)])
        inner.step()
        importance(in_mean, in_spread)
        rate = inner.param_groups[0]["lr"]
        schedule.step()
        if t % Q:
            continue
        theta_q = [p.detach().clone() for p in parameters]
        for group in outer.param_groups:
            group["lr"] = RATIO * rate
        for s in range(S):
            gradient(random.Random(f"{SEED}-1-{t}-{s}").sample(old, BATCH))
            outer.step()
            importance(out_mean, out_spread)
        in_scores = [a * b for a, b in zip(in_mean, in_spread, strict=True)]
        out_scores = [a * b for a, b in zip(out_mean, out_spread, strict=True)]
        in_bar = torch.quantile(torch.cat([x.flatten() for x in in_scores]), QUANTILE)
        out_bar = torch.quantile(torch.cat([x.flatten() for x in out_scores]), QUANTILE)
        for k, p in enumerate(parameters):
            m_in, m_out = (in_scores[k] > in_bar).float(), (out_scores[k] > out_bar).float()
            if fusion == "reference":
                both, neither = m_in * m_out, (1 - m_in) * (1 - m_out)
                m_in = m_in - both + 0.4 * both + 0.5 * neither
                m_out = m_out - both + 0.6 * both + 0.5 * neither
            tau_in, tau_out = theta_q[k] - theta_b[k], p.detach() - theta_q[k]
            p.data = theta_b[k] + m_in * tau_in + m_out * tau_out
        theta_b = [p.detach().clone() for p in parameters]
        in_mean, in_spread = [z.clone() for z in zeros], [z.clone() for z in zeros]
    return [p.detach() for p in parameters]


@pytest.mark.parametrize("fusion", ["paper", "reference"])
def test_three_rounds_equal_the_plain_loop(
    fusion: str, tiny_base: Path, tiny_tokenizer: Any, tmp_path: Path
) -> None:
    from transformers import AutoModelForCausalLM

    new, old = rows(tiny_tokenizer, "neu", 40), rows(tiny_tokenizer, "alt", 12)
    collate = DataCollatorForSeq2Seq(tiny_tokenizer, label_pad_token_id=-100)
    expected = reference(adapted(AutoModelForCausalLM.from_pretrained(tiny_base)), new, old, collate, fusion)
    memory = Memory(12)
    memory.add("alt", old)
    seen: list[dict[str, float]] = []
    method = RecurrentKIF(memory, inner_steps=Q, outer_steps=S, fusion=fusion)
    method.on_round = seen.append
    model = adapted(AutoModelForCausalLM.from_pretrained(tiny_base))
    ordered = [new[i % len(new)] for i in range(STEPS * BATCH)]
    Trainer(
        model=model, args=arguments(tmp_path), train_dataset=ordered, data_collator=collate, callbacks=[method],
        processing_class=tiny_tokenizer,
    ).train()  # fmt: skip
    assert len(seen) == 3
    found = [p.detach() for p in model.parameters() if p.requires_grad]
    for a, b in zip(found, expected, strict=True):
        torch.testing.assert_close(a, b, rtol=1e-5, atol=1e-7)
    if fusion == "paper":
        assert all(0.6 <= row["neither"] <= 0.8 for row in seen)
        assert memory.tasks == ["alt", "task-2"]


def test_the_loss_over_labelled_positions_is_the_plain_loss(tiny_model: Any, tiny_tokenizer: Any) -> None:
    model = adapted(tiny_model)
    batch = DataCollatorForSeq2Seq(tiny_tokenizer, label_pad_token_id=-100)(rows(tiny_tokenizer, "abc", 5))
    plain = model(**batch).loss
    plain.backward()
    gradients = [p.grad.clone() for p in model.parameters() if p.requires_grad]
    model.zero_grad()
    lean = labelled_loss(model, dict(batch))
    lean.backward()
    torch.testing.assert_close(lean, plain)
    for a, b in zip((p.grad for p in model.parameters() if p.requires_grad), gradients, strict=True):
        torch.testing.assert_close(a, b, rtol=1e-4, atol=1e-7)


def test_two_tasks_in_an_unmodified_sft_trainer(tiny_base: Path, tmp_path: Path) -> None:
    """One `train()` is one task: the first fills the memory, the second draws on it."""
    from transformers import AutoModelForCausalLM, AutoTokenizer
    from trl import SFTConfig, SFTTrainer

    tokenizer = AutoTokenizer.from_pretrained(tiny_base)
    use_training_template(tokenizer)
    memory = Memory(6, tmp_path / "memory")
    method = RecurrentKIF(memory, inner_steps=2, outer_steps=1)
    model: Any = AutoModelForCausalLM.from_pretrained(tiny_base)
    peft_config: Any = LoraConfig(task_type="CAUSAL_LM", target_modules="all-linear")
    for word in ("eins", "zwei"):
        data = Dataset.from_list(
            [
                {
                    "messages": [
                        {"role": "user", "content": word + str(i)},
                        {"role": "assistant", "content": word},
                    ]
                }
                for i in range(10)
            ]
        )
        config = SFTConfig(
            output_dir=str(tmp_path / word), max_steps=4, per_device_train_batch_size=2, use_cpu=True, report_to="none",
            disable_tqdm=True, assistant_only_loss=True, save_strategy="no", bf16=False, dataloader_pin_memory=False,
        )  # fmt: skip
        trainer = SFTTrainer(
            model,
            args=config,
            train_dataset=data,
            processing_class=tokenizer,
            callbacks=[method],
            peft_config=peft_config,
        )
        trainer.train()
        model, peft_config = trainer.model, None
    assert Memory(6, tmp_path / "memory").tasks == ["task-1", "task-2"]
    assert len(memory.rows()) == 12
    assert method.outer_steps_done == 2
    labels = memory.rows()[0]["labels"]
    assert -100 in labels


@pytest.mark.parametrize(
    ("settings", "says"),
    [
        ({"type": "recurent-kif"}, "recurrent-kif"),
        ({"type": "recurrent-kif", "inner_step": 4}, "inner_steps"),
        ({"type": "recurrent-kif", "quantile": 1.0}, "quantile"),
        ({"type": "recurrent-kif", "fusion": "papr"}, "paper"),
        ({"type": "replay", "share": -1}, "share"),
    ],
)
def test_a_wrong_setting_is_named_with_its_cure(settings: dict[str, Any], says: str) -> None:
    with pytest.raises(ConfigurationError, match=says):
        create(settings)


def test_fp16_is_refused(tiny_model: Any, tiny_tokenizer: Any, tmp_path: Path) -> None:
    args = arguments(tmp_path)
    args.fp16 = True
    with pytest.raises(ConfigurationError, match="bf16"):
        RecurrentKIF().on_train_begin(args, None, None)


def test_a_task_too_short_for_a_round_is_said(tiny_model: Any, tiny_tokenizer: Any, tmp_path: Path) -> None:
    memory = Memory(12)
    method = RecurrentKIF(memory, inner_steps=3)
    trainer = Trainer(
        model=adapted(tiny_model),
        args=arguments(tmp_path, max_steps=2),
        train_dataset=rows(tiny_tokenizer, "neu", 2 * BATCH),
        data_collator=DataCollatorForSeq2Seq(tiny_tokenizer, label_pad_token_id=-100),
        callbacks=[method],
        processing_class=tiny_tokenizer,
    )
    trainer.train()  # the first task has no rounds, and nothing is said
    assert method.outer_steps_done == 0
    with pytest.warns(UserWarning, match=r"2 optimizer steps and a round 3.*inner_steps"):
        trainer.train()
    assert method.outer_steps_done == 0
