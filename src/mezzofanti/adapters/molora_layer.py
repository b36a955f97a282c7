"""One map adapted by MoLoRA: whole LoRA experts beside the frozen base, and a router."""

from __future__ import annotations

from typing import cast

import torch
from torch import Tensor, nn

from mezzofanti.adapters.initialisation import draw_molora
from mezzofanti.adapters.layer import BY_ADAPTER, MixtureLayer
from mezzofanti.adapters.mixing import Factors
from mezzofanti.adapters.mixture_config import MixtureConfig
from mezzofanti.adapters.molora_config import MoloraConfig
from mezzofanti.errors import ConfigurationError

__all__ = ["MoloraLayer"]


class MoloraLayer(MixtureLayer):
    """MoLoRA beside a map: z = x, D_t = A_t, U_t = B_t.

    Weights of an adapter: `molora_A` (E * R, I), `molora_B` (O, E * R), `molora_router` (E, I), the last only in the
    first map of a block where its maps share a router. With ablation "fixed-shared-A" `molora_A` is (R, I).
    """

    adapter_layer_names = ("molora_A", "molora_B", "molora_router")
    other_param_names = (*BY_ADAPTER, "molora_dropout")
    prefix = "molora_"
    title = "MoLoRA"

    molora_A: nn.ModuleDict
    molora_B: nn.ModuleDict
    molora_router: nn.ModuleDict
    molora_dropout: nn.ModuleDict

    def weights_of(self, config: MixtureConfig, r: int) -> dict[str, tuple[int, int]]:
        """Return the shapes of A and B; `ConfigurationError` where an expert's rank is above the input's width."""
        if r > self.in_features:
            raise ConfigurationError(
                f"MoloraConfig: rank r = {r} is above the {self.in_features} input features of "
                f"{self.layer_name or 'the layer'}.",
                cure="Lower r, or leave that module out with exclude_modules.",
            )
        stacked = config.num_experts * r
        rows = r if config.ablation == "fixed-shared-A" else stacked
        return {"A": (rows, self.in_features), "B": (self.out_features, stacked)}

    def draw(self, adapter_name: str, config: MixtureConfig) -> dict[str, Tensor]:
        """Return A, router and B as they start."""
        return draw_molora(
            cast(MoloraConfig, config), self.r[adapter_name], self.in_features, self.out_features
        )

    def factors(self, adapter_name: str) -> Factors:
        """Return A and B. Where one A serves all experts it is S, and every D_t the identity."""
        down, up = self.weight_of("A", adapter_name), self.weight_of("B", adapter_name)
        if self.settings[adapter_name].ablation != "fixed-shared-A":
            return Factors(None, down, up)
        identity = torch.eye(len(down), dtype=down.dtype, device=down.device)
        return Factors(down, identity.repeat(self.routing[adapter_name].num_experts, 1), up)

    def __repr__(self) -> str:
        return "molora." + super().__repr__()
