"""The method's choices: budgets and presets, learning rates, one router for a block, and the routers' health."""

from __future__ import annotations

import copy
import re
from pathlib import Path
from typing import Any

import pytest
import torch
from peft import PeftModel, get_peft_model
from torch import Tensor, nn
from transformers import (
    AutoModelForCausalLM,
    GPT2Config,
    GPT2LMHeadModel,
    LlamaConfig,
    LlamaForCausalLM,
    T5Config,
    T5ForConditionalGeneration,
)

from mezzofanti.adapters import MaloraConfig, MoloraConfig
from mezzofanti.adapters.layer import MixtureLayer
from mezzofanti.adapters.learning_rates import learning_rate_groups
from mezzofanti.adapters.malora_layer import MaloraLayer
from mezzofanti.adapters.presets import PAPER_TARGETS
from mezzofanti.adapters.routing import LOOK_EVERY, RoutingContext, z_loss
from mezzofanti.adapters.sharing import block_of, refuse_other_tokens
from mezzofanti.errors import ConfigurationError

CONFIGS = {"malora": MaloraConfig, "molora": MoloraConfig}


def _mixture(kind: str, model: nn.Module, small: dict[str, Any], **more: Any) -> Any:
    settings = {**small, f"init_{kind}_weights": False, **more}
    if kind == "molora":
        settings.pop("shared_rank")
    torch.manual_seed(1)
    return get_peft_model(model, CONFIGS[kind](**settings))


def _layers(model: nn.Module) -> dict[str, MixtureLayer]:
    return {name: module for name, module in model.named_modules() if isinstance(module, MixtureLayer)}


# budgets and presets


@pytest.mark.parametrize(
    ("arguments", "r", "shared_rank"),
    [
        ({}, 12, 32),
        ({"base_rank": 4, "num_experts": 4}, 6, 8),
        ({"budget": 1.0}, 8, 64),
        ({"budget": 0.25, "expand": False}, 8, 16),
        ({"base_rank": 16, "budget": 0.5}, 24, 64),
        ({"budget": 1 / 3, "expand": False}, 8, 21),
        ({"budget": 11 / 32, "expand": False}, 8, 22),
    ],
)
def test_a_budget_is_the_papers_arithmetic(arguments: dict[str, Any], r: int, shared_rank: int) -> None:
    config = MaloraConfig.from_budget(**arguments)
    assert (config.r, config.shared_rank, config.lora_alpha) == (r, shared_rank, 2 * r)
    assert MaloraConfig.from_budget(**arguments, lora_alpha=5, beta=2.0).lora_alpha == 5


@pytest.mark.parametrize(
    ("arguments", "said"),
    [
        ({"budget": 0.0}, "budget = 0.0 is not above 0 and at most 1"),
        ({"budget": 1.5}, "budget = 1.5"),
        ({"base_rank": 0}, "base_rank = 0"),
        ({"num_experts": 2, "budget": 0.5}, "rank r = 12 is above shared_rank = 8"),
    ],
)
def test_a_budget_that_does_not_fit_is_named(arguments: dict[str, Any], said: str) -> None:
    with pytest.raises(ConfigurationError, match="MaloraConfig") as caught:
        MaloraConfig.from_budget(**arguments)
    assert said in str(caught.value)


def test_presets_are_the_papers_tables() -> None:
    inter, intra, small = (MaloraConfig.preset(name) for name in ("paper-inter", "paper-intra", "small"))
    assert (inter.r, inter.shared_rank, inter.lora_alpha, inter.beta) == (12, 32, 24, 1.0)
    assert (inter.num_experts, inter.top_k, inter.lora_dropout, inter.router_aux_loss_coef) == (
        8,
        2,
        0.05,
        0.01,
    )
    assert inter.target_modules == set(PAPER_TARGETS)
    assert "o_proj" not in PAPER_TARGETS
    assert intra == MaloraConfig.preset("paper-inter", beta=1.25)
    assert (small.r, small.shared_rank, small.scale_of(8, small.lora_alpha)) == (8, 22, 2.0)
    molora = MoloraConfig.preset("paper-inter", target_modules=["q_proj"])
    assert (molora.r, molora.lora_alpha, molora.target_modules) == (8, 16, {"q_proj"})
    with pytest.raises(ConfigurationError, match="MoloraConfig: there is no preset 'small'"):
        MoloraConfig.preset("small")


