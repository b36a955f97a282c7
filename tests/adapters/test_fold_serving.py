"""A fold belongs to everybody: PEFT loads it where this package is absent, and vLLM's checks of an adapter hold.

vLLM is no dependency of the tests; its conditions are written down here as they stand in the sources of version 0.33.0
(commit 4ba787ec9): vllm/lora/peft_helper.py, utils.py, lora_model.py and layers/base_linear.py, vllm/config/lora.py.
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


def _what_vllm_would_say(folder: Path, model: nn.Module, max_lora_rank: int) -> list[str]:
    """Every reason of vLLM's not to load the folder, or to serve something else than PEFT would."""
    config = json.loads((folder / "adapter_config.json").read_text("utf-8"))
    weights = load_file(folder / "adapter_model.safetensors")
    layers = {name: module for name, module in model.named_modules() if isinstance(module, nn.Linear)}
    false = ("modules_to_save", "use_dora", "lora_bias", "layer_replication", "use_bdlora", "use_qalora")
    said = [f"no {key}" for key in ("r", "lora_alpha", "target_modules") if config.get(key) is None]
    said += [key for key in (*false, "alora_invocation_tokens") if config.get(key)]
    said += ["init_lora_weights"] if config.get("init_lora_weights", True) is not True else []
    said += ["bias"] if config.get("bias", "none") != "none" else []
    said += ["max_lora_rank"] if max_lora_rank not in VLLM_RANKS or config["r"] > max_lora_rank else []
    # earlier versions (commit e745baf) do not read these: one scale, lora_alpha / r, for all layers
    said += [key for key in ("rank_pattern", "alpha_pattern", "use_rslora") if config.get(key)]
    for key, weight in weights.items():
        parsed = re.fullmatch(r"base_model\.model\.(.+)\.lora_([AB])\.weight", key)
        if parsed is None:
            said.append(f"unsupported LoRA weight {key}")
        elif parsed[1] not in layers:
            said.append(f"unexpected module {parsed[1]}")
        else:
            layer, rank = layers[parsed[1]], config["r"]
            shape = (rank, layer.in_features) if parsed[2] == "A" else (layer.out_features, rank)
            said += [f"shape of {key}"] if weight.shape != shape else []
    halves = {half: {k.split(f".lora_{half}.")[0] for k in weights if f".lora_{half}." in k} for half in "AB"}
    return said + ([] if halves["A"] == halves["B"] else ["an A without its B"])


def test_vllms_checks_hold(folder: Path, tiny_base: Path) -> None:
    from transformers import AutoModelForCausalLM

    model = AutoModelForCausalLM.from_pretrained(tiny_base)
    assert _what_vllm_would_say(folder, model, served_rank(6)) == []
    assert {path.name for path in folder.iterdir()} == {
        "README.md",
        "adapter_config.json",
        "adapter_model.safetensors",
    }


def test_the_checks_can_fail(adapted: Any, tiny_base: Path, tmp_path: Path, folder: Path) -> None:
    from transformers import AutoModelForCausalLM

    model = AutoModelForCausalLM.from_pretrained(tiny_base)
    adapted.save_pretrained(tmp_path / "routed")
    said = _what_vllm_would_say(tmp_path / "routed", model, 16)
    assert sum(word.startswith("unsupported LoRA weight") for word in said) == 24
    assert _what_vllm_would_say(folder, model, 1) == ["max_lora_rank"]
    config = json.loads((folder / "adapter_config.json").read_text("utf-8"))
    wrong = {"r": 4, "use_dora": True, "modules_to_save": ["lm_head"], "rank_pattern": {"q_proj": 2}}
    (folder / "adapter_config.json").write_text(json.dumps({**config, **wrong}))
    said = _what_vllm_would_say(folder, model, 8)
    assert said[:3] == ["modules_to_save", "use_dora", "rank_pattern"]
    assert sum(word.startswith("shape of") for word in said) == 12


def test_layers_of_unlike_rank_and_scale_need_no_pattern(
    tiny_model: Any, tiny_base: Path, small: dict[str, Any], tmp_path: Path
) -> None:
    from transformers import AutoModelForCausalLM

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
