"""A fold belongs to everybody: PEFT loads it where this package is absent, and vLLM's checks of an adapter hold.

vLLM is no dependency of the tests; its conditions are written down here as they stand in the sources of version 0.33.0
(commit 4ba787ec9): vllm/lora/peft_helper.py, utils.py, lora_model.py and layers/base_linear.py, vllm/config/lora.py.
Its own `PEFTHelper` and `LoRAModel` were run once on every folder of this file: they load the folds, all layers at
scale 1, and refuse the wrong ones, except a missing half and a wrong shape, which loading does not look at.
"""

from __future__ import annotations

import json
import re
import subprocess
import sys
import sysconfig
import venv
from pathlib import Path
from typing import Any

import pytest
import torch
from peft import get_peft_model
from safetensors.torch import load_file, save_file
from torch import Tensor, nn
from transformers import AutoModelForCausalLM

from mezzofanti.adapters import MaloraConfig, fold
from mezzofanti.adapters.folding.card import VLLM_RANKS, served_rank
from mezzofanti.errors import ConfigurationError

GATES = [0.5, 0.0, 0.3, 0.1]
ELSEWHERE = """
import importlib.util, sys
from pathlib import Path
assert importlib.util.find_spec("mezzofanti") is None, importlib.util.find_spec("mezzofanti")
from peft import AutoPeftModelForCausalLM, PeftModel
from safetensors.torch import load_file, save_file
from transformers import AutoModelForCausalLM
base, folder, work = map(Path, sys.argv[1:])
tokens = load_file(work / "tokens.safetensors")["tokens"]
peft = PeftModel.from_pretrained(AutoModelForCausalLM.from_pretrained(base), folder)
answers = {"peft": peft(tokens).logits, "auto": AutoPeftModelForCausalLM.from_pretrained(folder)(tokens).logits}
answers["merged"] = peft.merge_and_unload()(tokens).logits
assert not [name for name in sys.modules if name.startswith("mezzofanti")]
save_file({name: answer.contiguous() for name, answer in answers.items()}, work / "logits.safetensors")
"""


@pytest.fixture
def folder(adapted: Any, tiny_base: Path, tmp_path: Path) -> Path:
    """A fold of the adapted tiny model."""
    return fold(adapted, gates=GATES).save(tmp_path / "fr", base=str(tiny_base))


def _elsewhere(place: Path) -> Path:
    """The Python of a new environment with every package of this one but mezzofanti."""
    venv.create(place, symlinks=True)
    purelib = place / "lib" / f"python{sys.version_info.major}.{sys.version_info.minor}" / "site-packages"
    for package in Path(sysconfig.get_paths()["purelib"]).iterdir():
        if "mezzofanti" not in package.name and package.suffix != ".pth":
            (purelib / package.name).symlink_to(package)
    return place / "bin" / "python"


def test_peft_loads_it_in_an_environment_without_this_package(
    adapted: Any, folder: Path, tiny_base: Path, tmp_path: Path, tokens: Tensor
) -> None:
    with fold(adapted, gates=GATES).standing_in():
        expected = adapted(tokens).logits
    save_file({"tokens": tokens}, tmp_path / "tokens.safetensors")
    python = _elsewhere(tmp_path / "elsewhere")
    command = [str(python), "-P", "-c", ELSEWHERE, *map(str, (tiny_base, folder, tmp_path))]
    done = subprocess.run(command, capture_output=True, text=True, timeout=250, cwd=tmp_path, check=False)
    assert done.returncode == 0, done.stderr
    for name, answer in load_file(tmp_path / "logits.safetensors").items():
        torch.testing.assert_close(answer, expected, rtol=1e-5, atol=1e-5, msg=name)


NOT_SET = (
    *(
        "modules_to_save",
        "use_dora",
        "lora_bias",
        "alora_invocation_tokens",
        "layer_replication",
        "use_bdlora",
    ),
    *("use_qalora", "rank_pattern", "alpha_pattern", "use_rslora"),
)
"""What `PEFTHelper` refuses where it is set, or reads well since 0.33 only: versions before that (commit e745baf) had
one scale for all layers, lora_alpha / r, and said nothing."""