@pytest.mark.parametrize(
    ("config", "millions", "share"),
    [
        (MaloraConfig.preset("paper-inter"), 158.9, 2.30),
        (MaloraConfig.preset("small"), 109.1, 1.59),
        (MoloraConfig.preset("paper-inter"), 151.2, 2.19),
        (MoloraConfig.preset("paper-inter", r=12), 222.8, 3.20),
        (MoloraConfig.preset("paper-inter", r=16), 294.3, 4.19),
        (MaloraConfig.preset("paper-inter", r=8, shared_rank=64), 152.0, 2.21),
    ],
    ids=["malora", "small", "molora-8", "molora-12", "molora-16", "symmetric"],
)
def test_llama_2_7b_has_the_papers_shares(config: Any, millions: float, share: float) -> None:
    """2.3, 1.6, 2.2 and 2.2 % in the paper, which prints 3.3 % where 3.20 % comes out."""
    with torch.device("meta"):
        model = get_peft_model(LlamaForCausalLM(LlamaConfig()), config)
    adapter, whole = model.get_nb_trainable_parameters()
    assert adapter / 1e6 == pytest.approx(millions, abs=0.05)
    assert 100 * adapter / whole == pytest.approx(share, abs=0.005)


# learning rates


@pytest.mark.parametrize(
    ("kind", "ratios", "expected"),
    [
        ("malora", {"shared": 0.5, "coefficients": 2.0}, {"shared": 0.05, "coefficients": 0.2}),
        ("molora", {"down": 0.5, "expansion": 16.0}, {"down": 0.05, "expansion": 1.6}),
    ],
)
def test_each_kind_of_weight_has_its_rate(
    tiny_model: Any, small: dict[str, Any], kind: str, ratios: dict[str, float], expected: dict[str, float]
) -> None:
    model = _mixture(kind, tiny_model, small, trainable_token_indices=[7])
    groups = {group["name"]: group for group in learning_rate_groups(model, 0.1, weight_decay=0.01, **ratios)}
    trained = [weight for weight in model.parameters() if weight.requires_grad]
    assert sum(len(group["params"]) for group in groups.values()) == len(trained)
    assert len(groups["router"]["params"]) == 6
    assert len(groups["others"]["params"]) == 1
    for name, rate in {**{"router": 0.1, "others": 0.1}, **expected}.items():
        assert groups[name]["lr"] == pytest.approx(rate)
    torch.optim.AdamW(list(groups.values()))
    with pytest.raises(ConfigurationError, match="router = 0 is not"):
        learning_rate_groups(model, 0.1, router=0)
    with pytest.raises(ConfigurationError, match="no mixture"):
        learning_rate_groups(nn.Linear(2, 2), 0.1)


@pytest.mark.parametrize("lr", ["1e-3", None, True, float("nan"), 0.0])
def test_a_rate_that_is_no_number_above_zero_is_named(
    tiny_model: Any, small: dict[str, Any], lr: Any
) -> None:
    model = _mixture("malora", tiny_model, small)
    for rates in ({"lr": lr}, {"lr": 0.1, "router": lr}):
        with pytest.raises(ConfigurationError) as caught:
            learning_rate_groups(model, **rates)
        assert f"{list(rates)[-1]} = {lr!r} is not a finite number above 0" in caught.value.message


