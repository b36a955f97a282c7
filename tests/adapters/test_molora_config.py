"""What is MoLoRA's own among its settings; what it shares is tested with MALoRA's."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import pytest
from peft import PeftConfig, mapping

from mezzofanti.adapters import MoloraConfig, registration
from mezzofanti.adapters.molora_config import MOLORA
from mezzofanti.errors import ConfigurationError


@pytest.mark.parametrize(
    ("settings", "said"),
    [
        ({"r": 0}, "r = 0"),
        ({"top_k": 9}, "top_k = 9 is above num_experts = 8"),
        ({"rank_pattern": {"q_proj": -1}}, "rank_pattern['q_proj'] = -1"),
        ({"lora_alpha": "16"}, "lora_alpha = '16' is not a finite number above 0."),
        ({"bias": "malora_only"}, "'molora_only'"),
        ({"ablation": "same-a"}, "Did you mean 'same-A'?"),
        ({"init_molora_weights": "no"}, "init_molora_weights = 'no' is neither True nor False"),
        ({"mixing": "sort"}, "Did you mean 'sorted'?"),
    ],
)
def test_mistakes_are_named(settings: dict[str, Any], said: str) -> None:
    with pytest.raises(ConfigurationError, match="MoloraConfig") as caught:
        MoloraConfig(**settings)
    assert said in str(caught.value)
    assert caught.value.cure


def test_it_comes_back_from_json(tmp_path: Path) -> None:
    config = MoloraConfig(r=3, target_modules=["q_proj"], task_type="CAUSAL_LM", mixing="sorted")
    config.save_pretrained(str(tmp_path))
    again = PeftConfig.from_pretrained(str(tmp_path))
    assert isinstance(again, MoloraConfig)
    assert again == config


def test_peft_knows_it() -> None:
    assert str(MOLORA) == "PeftType.MOLORA"
    assert mapping.PEFT_TYPE_TO_PREFIX_MAPPING["MOLORA"] == "molora_"  # type: ignore[index]
    registration.register_molora()
