"""What a user may write in a MaloraConfig, and what each mistake is answered with."""

from __future__ import annotations

from ast import literal_eval
from pathlib import Path
from re import findall
from typing import Any

import pytest
from peft import PeftConfig, get_peft_model, mapping

from mezzofanti.adapters import MaloraConfig, MoloraConfig, registration
from mezzofanti.adapters.config import MALORA
from mezzofanti.errors import ConfigurationError


@pytest.mark.parametrize(
    ("settings", "said"),
    [
        ({"r": 33}, "rank r = 33 is above shared_rank = 32"),
        ({"rank_pattern": ["q_proj"]}, "rank_pattern = ['q_proj'] is not a dictionary"),
        ({"alpha_pattern": "q_proj"}, "alpha_pattern = 'q_proj' is not a dictionary"),
        ({"use_rslora": "no"}, "use_rslora = 'no' is neither True nor False"),
        ({"norm_topk_prob": "no"}, "norm_topk_prob = 'no' is neither"),
        ({"recompute_hidden": "yes"}, "recompute_hidden = 'yes' is neither"),
        ({"use_rslora": None}, "use_rslora = None is neither"),
        ({"top_k": 9}, "top_k = 9 is above num_experts = 8"),
        ({"top_k": 0}, "top_k = 0"),
        ({"r": 1.5}, "r = 1.5"),
        ({"num_experts": True}, "num_experts = True"),
        ({"lora_dropout": 1.0}, "lora_dropout = 1.0"),
        ({"router_aux_loss_coef": -0.1}, "router_aux_loss_coef = -0.1"),
        ({"router_aux_loss_coef": float("nan")}, "router_aux_loss_coef = nan"),
        ({"router_aux_loss_coef": float("inf")}, "router_aux_loss_coef = inf"),
        ({"router_z_loss_coef": "0.001"}, "router_z_loss_coef = '0.001'"),
        ({"lora_dropout": None}, "lora_dropout = None"),
        ({"lora_alpha": 0}, "lora_alpha = 0 is not a finite number above 0. The paper takes twice r."),
        ({"lora_alpha": -24}, "lora_alpha = -24 is not"),
        ({"lora_alpha": float("nan")}, "lora_alpha = nan is not"),
        ({"lora_alpha": float("inf")}, "lora_alpha = inf is not"),
        ({"lora_alpha": "24"}, "lora_alpha = '24' is not"),
        ({"lora_alpha": True}, "lora_alpha = True is not"),
        ({"alpha_pattern": {"q_proj": 0.0}}, "alpha_pattern['q_proj'] = 0.0 is not"),
        ({"alpha_pattern": {"q_proj": 8, "k_proj": "8"}}, "alpha_pattern['k_proj'] = '8' is not"),
        ({"beta": 0.0}, "beta = 0.0"),
        ({"beta": "1"}, "beta = '1'"),
        ({"bias": "lora_only"}, "'malora_only'"),
        ({"init_malora_weights": "svg"}, "Did you mean 'svd'?"),
        ({"router_aux_loss_reduction": "avg"}, "router_aux_loss_reduction = 'avg'"),
        ({"target_modules": "all-linear", "layers_to_transform": [1]}, "layers_to_transform cannot be used"),
        ({"layers_pattern": "h"}, "without layers_to_transform"),
        ({"mixing": "grouped"}, "mixing = 'grouped' is unknown"),
        ({"router_scope": "layer"}, "router_scope = 'layer'"),
        ({"router_z_loss_coef": -1.0}, "router_z_loss_coef = -1.0"),
        ({"recompute_hidden": True, "mixing": "loop"}, "recompute_hidden = True goes with mixing = 'dense'"),
    ],
)
def test_mistakes_are_named(settings: dict[str, Any], said: str) -> None:
    with pytest.raises(ConfigurationError, match="MaloraConfig") as caught:
        MaloraConfig(**settings)
    assert said in str(caught.value)
    assert caught.value.cure


