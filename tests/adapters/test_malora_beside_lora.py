"""Where PEFT's own LoRA is right without a word, a mixture is, too: frozen weights, reference policies, threads."""

from __future__ import annotations

import threading
from pathlib import Path
from typing import Any

import pytest
import torch
from peft import PeftModel, get_peft_model
from safetensors.torch import load_file, save_file
from tiny import tiny_config
from torch import Tensor, nn
from transformers import LlamaForCausalLM, T5Config, T5ForConditionalGeneration

from mezzofanti.adapters import MaloraConfig, MoloraConfig
from mezzofanti.adapters.layer import MixtureLayer
from mezzofanti.adapters.telemetry import measure_routing
from mezzofanti.errors import ConfigurationError

KINDS = ["malora", "molora"]
pytestmark = pytest.mark.filterwarnings("ignore:(Already found a|You are trying to modify):UserWarning")


def _config(kind: str, small: dict[str, Any], **more: Any) -> MaloraConfig | MoloraConfig:
    settings = {**small, f"init_{kind}_weights": False, **more}
    if kind == "malora":
        return MaloraConfig(**settings)
    del settings["shared_rank"]
    return MoloraConfig(**settings)


def _layers(model: nn.Module) -> list[MixtureLayer]:
    return [module for module in model.modules() if isinstance(module, MixtureLayer)]


def _trainable(model: nn.Module) -> set[str]:
    return {name for name, weight in model.named_parameters() if weight.requires_grad}


# ---- which weights are trained, on a base in bfloat16 --------------------------------------------------------------


@pytest.mark.parametrize("kind", KINDS)
def test_a_narrow_base_trains_the_active_adapter_alone(
    tiny_model: Any, small: dict[str, Any], kind: str, tmp_path: Path
) -> None:
    base = tiny_model.to(torch.bfloat16)
    model = get_peft_model(base, _config(kind, small))
    model.add_adapter("other", _config(kind, small))
    assert _trainable(model)
    assert not any(".other." in name for name in _trainable(model))
    model.save_pretrained(tmp_path, selected_adapters=["default"])
    base = LlamaForCausalLM(tiny_config()).to(torch.bfloat16)
    assert not _trainable(PeftModel.from_pretrained(base, tmp_path))
    base = LlamaForCausalLM(tiny_config()).to(torch.bfloat16)
    assert not _trainable(get_peft_model(base, _config(kind, small, inference_mode=True)))


# ---- what else goes by the names of weights ------------------------------------------------------------------------


@pytest.mark.parametrize("kind", KINDS)
def test_trl_copies_the_adapter_into_its_reference_policy(
    tiny_model: Any, small: dict[str, Any], tokens: Tensor, kind: str
) -> None:
    """As TRL's trainers for DPO, GRPO, KTO and RLOO do it where a trained adapter is given."""
    model = get_peft_model(tiny_model, _config(kind, small)).eval()
    model.add_adapter("ref", model.peft_config["default"])
    for name, weight in model.named_parameters():
        if ".default." in name:
            model.get_parameter(name.replace(".default.", ".ref.")).data.copy_(weight.data)
    policy = model(tokens).logits
    model.set_adapter("ref")
    assert torch.equal(model(tokens).logits, policy)


@pytest.mark.parametrize("kind", KINDS)
def test_files_of_before_load(
    tiny_model: Any, small: dict[str, Any], tokens: Tensor, kind: str, tmp_path: Path
) -> None:
    """Weights were saved as `malora_S` before they were `malora_S.weight`."""
    model = get_peft_model(tiny_model, _config(kind, small)).eval()
    model.save_pretrained(tmp_path)
    expected = model(tokens).logits
    file = tmp_path / "adapter_model.safetensors"
    weights = load_file(file)
    assert all(name.endswith(".weight") for name in weights)
    save_file({name.removesuffix(".weight"): weight for name, weight in weights.items()}, file)
    assert torch.equal(PeftModel.from_pretrained(model.unload(), tmp_path).eval()(tokens).logits, expected)


def test_an_adapter_for_each_row_is_refused(adapted: Any, tokens: Tensor) -> None:
    with pytest.raises(ConfigurationError, match="adapter_names") as caught:
        adapted(tokens, adapter_names=["__base__", "default", "default"])
    assert "set_adapter" in str(caught.value.cure)
    with pytest.raises(ConfigurationError, match="adapter_names"):
        adapted.generate(input_ids=tokens, adapter_names=["__base__"] * 3, max_new_tokens=1)


# ---- several adapters, and attempts that failed --------------------------------------------------------------------


