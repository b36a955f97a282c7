"""An adapter that would adapt nothing is refused with the setting at fault."""

from __future__ import annotations

from typing import Any

import pytest
from torch import nn

from mezzofanti.adapters import MaloraConfig
from mezzofanti.adapters.targets import cure_for_no_target, linear_names


@pytest.mark.parametrize(
    ("more", "cure"),
    [
        ({"target_modules": ["q_prj"]}, "Did you mean 'q_proj'?"),
        ({"target_modules": "quite.*other"}, "Known: down_proj, gate_proj, k_proj"),
        (
            {"exclude_modules": ["down_proj", "q_proj", "v_proj"]},
            "Name fewer in exclude_modules = ['down_proj', 'q_proj', 'v_proj']: of the targets, such as "
            "model.layers.0.self_attn.q_proj, none is left.",
        ),
        ({"exclude_modules": ".*", "layers_to_transform": [1]}, "such as model.layers.1.self_attn.q_proj"),
        ({"modules_to_save": ["self_attn", "mlp"]}, "Name fewer in modules_to_save = ['self_attn', 'mlp']"),
        (
            {"layers_to_transform": [0], "layers_pattern": "layer"},
            "layers_pattern = 'layer' is the name of no list of layers. Did you mean 'layers'?",
        ),
        (
            {"layers_to_transform": [2], "layers_pattern": ["h", "layers"]},
            "layers_to_transform counts from 0, and they are in the layers up to 1.",
        ),
        ({"layers_to_transform": 7}, "they are in the layers up to 1."),
    ],
)
def test_the_setting_at_fault_is_named(
    tiny_model: Any, small: dict[str, Any], more: dict[str, Any], cure: str
) -> None:
    config = MaloraConfig(**{**small, **more})
    assert cure in cure_for_no_target(tiny_model, config)


def test_modules_in_no_layer_have_no_number() -> None:
    model = nn.ModuleDict({"head": nn.ModuleDict({"up": nn.Linear(2, 2)})})
    config = MaloraConfig(target_modules=["up"], layers_to_transform=[0])
    assert cure_for_no_target(model, config).endswith("leave layers_to_transform out.")


def test_linear_modules_keep_their_names_under_an_adapter(adapted: Any) -> None:
    assert linear_names(adapted) == [
        *("down_proj", "gate_proj", "k_proj", "lm_head"),
        *("o_proj", "q_proj", "up_proj", "v_proj"),
    ]
    assert (
        cure_for_no_target(nn.Embedding(2, 2), MaloraConfig(target_modules=["a"]))
        == "The model has no linear module."
    )