def test_no_pattern_is_an_empty_one() -> None:
    config = MaloraConfig(rank_pattern=None, alpha_pattern=None)  # type: ignore[arg-type]
    assert (config.rank_pattern, config.alpha_pattern) == ({}, {})


def test_a_rank_above_the_shared_one_names_its_field(tiny_model: Any, small: dict[str, Any]) -> None:
    config = MaloraConfig(**small, rank_pattern={"v_proj": 5, "q_proj": 9})
    with pytest.raises(ConfigurationError) as caught:
        get_peft_model(tiny_model, config)
    assert caught.value.message == "MaloraConfig: rank_pattern['q_proj'] = 9 is above shared_rank = 6."


def test_a_rank_for_no_module_is_only_warned_of(tiny_model: Any, small: dict[str, Any]) -> None:
    with pytest.warns(RuntimeWarning, match="rank_pattern keys did not match"):
        get_peft_model(tiny_model, MaloraConfig(**small, rank_pattern={"o_proj": 9}))


def test_it_comes_back_from_json(tmp_path: Path) -> None:
    config = MaloraConfig(
        r=6, target_modules=["q_proj"], rank_pattern={"k_proj": 3}, task_type="CAUSAL_LM", beta=2.0
    )
    config.save_pretrained(str(tmp_path))
    again = PeftConfig.from_pretrained(str(tmp_path))
    assert isinstance(again, MaloraConfig)
    assert again == config
    assert '"requires_import": "mezzofanti.adapters"' in (tmp_path / "adapter_config.json").read_text()


def test_scale_is_loras() -> None:
    assert MaloraConfig().scale_of(12, 24) == 2.0
    assert MaloraConfig(use_rslora=True).scale_of(16, 8) == 2.0
    assert MaloraConfig(lora_alpha=1.5).lora_alpha == 1.5  # type: ignore[arg-type]


def test_the_name_serves_peft_as_a_member_would() -> None:
    assert MALORA.value == MALORA.name == "MALORA"
    assert str(MALORA) == "PeftType.MALORA"
    assert mapping.PEFT_TYPE_TO_PREFIX_MAPPING["MALORA"] == "malora_"  # type: ignore[index]


def test_registering_twice_is_harmless_and_a_rival_is_refused(monkeypatch: pytest.MonkeyPatch) -> None:
    registration.register_malora()
    monkeypatch.setitem(mapping.PEFT_TYPE_TO_CONFIG_MAPPING, MALORA, PeftConfig)  # type: ignore[misc]
    with pytest.raises(ConfigurationError, match="already knows an adapter type MALORA"):
        registration.register_malora()


def test_the_how_to_tells_the_defaults(repository: Path) -> None:
    page = (repository / "docs" / "how-to" / "use-malora.md").read_text("utf-8")
    section = page.partition("## Choose")[2].partition("## Watch")[0]
    rows = [row.split(" | ") for row in section.splitlines() if row.startswith("| `")]
    told = {}
    for names, defaults, *_ in rows:
        pairs = zip(names.strip("| ").split(", "), defaults.split(", "), strict=True)
        told.update({name.strip("`"): literal_eval(default) for name, default in pairs})
    assert len(told) == 17
    assert told == {name: getattr(MaloraConfig(), name) for name in told}


def test_the_explanation_tells_ablations_that_exist(repository: Path) -> None:
    page = (repository / "docs" / "explanation" / "malora.md").read_text("utf-8")
    told = set(findall(r'ablation="([^"]+)"', page))
    assert told == {*MaloraConfig.ablations, *MoloraConfig.ablations}
    calls = findall(r"`(M[ao]loraConfig\.preset\([^`]*\))`", page)
    assert len(calls) == 5
    for call in calls:
        config = eval(call, {"MaloraConfig": MaloraConfig, "MoloraConfig": MoloraConfig})
        assert config.lora_alpha == 2 * config.r
