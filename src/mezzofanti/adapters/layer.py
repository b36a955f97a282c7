"""One adapted linear map: the frozen base, and a mixture of experts beside it."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any, NoReturn

import torch
from peft.tuners.tuners_utils import BaseTunerLayer
from torch import Tensor, nn
from torch.nn.functional import linear
from transformers.pytorch_utils import Conv1D

from mezzofanti.adapters.config import MaloraConfig
from mezzofanti.adapters.initialisation import draw_kaiming, initial_qr, initial_svd
from mezzofanti.adapters.mixing import mix_dense, project
from mezzofanti.adapters.routing import RoutingContext, attach, gate, load_balance
from mezzofanti.errors import ConfigurationError

__all__ = ["Linear", "MaloraLayer", "Routing", "refuse_merge"]


@dataclass
class Routing:
    """How the router of one adapter in one layer chooses. `balance` is the weight of its load-balance term."""

    num_experts: int
    top_k: int
    normalise: bool
    balance: float


def features_of(base_layer: nn.Module, name: str) -> tuple[int, int]:
    """Return the numbers of input and output features of an `nn.Linear` or a `Conv1D`."""
    if isinstance(base_layer, nn.Linear):
        return base_layer.in_features, base_layer.out_features
    if isinstance(base_layer, Conv1D):
        return base_layer.weight.shape[0], base_layer.weight.shape[1]
    raise ConfigurationError(
        f"MaloraConfig: {name or 'the module'} is a {type(base_layer).__name__}, which MALoRA cannot adapt.",
        cure="Target torch.nn.Linear or transformers Conv1D modules; leave others out with exclude_modules.",
    )


def refuse_merge() -> NoReturn:
    """Raise `ConfigurationError`: gates differ from token to token, so no single weight matrix equals the mixture."""
    raise ConfigurationError(
        "A routed MALoRA adapter cannot be merged into its base: its gates differ from token to token.",
        cure="Keep it as an adapter, or call unload() to get the base back without it.",
    )


class MaloraLayer(BaseTunerLayer):
    """What PEFT needs to know of an adapted layer: which weights belong to which adapter.

    Weights of an adapter: `malora_S` (D, I), `malora_P` (E * R, D), `malora_B` (O, E * R), `malora_router` (E, I).
    """

    adapter_layer_names = ("malora_S", "malora_P", "malora_B", "malora_router")
    other_param_names = ("r", "lora_alpha", "scaling", "malora_dropout", "routing", "load_balance")

    def __init__(self, base_layer: nn.Module, context: RoutingContext, name: str = "") -> None:
        self.base_layer = base_layer
        self.in_features, self.out_features = features_of(self.get_base_layer(), name)
        self.layer_name = name
        self.context = context
        self.r: dict[str, int] = {}
        self.lora_alpha: dict[str, float] = {}
        self.scaling: dict[str, float] = {}
        self.routing: dict[str, Routing] = {}
        self.load_balance: dict[str, Tensor] = {}
        self.malora_dropout = nn.ModuleDict()
        self.malora_S = nn.ParameterDict()
        self.malora_P = nn.ParameterDict()
        self.malora_B = nn.ParameterDict()
        self.malora_router = nn.ParameterDict()
        self._disable_adapters = False
        self.merged_adapters: list[str] = []

    def update_layer(self, adapter_name: str, r: int, lora_alpha: float, config: MaloraConfig) -> None:
        """Add an adapter of rank `r`; `ConfigurationError` where S_A has more rows than the input has features."""
        if config.shared_rank > self.in_features:
            raise ConfigurationError(
                f"MaloraConfig: shared_rank = {config.shared_rank} is above the {self.in_features} input features of "
                f"{self.layer_name or 'the layer'}.",
                cure="Lower shared_rank, or leave that module out with exclude_modules.",
            )
        self.r[adapter_name] = r
        self.lora_alpha[adapter_name] = lora_alpha
        self.scaling[adapter_name] = config.scale_of(r, lora_alpha)
        self.routing[adapter_name] = Routing(
            config.num_experts, config.top_k, config.norm_topk_prob, config.router_aux_loss_coef
        )
        dropout = nn.Dropout(config.lora_dropout) if config.lora_dropout > 0 else nn.Identity()
        self.malora_dropout[adapter_name] = dropout
        self._create_weights(adapter_name, r, config)
        self._move_adapter_to_device_of_base_layer(adapter_name)
        self.set_adapter(self.active_adapters, inference_mode=config.inference_mode)

    def _create_weights(self, adapter_name: str, r: int, config: MaloraConfig) -> None:
        stacked = config.num_experts * r
        shapes = {
            "malora_S": (config.shared_rank, self.in_features),
            "malora_P": (stacked, config.shared_rank),
            "malora_B": (self.out_features, stacked),
            "malora_router": (config.num_experts, self.in_features),
        }
        meta = self.get_base_layer().weight.is_meta
        for name, shape in shapes.items():
            getattr(self, name)[adapter_name] = nn.Parameter(
                torch.empty(shape, device="meta" if meta else None)
            )
        if not self.malora_S[adapter_name].is_meta:
            self.reset_parameters(adapter_name, config)

    @torch.no_grad()
    def reset_parameters(self, adapter_name: str, config: MaloraConfig) -> None:
        """Draw the starting weights of an adapter (module `initialisation`) from torch's global generator."""
        draws = [draw_kaiming(config.shared_rank, self.in_features) for _ in range(config.num_experts)]
        decompose = initial_qr if config.init_malora_weights == "qr" else initial_svd
        shared, coefficients = decompose(draws, self.r[adapter_name], config.beta)
        self.malora_S[adapter_name].copy_(shared)
        self.malora_P[adapter_name].copy_(coefficients)
        self.malora_router[adapter_name].normal_(std=config.router_init_std)
        expansion = self.malora_B[adapter_name]
        if config.init_malora_weights is False:
            expansion.copy_(draw_kaiming(*expansion.shape))
        else:
            expansion.zero_()

    def merge(self, safe_merge: bool = False, adapter_names: list[str] | None = None) -> NoReturn:
        """Raise `ConfigurationError` (see `refuse_merge`)."""
        refuse_merge()

    def unmerge(self) -> None:
        """Do nothing: a routed adapter is never merged."""