def _what_vllm_would_say(folder: Path, model: nn.Module, max_lora_rank: int) -> list[str]:
    """Every reason of vLLM's not to load the folder, or to serve something else than PEFT would."""
    if not (folder / "adapter_model.safetensors").is_file():
        return ["no tensors"]  # LoRAModel.from_local_checkpoint
    config = json.loads((folder / "adapter_config.json").read_text("utf-8"))
    return _of_config(config, max_lora_rank) + _of_weights(
        load_file(folder / "adapter_model.safetensors"), config.get("r", 0), model
    )


def _of_config(config: dict[str, Any], max_lora_rank: int) -> list[str]:
    """PEFTHelper.from_dict, __post_init__, _validate_features and validate_legal; MaxLoRARanks."""
    said = [f"no {key}" for key in ("r", "lora_alpha", "target_modules") if config.get(key) is None]
    said += [key for key in NOT_SET if config.get(key)]
    said += ["init_lora_weights"] if config.get("init_lora_weights", True) is not True else []
    said += ["bias"] if config.get("bias", "none") != "none" else []
    rank = config.get("r", 0)
    return said + (
        ["max_lora_rank"] if max_lora_rank not in VLLM_RANKS or not 0 < rank <= max_lora_rank else []
    )


def _of_weights(weights: dict[str, Tensor], rank: int, model: nn.Module) -> list[str]:
    """parse_fine_tuned_lora_name, check_unexpected_modules and BaseLinearLayerWithLoRA.set_lora.

    Stricter than vLLM, which knows a module by its last name, and leaves out weights under a `base_layer` in silence.
    """
    layers = {name: module for name, module in model.named_modules() if isinstance(module, nn.Linear)}
    said = []
    for key, weight in weights.items():
        parsed = re.fullmatch(r"base_model\.model\.(.+)\.lora_([AB])\.weight", key)
        if parsed is None:
            said.append(f"unsupported LoRA weight {key}")
        elif parsed[1] not in layers:
            said.append(f"unexpected module {parsed[1]}")
        else:
            layer = layers[parsed[1]]
            shape = (rank, layer.in_features) if parsed[2] == "A" else (layer.out_features, rank)
            said += [f"shape of {key}"] if weight.shape != shape else []
    halves = {half: {k.split(f".lora_{half}.")[0] for k in weights if f".lora_{half}." in k} for half in "AB"}
    return said + ([] if halves["A"] == halves["B"] else ["an A without its B"])


def test_vllms_checks_hold(folder: Path, tiny_base: Path) -> None:
    model = AutoModelForCausalLM.from_pretrained(tiny_base)
    assert _what_vllm_would_say(folder, model, served_rank(6)) == []
    assert {path.name for path in folder.iterdir()} == {
        "README.md",
        "adapter_config.json",
        "adapter_model.safetensors",
    }


WRONG_CONFIG: list[tuple[dict[str, Any], str]] = [
    ({"r": None}, "no r"),
    ({"lora_alpha": None}, "no lora_alpha"),
    ({"target_modules": None}, "no target_modules"),
    ({"r": 0}, "max_lora_rank"),
    ({"r": 9}, "max_lora_rank"),
    ({"modules_to_save": ["lm_head"]}, "modules_to_save"),
    ({"use_dora": True}, "use_dora"),
    ({"lora_bias": True}, "lora_bias"),
    ({"bias": "all"}, "bias"),
    ({"init_lora_weights": "pissa"}, "init_lora_weights"),
    ({"alora_invocation_tokens": [1]}, "alora_invocation_tokens"),
    ({"layer_replication": [[0, 2]]}, "layer_replication"),
    ({"use_bdlora": {"nblocks": 2}}, "use_bdlora"),
    ({"use_qalora": True}, "use_qalora"),
    ({"rank_pattern": {"q_proj": 0}}, "rank_pattern"),
]
"""What vLLM 0.33.0 refuses of an adapter_config.json at a served rank of 8, and what is said here; None is absent."""