@pytest.mark.parametrize("kinds", [KINDS, KINDS[::-1]])
def test_both_mixtures_stand_on_one_map(
    tiny_model: Any, small: dict[str, Any], tokens: Tensor, kinds: list[str]
) -> None:
    small.pop("task_type")
    for kind in kinds:
        tiny_model.add_adapter(_config(kind, small), kind)
    answers = []
    for kind in kinds:
        tiny_model.set_adapter(kind)
        answers.append(tiny_model(tokens).logits)
    assert not torch.equal(*answers)


def test_a_model_has_one_routing_context(tiny_model: Any, small: dict[str, Any], tokens: Tensor) -> None:
    small.pop("task_type")
    tiny_model.add_adapter(MaloraConfig(**{**small, "target_modules": ["q_proj"]}), "first")
    tiny_model.add_adapter(MaloraConfig(**{**small, "target_modules": ["up_proj"]}), "second")
    assert len({id(layer.context) for layer in _layers(tiny_model)}) == 1
    assert len(tiny_model.base_model._forward_pre_hooks) == 1
    load = measure_routing(tiny_model, [{"input_ids": tokens}]).load()
    assert {name.rpartition(".")[2] for name in load} == {"up_proj"}


@pytest.mark.filterwarnings(
    "ignore:.*already been called.*|.*[Mm]ultiple times.*|.*second time.*:UserWarning"
)
def test_an_attempt_that_failed_leaves_nothing_behind(
    tiny_model: Any, small: dict[str, Any], tokens: Tensor
) -> None:
    with pytest.raises(ConfigurationError):
        get_peft_model(tiny_model, MaloraConfig(**{**small, "target_modules": ["q_proj", "norm"]}))
    model = get_peft_model(tiny_model, MaloraConfig(**small)).train()
    model.base_model.routing_context.scale = 0.0  # B is zero: nothing but the load balance moves a router
    model(tokens, labels=tokens).loss.backward()
    for layer in _layers(model):
        assert layer.weight_of("router", "default").grad.abs().sum() == 0  # type: ignore[union-attr]


def test_a_router_of_a_refused_block_is_forgotten(
    tiny_model: Any, small: dict[str, Any], tokens: Tensor
) -> None:
    model = get_peft_model(tiny_model, MaloraConfig(**small))
    block = {**small, "router_scope": "block", "target_modules": ["q_proj", "v_proj", "norm"]}
    with pytest.raises(ConfigurationError):
        model.add_adapter("other", MaloraConfig(**block))
    model.add_adapter("other", MaloraConfig(**small))
    assert not any(layer.blocks for layer in _layers(model))
    assert all(layer.has_router("other") for layer in _layers(model))


def test_a_frozen_router_pulls_at_nothing(tiny_model: Any, small: dict[str, Any], tokens: Tensor) -> None:
    """Its load balance would still reach trainable weights of the layers below it."""

    def gradients(coefficient: float) -> list[Tensor]:
        torch.manual_seed(0)
        model = get_peft_model(
            LlamaForCausalLM(tiny_config()), _config("malora", small, router_aux_loss_coef=coefficient)
        )
        model.add_adapter("other", _config("malora", small, router_aux_loss_coef=0.0))
        model.base_model.set_adapter(["default", "other"])
        model.set_requires_grad("default", False)
        model.train()(tokens, labels=tokens).loss.backward()
        return [weight.grad for weight in model.parameters() if weight.grad is not None]

    for without, with_term in zip(gradients(0.0), gradients(10.0), strict=True):
        assert torch.equal(without, with_term)


# ---- how a pass is run ---------------------------------------------------------------------------------------------


