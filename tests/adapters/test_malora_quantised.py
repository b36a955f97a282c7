"""Quantised bases: PEFT says what they are, the mixture stands beside them in float32."""

from __future__ import annotations

from typing import Any

import pytest
import torch
from peft import get_peft_model
from peft.utils.quantization_utils import ForwardOnlyQuantizationBackend
from torch import Tensor, nn

from mezzofanti.adapters import MaloraConfig, MoloraConfig
from mezzofanti.adapters.layer import MixtureLayer
from mezzofanti.errors import ConfigurationError

CONFIGS = {
    "malora": MaloraConfig(r=2, shared_rank=4, num_experts=4, target_modules=["0"]),
    "molora": MoloraConfig(r=2, num_experts=4, target_modules=["0"]),
}


class _Eighths(nn.Module):
    """A linear map whose weight is kept as whole numbers, as GPTQ's are: no `weight`, not an `nn.Linear`."""

    def __init__(self) -> None:
        super().__init__()
        self.in_features, self.out_features = 8, 6
        self.register_buffer("qweight", torch.randint(-8, 8, (6, 8), dtype=torch.int8))

    def forward(self, x: Tensor) -> Tensor:
        return x @ (self.qweight.to(x.dtype) / 8).T  # type: ignore[operator,union-attr]


@pytest.mark.parametrize("kind", ["malora", "molora"])
def test_what_peft_knows_as_a_quantised_linear_map_is_adapted(
    kind: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    from mezzofanti.adapters import maps

    with pytest.raises(ConfigurationError, match=r"0 is a _Eighths, which MA?o?LoRA cannot adapt"):
        get_peft_model(nn.Sequential(_Eighths()), CONFIGS[kind])
    monkeypatch.setattr(
        maps, "resolve_quantization_backend", lambda *rest, **more: ForwardOnlyQuantizationBackend("eighths")
    )
    base = nn.Sequential(_Eighths())
    x = torch.randn(5, 8)
    expected = base(x)
    model = get_peft_model(base, CONFIGS[kind]).train()
    torch.testing.assert_close(model(x), expected)
    model(x).sum().backward()
    (layer,) = [module for module in model.modules() if isinstance(module, MixtureLayer)]
    trained = {name: weight for name, weight in layer.named_parameters() if weight.requires_grad}
    assert {weight.dtype for weight in trained.values()} == {torch.float32}
    assert layer.weight_of("B", "default").grad.abs().sum() > 0  # type: ignore[union-attr]
    assert layer.weight_of("router", "default").grad.abs().sum() > 0  # type: ignore[union-attr]


@pytest.mark.parametrize("kind", ["malora", "molora"])
@pytest.mark.parametrize("bits", [4, 8])
@pytest.mark.filterwarnings("ignore")  # bitsandbytes says much on a CPU
def test_bitsandbytes(tiny_base: Any, kind: str, bits: int, tokens: Tensor, tmp_path: Any) -> None:
    bitsandbytes = pytest.importorskip("bitsandbytes")
    from transformers import AutoModelForCausalLM, BitsAndBytesConfig

    quantised = BitsAndBytesConfig(load_in_4bit=bits == 4, load_in_8bit=bits == 8)
    base = AutoModelForCausalLM.from_pretrained(tiny_base, quantization_config=quantised, device_map="cpu")
    # as in training: on a CPU some versions answer otherwise, or not at all, out of it
    before = base.train()(tokens).logits
    config = CONFIGS[kind].__class__(
        **{**CONFIGS[kind].to_dict(), "target_modules": ["q_proj", "down_proj"], "peft_type": None}
    )
    model = get_peft_model(base, config).train()
    torch.testing.assert_close(model(tokens).logits, before, rtol=1e-3, atol=1e-3)
    model(input_ids=tokens, labels=tokens).loss.backward()
    layers = [module for module in model.modules() if isinstance(module, MixtureLayer)]
    kinds = (bitsandbytes.nn.Linear4bit, bitsandbytes.nn.Linear8bitLt)
    assert all(isinstance(layer.get_base_layer(), kinds) for layer in layers)
    for layer in layers:
        assert layer.weight_of("router", "default").dtype == torch.float32
        assert layer.weight_of("B", "default").grad.isfinite().all()  # type: ignore[union-attr]
    model.save_pretrained(tmp_path)
