"""A fold of a higher rank than vLLM takes is made and measured all the same: PEFT takes any."""

from __future__ import annotations

from pathlib import Path

import pytest
import tiny_school as school
from peft import get_peft_model
from transformers import AutoModelForCausalLM

from mezzofanti.adapters import MoloraConfig
from mezzofanti.continual.serving import fold_by
from mezzofanti.errors import ConfigurationError
from mezzofanti.files import write_jsonl


def test_what_was_lost_is_said_where_vllm_takes_no_such_rank(tiny_base: Path, tmp_path: Path) -> None:
    settings = {"r": 43, "lora_alpha": 86, "num_experts": 12, "target_modules": ["q_proj"]}
    config = MoloraConfig(task_type="CAUSAL_LM", **settings, init_molora_weights=False)
    model = get_peft_model(AutoModelForCausalLM.from_pretrained(tiny_base), config)
    model.save_pretrained(tmp_path / "adapter")
    write_jsonl(tmp_path / "rows.jsonl", [row.model_dump(mode="json") for row in school.task("one").train])
    report = fold_by(
        tmp_path / "adapter", tmp_path / "folds", rows=tmp_path / "rows.jsonl", how="mean", exam=False
    )
    lines = report.lines()
    assert lines[0] == f"folded    en: plain LoRA of rank 516 in {tmp_path / 'folds'}"
    assert lines[1].startswith("lost      en: KL ")
    assert lines[2] == (
        "next      Rank 516 is above the 512 that vLLM serves. Cut it with --rank 64; PEFT takes it as it is."
    )
    with pytest.raises(ConfigurationError, match="Rank 516"):
        report.serve()