class Linear(nn.Module, MaloraLayer):
    """y = W x + b + (alpha / r) * sum_t G_t(x) B_t P_t S_A x, for `nn.Linear` and `Conv1D` as the base."""

    def __init__(
        self,
        base_layer: nn.Module,
        adapter_name: str,
        context: RoutingContext,
        config: MaloraConfig,
        r: int,
        lora_alpha: float,
        name: str = "",
    ) -> None:
        super().__init__()
        MaloraLayer.__init__(self, base_layer, context, name)
        self._active_adapter = adapter_name
        self.update_layer(adapter_name, r, lora_alpha, config)

    def forward(self, x: Tensor, *args: Any, **kwargs: Any) -> Tensor:
        """Return the adapted answer (..., O) for `x` (..., I), in the dtype of the base's answer."""
        answer: Tensor = self.base_layer(x, *args, **kwargs)
        if self.disable_adapters:
            return answer
        for adapter_name in self.active_adapters:
            if adapter_name in self.malora_B:
                answer = self._add(adapter_name, x, answer)
        return answer

    def _add(self, name: str, x: Tensor, answer: Tensor) -> Tensor:
        expansion_OF = self.malora_B[name]
        mixed_TF = self._mixed(name, x)
        answer_TO = answer.reshape(-1, self.out_features)
        if answer_TO.dtype == mixed_TF.dtype:
            # One pass over the answer instead of two.
            return torch.addmm(answer_TO, mixed_TF, expansion_OF.mT).view_as(answer)
        return (answer_TO + linear(mixed_TF, expansion_OF)).to(answer.dtype).view_as(answer)

    def _mixed(self, name: str, x: Tensor) -> Tensor:
        shared_DI, router_EI = self.malora_S[name], self.malora_router[name]
        if not torch.is_autocast_enabled(x.device.type):
            x = self._cast_input_dtype(x, shared_DI.dtype)
        input_TI = x.reshape(-1, self.in_features)
        dropout = self.malora_dropout[name]
        if self.training and isinstance(dropout, nn.Dropout):
            shared_TD, logits_TE = linear(dropout(input_TI), shared_DI), linear(input_TI, router_EI)
        else:
            shared_TD, logits_TE = project(input_TI, shared_DI, router_EI)
        gates_TE = self._gates(name, logits_TE)
        return mix_dense(shared_TD, gates_TE * self.scaling[name], self.malora_P[name])

    def _gates(self, name: str, logits_TE: Tensor) -> Tensor:
        routing = self.routing[name]
        gates_TE, probabilities_TE, chosen_TE = gate(logits_TE, routing.top_k, routing.normalise)
        for observer in self.context.observers:
            weights_T = self.context.weights(len(gates_TE), like=gates_TE)
            observer(
                self.layer_name, name, gates_TE.detach(), probabilities_TE.detach(), chosen_TE, weights_T
            )
        if not (self.training and routing.balance and torch.is_grad_enabled()):
            return gates_TE
        weights_T = self.context.weights(len(gates_TE), like=gates_TE)
        balance = load_balance(probabilities_TE, chosen_TE, weights_T)
        self.load_balance[name] = balance.detach()
        return attach(gates_TE, balance * (routing.balance * self.context.scale))

    def __repr__(self) -> str:
        return "malora." + super().__repr__()