@pytest.mark.parametrize(
    ("kind", "more", "idle", "said"),
    [
        (
            "molora",
            {},
            "shared",
            "shared = 0.5 has no effect: the model trains no weight of that kind (MALoRA's S_A)",
        ),
        ("malora", {}, "down", "down = 0.5 has no effect"),
        ("malora", {"ablation": "decompose-B"}, "expansion", "expansion = 0.5 has no effect"),
        ("malora", {"ablation": "frozen-P"}, "coefficients", "coefficients = 0.5 has no effect"),
    ],
)
def test_a_ratio_without_effect_is_named(
    tiny_model: Any, small: dict[str, Any], kind: str, more: dict[str, Any], idle: str, said: str
) -> None:
    model = _mixture(kind, tiny_model, small, **more)
    with pytest.raises(ConfigurationError) as caught:
        learning_rate_groups(model, 0.1, **{idle: 0.5})
    assert said in caught.value.message
    assert caught.value.cure.endswith("router.")
    learning_rate_groups(model, 0.1, **{idle: 1.0})


# one router for a block


@pytest.mark.parametrize("kind", ["malora", "molora"])
def test_a_block_has_one_router_and_one_choice(
    tiny_model: Any, small: dict[str, Any], tokens: Tensor, kind: str, tmp_path: Path, tiny_base: Path
) -> None:
    model = _mixture(kind, tiny_model, {**small, "target_modules": "all-linear"}, router_scope="block")
    routers = [name for name, _ in model.named_parameters() if f"{kind}_router" in name]
    assert len(routers) == 2
    assert all("q_proj" in name for name in routers)
    heard: dict[str, Tensor] = {}
    model.base_model.routing_context.observers.append(
        lambda layer, adapter, gates, *rest: heard.update({layer: gates})
    )
    expected = model.eval()(tokens).logits
    assert len(heard) == 14
    for name, gates in heard.items():
        first = heard[f"{name.split('.layers.')[0]}.layers.{name.split('.')[2]}.self_attn.q_proj"]
        assert torch.equal(gates, first)
    assert torch.equal(model(tokens).logits, expected)
    model.save_pretrained(tmp_path)
    again = PeftModel.from_pretrained(AutoModelForCausalLM.from_pretrained(tiny_base), tmp_path)
    assert torch.equal(again.eval()(tokens).logits, expected)
    assert torch.equal(copy.deepcopy(again)(tokens).logits, expected)


def test_a_block_of_one_map_is_a_map_with_its_own_router(
    tiny_model: Any, small: dict[str, Any], tokens: Tensor
) -> None:
    small["target_modules"] = ["up_proj"]
    linear = _mixture("malora", copy.deepcopy(tiny_model), small)
    block = _mixture("malora", tiny_model, small, router_scope="block")
    assert torch.equal(linear(tokens).logits, block(tokens).logits)


@pytest.mark.parametrize("reentrant", [True, False])
def test_a_shared_router_trains_with_checkpointing_and_padding(
    tiny_model: Any, small: dict[str, Any], tokens: Tensor, reentrant: bool
) -> None:
    model = _mixture("malora", tiny_model, small, router_scope="block", router_aux_loss_coef=0.1).train()

    def gradients() -> dict[str, Tensor]:
        model.zero_grad()
        model(input_ids=tokens, labels=tokens, use_cache=False).loss.backward()
        return {name: w.grad.clone() for name, w in model.named_parameters() if w.requires_grad}

    plain = gradients()
    model.activation_checkpointing_enable({"use_reentrant": reentrant})
    model.enable_input_require_grads()
    for name, gradient in gradients().items():
        torch.testing.assert_close(gradient, plain[name], rtol=1e-4, atol=1e-7)
    assert model.base_model.load_balance() > 0.9
    layers = _layers(model).values()
    assert [layer.routing["default"].balance for layer in layers] == pytest.approx([0.05] * 6)


def test_generation_with_a_shared_router_needs_no_word_from_outside(
    tiny_model: Any, small: dict[str, Any]
) -> None:
    model = _mixture("malora", tiny_model, small, router_scope="block").eval()
    prompt = {"input_ids": torch.tensor([[10, 20, 30, 40, 50]]), "attention_mask": torch.ones(1, 5)}
    answers = [
        model.generate(**prompt, max_new_tokens=6, do_sample=False, use_cache=cache).tolist()
        for cache in (True, False)
    ]
    assert answers[0] == answers[1]


