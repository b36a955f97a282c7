"""One adapted linear map: the frozen base, and a mixture of experts beside it, whatever the method."""

from __future__ import annotations

from typing import Any, ClassVar, NoReturn

import torch
from peft.tuners.tuners_utils import BaseTunerLayer
from torch import Tensor, nn
from torch.nn.functional import linear

from mezzofanti.adapters.maps import features_of, refuse_merge
from mezzofanti.adapters.mixing import (
    Factors,
    autocasts,
    gate_hidden,
    mix_dense,
    mix_otherwise,
    project,
    router_logits,
)
from mezzofanti.adapters.mixture_config import MixtureConfig
from mezzofanti.adapters.routing import Choice, Routing, RoutingContext, attach, gate
from mezzofanti.adapters.sharing import BlockRouter

__all__ = ["BY_ADAPTER", "MixtureLayer", "Weight"]

BY_ADAPTER = ("r", "lora_alpha", "scaling", "routing", "settings", "blocks", "load_balance")
"""What a layer keeps of each adapter besides weights: PEFT deletes it with the adapter."""
WIDE = (torch.float32, torch.float64)
"""Types in which a router's logits may be computed together with what the experts read."""


class Weight(nn.Module):
    """One weight of an adapter, so that its name ends in `.weight` as a LoRA's does.

    PEFT and TRL go by such names: TRL copies what contains ".default." into the reference policy of DPO, and PEFT's
    cast to float32 keeps a module's weight frozen, where it makes one in a `ParameterDict` trainable.
    """

    def __init__(self, weight: Tensor) -> None:
        super().__init__()
        self.weight = nn.Parameter(weight)


