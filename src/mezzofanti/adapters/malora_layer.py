"""One map adapted by MALoRA: the experts share a down-projection S_A."""

from __future__ import annotations

from typing import cast

import torch
from torch import Tensor, nn

from mezzofanti.adapters.config import MaloraConfig
from mezzofanti.adapters.initialisation import draw_malora
from mezzofanti.adapters.layer import BY_ADAPTER, MixtureLayer
from mezzofanti.adapters.mixing import Factors
from mezzofanti.adapters.mixture_config import MixtureConfig
from mezzofanti.errors import ConfigurationError

__all__ = ["MaloraLayer"]


class MaloraLayer(MixtureLayer):
    """MALoRA beside a map: z = S_A x, D_t = P_t, U_t = B_t.

    Weights of an adapter: `malora_S` (D, I), `malora_P` (E * R, D), `malora_B` (O, E * R), `malora_router` (E, I), the
    last only in the first map of a block where its maps share a router. With ablation "no-sharing" `malora_P` is
    (E * R, D / E). With "decompose-B" `malora_S` is S_B (O, D), `malora_P` (D, E * R), and `malora_A` (E * R, I) takes
    the place of `malora_B`.
    """

    adapter_layer_names = ("malora_S", "malora_P", "malora_B", "malora_A", "malora_router")
    other_param_names = (*BY_ADAPTER, "malora_dropout")
    prefix = "malora_"
    title = "MALoRA"

    malora_S: nn.ModuleDict
    malora_P: nn.ModuleDict
    malora_B: nn.ModuleDict
    malora_A: nn.ModuleDict
    malora_router: nn.ModuleDict
    malora_dropout: nn.ModuleDict

    def weights_of(self, config: MixtureConfig, r: int) -> dict[str, tuple[int, int]]:
        """Return the shapes of S, P and B; `ConfigurationError` where S is taller than the features, or r than S."""
        config = cast(MaloraConfig, config)
        d, stacked, decompose_b = config.shared_rank, config.num_experts * r, config.ablation == "decompose-B"
        width, side = (self.out_features, "output") if decompose_b else (self.in_features, "input")
        if d > width:
            raise ConfigurationError(
                f"MaloraConfig: shared_rank = {d} is above the {width} {side} features of "
                f"{self.layer_name or 'the layer'}.",
                cure="Lower shared_rank, or leave that module out with exclude_modules.",
            )
        config.check_rank(r)
        if decompose_b:
            return {"S": (width, d), "P": (d, stacked), "A": (stacked, self.in_features)}
        rows = d // config.num_experts if config.ablation == "no-sharing" else d
        return {"S": (d, width), "P": (stacked, rows), "B": (self.out_features, stacked)}

    def draw(self, adapter_name: str, config: MixtureConfig) -> dict[str, Tensor]:
        """Return S, P, router and B as they start (Eq. 8-10)."""
        return draw_malora(
            cast(MaloraConfig, config), self.r[adapter_name], self.in_features, self.out_features
        )

    def factors(self, adapter_name: str) -> Factors:
        """Return S_A, P and B. Where an ablation shares no S_A, D_t = P_t S_t or, with B decomposed, U_t = S_B P_t."""
        ablation = self.settings[adapter_name].ablation
        shared, coefficients = self.weight_of("S", adapter_name), self.weight_of("P", adapter_name)
        if ablation == "decompose-B":
            return Factors(None, self.weight_of("A", adapter_name), shared @ coefficients)
        expansion = self.weight_of("B", adapter_name)
        if ablation == "no-sharing":
            experts = self.routing[adapter_name].num_experts
            own = torch.bmm(
                coefficients.view(experts, -1, coefficients.shape[1]),
                shared.view(experts, -1, self.in_features),
            )
            return Factors(None, own.view(-1, self.in_features), expansion)
        return Factors(shared, coefficients, expansion)

    def __repr__(self) -> str:
        return "malora." + super().__repr__()