class _Odd(nn.Module):
    """A block whose second map is called first, on an input as wide, and whose third sees other tokens."""

    def __init__(self, width: int = 8, rows: int | None = None) -> None:
        super().__init__()
        self.layers = nn.ModuleList([nn.ModuleDict({"a": nn.Linear(8, 8), "b": nn.Linear(width, 8)})])
        self.rows = rows

    def forward(self, x: Tensor) -> Tensor:
        block = self.layers[0]
        wide = x[..., : block["b"].in_features]
        return block["a"](block["b"](wide)[: self.rows])


def test_the_map_called_first_chooses_and_misfits_are_named() -> None:
    settings: dict[str, Any] = {"r": 2, "shared_rank": 4, "num_experts": 4, "target_modules": ["a", "b"]}
    config = MaloraConfig(**settings, router_scope="block", init_malora_weights=False)
    get_peft_model(_Odd(), config)(torch.randn(5, 8))
    with pytest.raises(ConfigurationError, match=r"chose for 5 tokens in layers.0, and layers.0.a has 3"):
        get_peft_model(_Odd(rows=3), config)(torch.randn(5, 8))
    with pytest.raises(
        ConfigurationError, match=r"MaloraConfig: router_scope.* 8 features.*layers.0.b with 6"
    ):
        get_peft_model(_Odd(width=6), config)(torch.randn(5, 8))


def _t5() -> nn.Module:
    sizes = {"d_model": 16, "d_kv": 4, "d_ff": 16, "num_heads": 4, "num_layers": 1, "vocab_size": 260}
    return T5ForConditionalGeneration(T5Config(**sizes))


def test_cross_attention_may_not_follow_a_blocks_router(tokens: Tensor) -> None:
    """Its keys are the encoder's words: as many as the decoder's here, so that no count would tell."""
    settings = {"r": 2, "shared_rank": 4, "num_experts": 4, "target_modules": ["q", "k"]}
    with pytest.raises(
        ConfigurationError, match=r"one choice .* decoder\.block\.0, and .*EncDecAttention\.q"
    ) as caught:
        get_peft_model(_t5(), MaloraConfig(**settings, router_scope="block"))
    assert "exclude_modules='.*[.]EncDecAttention[.].*'" in caught.value.cure
    get_peft_model(_t5(), MaloraConfig(**settings))(input_ids=tokens, decoder_input_ids=tokens)
    more = {"router_scope": "block", "exclude_modules": ".*[.]EncDecAttention[.].*"}
    model = get_peft_model(_t5(), MaloraConfig(**settings, **more))
    model(input_ids=tokens, decoder_input_ids=tokens)
    assert [name.rpartition(".")[0][-13:] for name in _layers(model)] == ["SelfAttention"] * 4


@pytest.mark.parametrize(
    ("name", "refused"),
    [
        ("model.layers.0.mlp.experts.3.w1", "experts"),
        ("encoder.block.1.layer.1.mlp.experts.expert_0.wi", "experts"),
        ("model.decoder.layers.0.encoder_attn.k_proj", "encoder_attn"),
        ("decoder.layer.0.encoder_decoder_attention.key", "encoder_decoder_attention"),
        ("bert.encoder.layer.0.crossattention.self.key", "crossattention"),
        ("model.layers.3.cross_attn.k_proj", "cross_attn"),
        ("text.cross_attn_layers.0.self_attn.k_proj", None),
        ("model.layers.0.mlp.shared_experts.up_proj", None),
        ("encoder.layers.0.self_attn.k_proj", None),
        ("encoder.attention.layers.0.self_attn.k_proj", None),
    ],
)
def test_maps_that_see_other_tokens_are_known_by_name(name: str, refused: str | None) -> None:
    block = block_of(name)
    assert block is not None
    if refused is None:
        refuse_other_tokens("MaloraConfig", block, name)
        return
    with pytest.raises(ConfigurationError, match=re.escape(f"{name} may see other tokens")) as caught:
        refuse_other_tokens("MaloraConfig", block, name)
    assert f"exclude_modules='.*[.]{refused}[.].*'" in caught.value.cure


