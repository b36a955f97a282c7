"""Saved here, loaded by a process that knows nothing of this one: the same answer to the last bit."""

from __future__ import annotations

import subprocess
import sys
from pathlib import Path
from typing import Any

import pytest
import torch
from peft import PeftModel, get_peft_model
from safetensors.torch import load_file, save_file
from tiny import tiny_config
from torch import Tensor, nn
from transformers import AutoModelForCausalLM, LlamaForCausalLM

from mezzofanti.adapters import MaloraConfig, MoloraConfig

pytestmark = pytest.mark.timeout(900)  # fresh processes, on a busy machine too

LOAD = """
import sys
from pathlib import Path
from safetensors.torch import load_file, save_file
from transformers import AutoModelForCausalLM
from peft import AutoPeftModelForCausalLM, PeftModel
import mezzofanti.adapters
base, adapter, work = map(Path, sys.argv[1:])
tokens = load_file(work / "tokens.safetensors")["tokens"]
fresh = lambda: AutoModelForCausalLM.from_pretrained(base)
models = {
    "peft": PeftModel.from_pretrained(fresh(), adapter),
    "lean": PeftModel.from_pretrained(fresh(), adapter, low_cpu_mem_usage=True),
    "auto": AutoPeftModelForCausalLM.from_pretrained(adapter),
    "transformers": fresh(),
}
models["transformers"].load_adapter(str(adapter))
save_file({name: model.eval()(tokens).logits for name, model in models.items()}, work / "logits.safetensors")
"""

WITHOUT_IMPORT = """
import sys
from transformers import AutoModelForCausalLM
from peft import PeftModel
PeftModel.from_pretrained(AutoModelForCausalLM.from_pretrained(sys.argv[1]), sys.argv[2])
"""


def _python(program: str, *arguments: Path) -> subprocess.CompletedProcess[str]:
    command = [sys.executable, "-c", program, *map(str, arguments)]
    return subprocess.run(command, capture_output=True, text=True, timeout=880, check=False)


@pytest.fixture
def saved(adapted: Any, tmp_path: Path) -> Path:
    """The folder of a saved adapter that is not the identity."""
    adapted.save_pretrained(tmp_path / "adapter")
    return tmp_path / "adapter"


def test_a_fresh_process_answers_to_the_bit(
    adapted: Any, saved: Path, tiny_base: Path, tmp_path: Path, tokens: Tensor
) -> None:
    expected = adapted.eval()(tokens).logits
    save_file({"tokens": tokens}, tmp_path / "tokens.safetensors")
    done = _python(LOAD, tiny_base, saved, tmp_path)
    assert done.returncode == 0, done.stderr
    answers = load_file(tmp_path / "logits.safetensors")
    assert set(answers) == {"peft", "lean", "auto", "transformers"}
    for name, answer in answers.items():
        assert torch.equal(answer, expected), name


def test_without_the_import_peft_says_key_error_and_the_card_says_why(saved: Path, tiny_base: Path) -> None:
    done = _python(WITHOUT_IMPORT, tiny_base, saved)
    assert done.returncode != 0
    assert done.stderr.rstrip().endswith("KeyError: 'MALORA'")
    card = (saved / "README.md").read_text("utf-8")
    assert card.count("import mezzofanti.adapters") == 1
    assert "KeyError: 'MALORA'" in card


def test_saving_again_writes_the_remark_once(adapted: Any, saved: Path) -> None:
    adapted.save_pretrained(saved)
    assert (saved / "README.md").read_text("utf-8").count("import mezzofanti.adapters") == 1


def test_the_file_holds_the_adapter_and_nothing_else(saved: Path) -> None:
    weights = load_file(saved / "adapter_model.safetensors")
    assert len(weights) == 2 * 3 * 4
    assert all(".malora_" in name and "default" not in name for name in weights)


def test_a_second_adapter_is_loaded_beside_the_first(
    adapted: Any, saved: Path, tiny_model: Any, small: dict[str, Any], tokens: Tensor
) -> None:
    expected = adapted.eval()(tokens).logits
    base = adapted.unload()
    model = get_peft_model(base, MaloraConfig(**small))
    model.load_adapter(str(saved), "saved")
    assert not torch.equal(model.eval()(tokens).logits, expected)
    model.set_adapter("saved")
    assert torch.equal(model(tokens).logits, expected)