@pytest.mark.parametrize("scope", ["linear", "block"])
def test_two_threads_answer_at_once(tiny_model: Any, small: dict[str, Any], scope: str) -> None:
    model = get_peft_model(tiny_model, _config("malora", small, router_scope=scope)).eval()
    rows = [torch.randint(4, 260, (2, 8), generator=torch.Generator().manual_seed(i)) for i in range(2)]
    with torch.no_grad():
        expected = [model(row).logits for row in rows]
    wrong: list[int] = []

    @torch.no_grad()
    def ask(number: int) -> None:
        for _ in range(40):
            try:
                right = torch.allclose(model(rows[number]).logits, expected[number], atol=1e-5)
            except ConfigurationError:
                right = False
            wrong.extend([] if right else [number])

    threads = [threading.Thread(target=ask, args=(number,)) for number in range(2)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert wrong == []


@pytest.mark.filterwarnings("ignore:.*should not be instantiated:DeprecationWarning")  # dynamo does it
@pytest.mark.parametrize(
    "more", [{}, {"router_scope": "block"}, {"recompute_hidden": True}, {"lora_dropout": 0.1}]
)
def test_compiled_training_is_compiled_once(
    tiny_model: Any, small: dict[str, Any], tokens: Tensor, more: dict[str, Any]
) -> None:
    torch._dynamo.reset()
    compiled: list[int] = []

    def count(graph: Any, examples: Any) -> Any:
        compiled.append(1)
        return graph.forward

    model = get_peft_model(tiny_model, MaloraConfig(**{**small, **more})).train()
    step, counts = torch.compile(model, backend=count), []
    for _ in range(5):
        step(tokens, labels=tokens, attention_mask=torch.ones_like(tokens), use_cache=False).loss.backward()
        counts.append(len(compiled))
    assert counts[1] == counts[-1]


@pytest.mark.parametrize("more", [{}, {"recompute_hidden": True}])
def test_a_model_without_memory_can_be_asked_for_shapes(small: dict[str, Any], more: dict[str, Any]) -> None:
    with torch.device("meta"):
        model = get_peft_model(LlamaForCausalLM(tiny_config()), MaloraConfig(**{**small, **more}))
        answer = model(input_ids=torch.ones(2, 5, dtype=torch.long)).logits
    assert answer.is_meta
    assert answer.shape[:2] == (2, 5)


@pytest.mark.parametrize("narrow", [["S", "P", "B"], ["S", "P", "B", "router"]])
def test_a_router_chooses_in_float32(narrow: list[str], small: dict[str, Any]) -> None:
    """TRL makes an adapter on a 4-bit base bfloat16; a user may set the routers back, or leave them."""
    torch.manual_seed(0)
    model = get_peft_model(nn.Sequential(nn.Linear(24, 24)), MaloraConfig(**{
        **{name: value for name, value in small.items() if name != "task_type"}, "target_modules": ["0"]
    }))  # fmt: skip
    (layer,) = _layers(model)
    layer.base_layer.to(torch.bfloat16)
    for name in narrow:
        weight = layer.weight_of(name, "default")
        weight.data = weight.data.to(torch.bfloat16)
    router, x = layer.weight_of("router", "default"), torch.randn(50, 24).to(torch.bfloat16)
    seen: list[Tensor] = []
    layer.context.observers.append(lambda *told: seen.append(told[3]))
    assert layer(x).dtype == torch.bfloat16
    torch.testing.assert_close(seen[0], (x.float() @ router.detach().float().mT).softmax(-1))


# ---- encoder and decoder -------------------------------------------------------------------------------------------


def test_each_side_of_an_encoder_decoder_has_its_own_padding(small: dict[str, Any]) -> None:
    """As long as they are alike in size, the encoder's mask fits the decoder's tokens and says nothing of them."""
    encoder, decoder = torch.ones(2, 6, dtype=torch.long), torch.ones(2, 6, dtype=torch.long)
    encoder[0, 1:], decoder[1, 4:] = 0, 0

    def balances(**masks: Tensor) -> dict[str, float]:
        torch.manual_seed(0)
        sizes = {"d_model": 32, "d_kv": 8, "d_ff": 48, "num_layers": 1, "num_heads": 4, "vocab_size": 64}
        base = T5ForConditionalGeneration(
            T5Config(**sizes, decoder_start_token_id=0, pad_token_id=0, dropout_rate=0.0)
        )
        more = {"target_modules": ["q", "v"], "task_type": "SEQ_2_SEQ_LM"}
        model = get_peft_model(base, MaloraConfig(**{**small, **more})).train()
        words = torch.randint(1, 64, (2, 6), generator=torch.Generator().manual_seed(1))
        model(input_ids=words, labels=words, **masks)
        return {layer.layer_name: float(layer.load_balance["default"]) for layer in _layers(model)}

    plain, one, other = balances(), balances(attention_mask=encoder), balances(decoder_attention_mask=decoder)
    moved_by_encoder = {name for name in plain if plain[name] != one[name]}
    moved_by_decoder = {name for name in plain if plain[name] != other[name]}
    in_encoder = {name for name in plain if name.startswith("encoder")}
    keys = {name for name in plain if name.endswith("EncDecAttention.v")}
    assert in_encoder | keys <= moved_by_encoder
    assert moved_by_decoder == set(plain) - in_encoder - keys
    itself = "decoder.block.0.layer.0.SelfAttention.q"
    assert itself not in moved_by_encoder