class MixtureLayer(nn.Module, BaseTunerLayer):
    """y = W x + b + scale * sum_t G_t(x) U_t D_t S x beside a linear map, quantised or not, or a `Conv1D`.

    A method says which weights it has and what the factors are. Weights and dropout are held under names that begin
    with `prefix`, by adapter.
    """

    prefix: ClassVar[str]
    title: ClassVar[str]

    def __init__(
        self,
        base_layer: nn.Module,
        adapter_name: str,
        context: RoutingContext,
        config: MixtureConfig,
        r: int,
        lora_alpha: float,
        name: str = "",
        block: BlockRouter | None = None,
    ) -> None:
        super().__init__()
        self.base_layer = base_layer
        self.in_features, self.out_features = features_of(self.get_base_layer(), name, self.title)
        self.layer_name = name
        self.context = context
        self.r: dict[str, int] = {}
        self.lora_alpha: dict[str, float] = {}
        self.scaling: dict[str, float] = {}
        self.routing: dict[str, Routing] = {}
        self.settings: dict[str, MixtureConfig] = {}
        self.blocks: dict[str, BlockRouter] = {}
        self.load_balance: dict[str, Tensor] = {}
        for weight_name in self.adapter_layer_names:
            setattr(self, weight_name, nn.ModuleDict())
        setattr(self, f"{self.prefix}dropout", nn.ModuleDict())
        self._disable_adapters = False
        self.merged_adapters: list[str] = []
        self._active_adapter = adapter_name
        self.update_layer(adapter_name, r, lora_alpha, config, block)

    def weights_of(self, config: MixtureConfig, r: int) -> dict[str, tuple[int, int]]:
        """Return the shapes of the weights, router excepted; `ConfigurationError` where they do not fit the map."""
        raise NotImplementedError

    def draw(self, adapter_name: str, config: MixtureConfig) -> dict[str, Tensor]:
        """Return all weights as they start, router included."""
        raise NotImplementedError

    def factors(self, adapter_name: str) -> Factors:
        """Return what the adapter multiplies by, differentiably."""
        raise NotImplementedError

    def weight_of(self, name: str, adapter_name: str) -> nn.Parameter:
        """Return the weight `name` of an adapter, such as "B" or "router"."""
        weight: nn.Parameter = getattr(self, f"{self.prefix}{name}")[adapter_name].weight
        return weight

    def has_router(self, adapter_name: str) -> bool:
        """Whether this map holds a router of that adapter."""
        return adapter_name in getattr(self, f"{self.prefix}router")

    def update_layer(
        self,
        adapter_name: str,
        r: int,
        lora_alpha: float,
        config: MixtureConfig,
        block: BlockRouter | None = None,
    ) -> None:
        """Add an adapter of rank `r`; `ConfigurationError` where its sizes do not fit the map."""
        shapes = self.weights_of(config, r)
        self._forget_router(adapter_name)
        self.r[adapter_name] = r
        self.lora_alpha[adapter_name] = lora_alpha
        self.scaling[adapter_name] = config.scale_of(r, lora_alpha)
        self.settings[adapter_name] = config
        self.routing[adapter_name] = Routing(
            config.num_experts,
            config.top_k,
            config.norm_topk_prob,
            config.router_aux_loss_coef,
            config.router_z_loss_coef,
        )
        dropout = nn.Dropout(config.lora_dropout) if config.lora_dropout > 0 else nn.Identity()
        getattr(self, f"{self.prefix}dropout")[adapter_name] = dropout
        if block is None or self._join(adapter_name, block):
            shapes["router"] = (config.num_experts, self.in_features)
        self._create_weights(adapter_name, shapes, config)
        frozen = {adapter_name: config.frozen_weights()} if config.frozen_weights() else {}
        self.frozen_peft_weight_names = {**self.frozen_peft_weight_names, **frozen}
        self._move_adapter_to_device_of_base_layer(adapter_name)
        self.set_adapter(self.active_adapters, inference_mode=config.inference_mode)

    def _forget_router(self, adapter_name: str) -> None:
        """Drop what an attempt to add this adapter left here before it was refused elsewhere in the model."""
        self.blocks.pop(adapter_name, None)
        if self.has_router(adapter_name):
            del getattr(self, f"{self.prefix}router")[adapter_name]

    def _join(self, adapter_name: str, block: BlockRouter) -> bool:
        """Follow the router of a block; return whether this is the map that holds it, the first to come."""
        self.blocks[adapter_name] = block
        block.members += 1
        if block.members == 1:
            block.weights = getattr(self, f"{self.prefix}router")
        return block.members == 1

    def _create_weights(
        self, adapter_name: str, shapes: dict[str, tuple[int, int]], config: MixtureConfig
    ) -> None:
        device, _ = self._get_base_layer_device_and_dtype(self.get_base_layer())  # type: ignore[no-untyped-call]
        meta = device is not None and device.type == "meta"
        for name, shape in shapes.items():
            weight = Weight(torch.empty(shape, device="meta" if meta else None))
            getattr(self, f"{self.prefix}{name}")[adapter_name] = weight
            meta = meta or weight.weight.is_meta  # so it is under PEFT's low_cpu_mem_usage
        if not meta:
            self.reset_parameters(adapter_name, config)

    @torch.no_grad()
    def reset_parameters(self, adapter_name: str, config: MixtureConfig) -> None:
        """Draw the starting weights of an adapter (module `initialisation`) from torch's global generator."""
        for name, start in self.draw(adapter_name, config).items():
            if name != "router" or self.has_router(adapter_name):
                self.weight_of(name, adapter_name).copy_(start)

    def merge(self, safe_merge: bool = False, adapter_names: list[str] | None = None) -> NoReturn:
        """Raise `ConfigurationError` (see `refuse_merge`)."""
        refuse_merge(self.title)

    def unmerge(self) -> None:
        """Do nothing: a routed adapter is never merged."""

    def forward(self, x: Tensor, *args: Any, **kwargs: Any) -> Tensor:
        """Return the adapted answer (..., O) for `x` (..., I), in the dtype of the base's answer."""
        answer: Tensor = self.base_layer(x, *args, **kwargs)
        if self.disable_adapters:
            return answer
        for adapter_name in self.active_adapters:
            if adapter_name in self.routing:
                answer = self._add(adapter_name, x, answer)
        return answer

    def _add(self, name: str, x: Tensor, answer: Tensor) -> Tensor:
        settings, factors = self.settings[name], self.factors(name)
        if not autocasts(x.device.type):
            x = self._cast_input_dtype(x, factors.up_OF.dtype)
        answer_TO = answer.reshape(-1, self.out_features)
        dense = settings.mixing == "dense" and not settings.recompute_hidden
        read_TX, gates_TE = self._read(name, x.reshape(-1, self.in_features), factors, dense)
        if not dense:
            form = "recomputed" if settings.mixing == "dense" else settings.mixing
            return mix_otherwise(form, answer_TO, read_TX, gates_TE, factors, settings.top_k).view_as(answer)
        if factors.shared_XI is None:
            mixed_TF = gate_hidden(read_TX, gates_TE)
        else:
            mixed_TF = mix_dense(read_TX, gates_TE, factors.down_FX)
        if answer_TO.dtype == mixed_TF.dtype:
            # One pass over the answer instead of two.
            return torch.addmm(answer_TO, mixed_TF, factors.up_OF.mT).view_as(answer)
        return (answer_TO + linear(mixed_TF, factors.up_OF)).to(answer.dtype).view_as(answer)

    def _read(self, name: str, input_TI: Tensor, factors: Factors, dense: bool) -> tuple[Tensor, Tensor]:
        """Return what `down_FX` is to be applied to, or, dense and unshared, its product; and the scaled gates."""
        first_XI = factors.shared_XI
        if first_XI is None and dense:
            first_XI = factors.down_FX
        router_EI = self._router(name)
        dropout = getattr(self, f"{self.prefix}dropout")[name]
        drops = self.training and isinstance(dropout, nn.Dropout)
        logits_TE: Tensor | None = None
        if (
            not drops
            and first_XI is not None
            and router_EI is not None
            and router_EI.dtype == first_XI.dtype in WIDE
        ):
            read_TX, logits_TE = project(input_TI, first_XI, router_EI)
        else:
            read_TX = dropout(input_TI)
            read_TX = read_TX if first_XI is None else linear(read_TX, first_XI)
            logits_TE = None if router_EI is None else router_logits(input_TI, router_EI)
        learns = router_EI is not None and router_EI.requires_grad
        return read_TX, self._gates(name, logits_TE, len(input_TI), learns) * self.scaling[name]

    def _router(self, name: str) -> Tensor | None:
        """Return the router's weight (E, I), None where another map of the block has chosen already."""
        if name in self.blocks:
            return self.blocks[name].weight_for(self.layer_name, self.in_features)
        return self.weight_of("router", name)

    def _gates(self, name: str, logits_TE: Tensor | None, tokens: int, learns: bool) -> Tensor:
        if logits_TE is None:
            choice = self.blocks[name].choice_for(self.layer_name, tokens)
        else:
            choice = self._choose(name, logits_TE, learns)
            if name in self.blocks:
                self.blocks[name].begin(self.layer_name, choice)
        self.context.tell(self.layer_name, name, choice)
        return choice.gates_TE

    def _choose(self, name: str, logits_TE: Tensor, learns: bool) -> Choice:
        routing = self.routing[name]
        choice = Choice(*gate(logits_TE, routing.top_k, routing.normalise))
        self.context.watch(self.layer_name, name, logits_TE)
        # a frozen router's terms would still pull at the trainable weights below it
        if not (learns and self.training and torch.is_grad_enabled()):
            return choice
        balance, loss = self.context.extra_loss(self.layer_name, routing, choice, logits_TE)
        if balance is not None:
            self.load_balance[name] = balance
        return choice if loss is None else choice._replace(gates_TE=attach(choice.gates_TE, loss))