def test_loaded_for_training_it_trains(saved: Path, tiny_base: Path, tokens: Tensor) -> None:
    frozen = PeftModel.from_pretrained(AutoModelForCausalLM.from_pretrained(tiny_base), saved)
    assert not [name for name, weight in frozen.named_parameters() if weight.requires_grad]
    model = PeftModel.from_pretrained(
        AutoModelForCausalLM.from_pretrained(tiny_base), saved, is_trainable=True
    )
    model(input_ids=tokens, labels=tokens).loss.backward()
    assert all(weight.grad is not None for weight in model.parameters() if weight.requires_grad)


# what is trained beside the experts


def _config(kind: str, small: dict[str, Any], **more: Any) -> MaloraConfig | MoloraConfig:
    if kind == "malora":
        return MaloraConfig(**small, **more)
    return MoloraConfig(**{name: value for name, value in small.items() if name != "shared_rank"}, **more)


def _reloaded_alike(base: Path, folder: Path, config: Any, tokens: Tensor) -> dict[str, Tensor]:
    """Train for three steps, save, load on a fresh base: the same answer, and another than before. Return the file."""
    torch.manual_seed(0)
    model = get_peft_model(AutoModelForCausalLM.from_pretrained(base), config)
    before = {name: w.detach().clone() for name, w in model.named_parameters() if w.requires_grad}
    optimizer = torch.optim.AdamW([w for w in model.parameters() if w.requires_grad], lr=1e-2)
    for _ in range(3):
        model(input_ids=tokens, labels=tokens).loss.backward()
        optimizer.step()
        optimizer.zero_grad()
    after = dict(model.named_parameters())
    assert [name for name, start in before.items() if torch.equal(after[name], start)] == []
    expected = model.eval()(tokens).logits
    model.save_pretrained(folder)
    again = PeftModel.from_pretrained(AutoModelForCausalLM.from_pretrained(base), folder)
    assert torch.equal(again.eval()(tokens).logits, expected)
    return load_file(folder / "adapter_model.safetensors")


@pytest.mark.parametrize("kind", ["malora", "molora"])
def test_whole_modules_and_single_tokens_come_back(
    tiny_model: Any, small: dict[str, Any], tokens: Tensor, tmp_path: Path, kind: str
) -> None:
    tiny_model.config.tie_word_embeddings = False
    tiny_model.lm_head.weight = nn.Parameter(tiny_model.lm_head.weight.detach().clone())
    tiny_model.save_pretrained(tmp_path / "base")
    known = sorted(set(tokens.flatten().tolist()))[:3]
    config = _config(kind, small, modules_to_save=["lm_head"], trainable_token_indices=known)
    weights = _reloaded_alike(tmp_path / "base", tmp_path / "adapter", config, tokens)
    others = {name: tuple(weight.shape) for name, weight in weights.items() if f".{kind}_" not in name}
    assert others == {
        "base_model.model.lm_head.weight": (260, 48),
        "base_model.model.model.embed_tokens.token_adapter.trainable_tokens_delta": (3, 48),
    }


@pytest.mark.parametrize(("kind", "bias", "trained"), [("malora", "malora_only", 6), ("molora", "all", 14)])
def test_biases_of_the_base_come_back(
    small: dict[str, Any], tokens: Tensor, tmp_path: Path, kind: str, bias: str, trained: int
) -> None:
    sizes = tiny_config()
    sizes.attention_bias = sizes.mlp_bias = True
    torch.manual_seed(0)
    LlamaForCausalLM(sizes).save_pretrained(tmp_path / "base")
    weights = _reloaded_alike(
        tmp_path / "base", tmp_path / "adapter", _config(kind, small, bias=bias), tokens
    )
    biases = [weight for name, weight in weights.items() if name.endswith(".bias")]
    assert len(biases) == trained
    assert all(weight.abs().max() > 0 for weight in biases)
