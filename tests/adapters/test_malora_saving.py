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
from torch import Tensor

from mezzofanti.adapters import MaloraConfig

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
    from transformers import AutoModelForCausalLM

    frozen = PeftModel.from_pretrained(AutoModelForCausalLM.from_pretrained(tiny_base), saved)
    assert not [name for name, weight in frozen.named_parameters() if weight.requires_grad]
    model = PeftModel.from_pretrained(
        AutoModelForCausalLM.from_pretrained(tiny_base), saved, is_trainable=True
    )
    model(input_ids=tokens, labels=tokens).loss.backward()
    assert all(weight.grad is not None for weight in model.parameters() if weight.requires_grad)