FIRST = "base_model.model.model.layers.0.self_attn.q_proj"
WRONG_WEIGHTS = [
    ("lora_magnitude_vector.weight", "unsupported LoRA weight"),
    ("lora_B.bias", "unsupported LoRA weight"),
    ("malora_B", "unsupported LoRA weight"),
]
"""Names that vLLM 0.33.0 refuses in an adapter_model.safetensors, after the name of a layer."""


@pytest.mark.parametrize(("wrong", "words"), WRONG_CONFIG)
def test_a_wrong_config_is_seen(folder: Path, tiny_base: Path, wrong: dict[str, Any], words: str) -> None:
    path = folder / "adapter_config.json"
    config = {**json.loads(path.read_text("utf-8")), **wrong}
    path.write_text(json.dumps({key: value for key, value in config.items() if value is not None}))
    assert words in _what_vllm_would_say(folder, AutoModelForCausalLM.from_pretrained(tiny_base), 8)


@pytest.mark.parametrize(("name", "words"), WRONG_WEIGHTS)
def test_a_wrong_weight_is_seen(folder: Path, tiny_base: Path, name: str, words: str) -> None:
    path = folder / "adapter_model.safetensors"
    save_file({**load_file(path), f"{FIRST}.{name}": torch.zeros(6)}, path)
    said = _what_vllm_would_say(folder, AutoModelForCausalLM.from_pretrained(tiny_base), 8)
    assert said == [f"{words} {FIRST}.{name}"]


def test_modules_shapes_and_halves_are_seen(adapted: Any, folder: Path, tiny_base: Path) -> None:
    model = AutoModelForCausalLM.from_pretrained(tiny_base)
    path = folder / "adapter_model.safetensors"
    weights = load_file(path)
    save_file({name.replace("q_proj", "query_proj"): weight for name, weight in weights.items()}, path)
    said = _what_vllm_would_say(folder, model, 8)
    assert said == [f"unexpected module model.layers.{n}.self_attn.query_proj" for n in (0, 0, 1, 1)]
    save_file({name: weight for name, weight in weights.items() if name != f"{FIRST}.lora_B.weight"}, path)
    assert _what_vllm_would_say(folder, model, 8) == ["an A without its B"]
    save_file({**weights, f"{FIRST}.lora_A.weight": torch.zeros(6, 47)}, path)
    assert _what_vllm_would_say(folder, model, 8) == [f"shape of {FIRST}.lora_A.weight"]
    path.unlink()
    assert _what_vllm_would_say(folder, model, 8) == ["no tensors"]
    adapted.save_pretrained(folder)
    said = _what_vllm_would_say(folder, model, 16)
    assert sum(word.startswith("unsupported LoRA weight") for word in said) == 24


def test_layers_of_unlike_rank_and_scale_need_no_pattern(
    tiny_model: Any, tiny_base: Path, small: dict[str, Any], tmp_path: Path
) -> None:
    patterns = {"rank_pattern": {"q_proj": 2}, "alpha_pattern": {"v_proj": 16}}
    model = get_peft_model(tiny_model, MaloraConfig(**small, **patterns, init_malora_weights=False))
    folder = fold(model, gates=GATES).save(tmp_path / "patterns")
    assert _what_vllm_would_say(folder, AutoModelForCausalLM.from_pretrained(tiny_base), 8) == []


@pytest.mark.parametrize(("rank", "served"), [(1, 1), (2, 8), (12, 16), (32, 32), (257, 320), (512, 512)])
def test_the_servers_rank_is_the_next_it_allows(rank: int, served: int) -> None:
    assert served_rank(rank) == served


def test_a_rank_no_server_takes_is_said(folder: Path) -> None:
    with pytest.raises(ConfigurationError, match=r"Rank 513 is above the 512 that vLLM serves\. Cut it"):
        served_rank(513)
    card = (folder / "README.md").read_text("utf-8")
    assert "--max-lora-rank 8 --lora-modules fr=PATH_OF_THIS_FOLDER" in card
    assert "Not measured." in card