# losses and health


def test_z_loss_is_the_squared_log_sum_exp() -> None:
    logits = torch.randn(7, 4)
    assert z_loss(logits).item() == pytest.approx((logits.exp().sum(-1).log() ** 2).mean().item(), rel=1e-5)
    weights = torch.tensor([1.0, 0, 1, 0, 1, 0, 0])
    torch.testing.assert_close(z_loss(logits, weights), z_loss(logits[[0, 2, 4]]))


def test_z_loss_makes_logits_small() -> None:
    torch.manual_seed(0)
    config = MaloraConfig(
        r=2,
        shared_rank=4,
        num_experts=4,
        router_aux_loss_coef=0.0,
        router_z_loss_coef=1.0,
        router_init_std=1.0,
    )
    layer = MaloraLayer(nn.Linear(6, 5), "default", RoutingContext(), config, 2, 4).train()
    x, router = torch.randn(64, 6), layer.malora_router["default"].weight
    before = z_loss(x @ router.T).item()
    for _ in range(30):
        layer(x).sum().backward()
        with torch.no_grad():
            router -= 0.1 * router.grad
            router.grad = None
    assert z_loss(x @ router.T).item() < 0.8 * before


@pytest.mark.parametrize("value", [float("nan"), float("inf")])
def test_a_router_that_broke_is_named(
    tiny_model: Any, small: dict[str, Any], tokens: Tensor, value: float
) -> None:
    model = _mixture("malora", tiny_model, small)
    layers = _layers(model)
    name = next(name for name in layers if "layers.1.self_attn.v_proj" in name)
    layers[name].weight_of("router", "default").data[0, 0] = value
    for mode in (model.train(), model.eval()):
        with pytest.raises(
            ConfigurationError, match=r"router of .*layers.1.self_attn.v_proj .*sum to (nan|-?inf)"
        ) as caught:
            mode(tokens)
        assert "lower the learning rate" in caught.value.cure


def test_padding_may_be_no_number() -> None:
    context, logits = RoutingContext(mask=torch.tensor([[1, 1, 0]])), torch.zeros(3, 4)
    logits[2] = float("nan")
    context.watch("a", "default", logits)
    logits[1] = float("nan")
    with pytest.raises(ConfigurationError, match="router of a"):
        context.watch("a", "default", logits)


def test_on_other_devices_the_look_is_put_off() -> None:
    """There is no other device here: its path is taken by hand, to the same error and no earlier."""
    context = RoutingContext()
    context._unseen["model.layers.0.q_proj", "default"] = torch.tensor(float("nan"))
    for _ in range(LOOK_EVERY - 1):
        context(None, (), {})
    with pytest.raises(ConfigurationError, match=r"router of model.layers.0.q_proj \(adapter 'default'\)"):
        context(None, (), {})
    context.watch("a", "default", torch.empty(2, 3, device="meta"))
    assert not context._unseen


def test_conv1d_of_gpt2_shares_a_router_too(tokens: Tensor) -> None:
    torch.manual_seed(0)
    base = GPT2LMHeadModel(GPT2Config(n_embd=16, n_layer=1, n_head=2, vocab_size=260, n_positions=16)).eval()
    config = MaloraConfig(
        r=2,
        shared_rank=8,
        num_experts=4,
        target_modules=["c_attn", "c_fc", "c_proj"],
        router_scope="block",
        init_malora_weights=False,
    )
    model = get_peft_model(base, config).train()
    model(input_ids=tokens, labels=tokens).loss.backward()
    routers = [weight for name, weight in model.named_parameters() if "malora_router" in name]
    assert [tuple(weight.shape) for weight in routers] == [(4, 16)]
    assert routers[0].grad.abs().sum() > 0  # type: ignore[union-attr]
