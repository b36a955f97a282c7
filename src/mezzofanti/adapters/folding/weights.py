"""The algebra of folding: a mixture whose gates do not depend on the token is a plain LoRA.

For fixed gates w, sum_t w_t B_t P_t S_A = B C S_A with C = diag(w) P, the gates repeated over each expert's rows
(Eq. 6-7 of MALoRA, arXiv:2410.22782v1). So A = S_A and B C is the B of a LoRA of rank d: exact, and without an SVD,
because the experts share S_A. Experts that share nothing (MoLoRA, and what is MALoRA without sharing) are the same with
P the identity: their A_1, ..., A_N lie one under another, and the rank is N * r.

Shape letters: see `routing`. For experts that share nothing D = F.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

import torch
from torch import Tensor, nn

from mezzofanti.adapters.layer import MixtureLayer
from mezzofanti.errors import ConfigurationError, nearest

__all__ = [
    "Factors",
    "Mixture",
    "base_of",
    "layers_of",
    "mixtures_of",
    "not_finite",
    "sole_adapter",
    "truncate",
]


@dataclass(frozen=True)
class Factors:
    """A LoRA of one linear map with scale 1: `A` (D, I) and `B` (O, D), float32."""

    A: Tensor
    B: Tensor

    @property
    def rank(self) -> int:
        """Rows of A."""
        return self.A.shape[0]


@dataclass(frozen=True)
class Mixture:
    """The weights of one routed adapter in one layer, in float64, and its scale.

    `shared_DI` is S_A, `coefficients_FD` the stacked P, `expansion_OF` the stacked B.
    """

    shared_DI: Tensor
    coefficients_FD: Tensor
    expansion_OF: Tensor
    experts: int
    scale: float

    def gated(self, gates_E: Tensor) -> Tensor:
        """Return C = diag(w) P (F, D) for fixed gates (E)."""
        rank = self.coefficients_FD.shape[0] // self.experts
        gates_F = gates_E.to(self.coefficients_FD).repeat_interleave(rank)
        return gates_F.unsqueeze(-1) * self.coefficients_FD

    def factors(self, mixed_FD: Tensor) -> Factors:
        """Return the LoRA B C S_A for C = `mixed_FD`, its scale taken into B."""
        expansion_OD = self.scale * (self.expansion_OF @ mixed_FD)
        return Factors(self.shared_DI.float(), expansion_OD.float())


def base_of(model: Any) -> nn.Module:
    """The transformers model with the adapted layers in it: names of layers begin there."""
    base: nn.Module = model.get_base_model() if hasattr(model, "get_base_model") else model
    return base


def layers_of(model: nn.Module) -> dict[str, Any]:
    """Return the layers with a mixture by their name in the base model, as PEFT's weight files name them."""
    return {
        name: module for name, module in base_of(model).named_modules() if isinstance(module, MixtureLayer)
    }


def sole_adapter(model: nn.Module, adapter: str | None = None) -> str:
    """Return the name of the mixture to fold: `adapter`, or the active one.

    Raises `ConfigurationError` where there is no mixture, none of that name, or another one answers beside it.
    """
    layers = layers_of(model).values()
    if not layers:
        raise ConfigurationError(
            f"fold: the {type(model).__name__} has no mixture of experts to fold.",
            cure="Give the model that get_peft_model made with a MaloraConfig or MoloraConfig.",
        )
    known = {name: None for layer in layers for name in layer.routing}
    active = list(dict.fromkeys(name for layer in layers for name in layer.active_adapters if name in known))
    chosen = adapter or (active[0] if active else next(iter(known)))
    if chosen not in known:
        raise ConfigurationError(f"fold: there is no adapter {chosen!r}.", cure=nearest(chosen, known))
    if active != [chosen]:
        raise ConfigurationError(
            f"fold: {chosen!r} is to be folded, and active are: {', '.join(active) or 'none'}.",
            cure=f"Call set_adapter({chosen!r}) first.",
        )
    return chosen


def mixtures_of(model: nn.Module, adapter: str) -> dict[str, Mixture]:
    """Return the weights of `adapter` layer by layer."""
    return {
        name: _mixture(layer, adapter) for name, layer in layers_of(model).items() if adapter in layer.routing
    }


@torch.no_grad()
def _mixture(layer: Any, adapter: str) -> Mixture:
    factors = layer.factors(adapter)
    for part in (factors.shared_XI, factors.down_FX, factors.up_OF):
        if part is not None and not part.isfinite().all():
            raise not_finite(layer.layer_name, "weights", part.sum())
    first_FX, expansion_OF = factors.down_FX.double(), factors.up_OF.double()
    experts, scale = layer.routing[adapter].num_experts, layer.scaling[adapter]
    if factors.shared_XI is None:
        identity_FF = torch.eye(len(first_FX), dtype=torch.float64, device=first_FX.device)
        return Mixture(first_FX, identity_FF, expansion_OF, experts, scale)
    return Mixture(factors.shared_XI.double(), first_FX, expansion_OF, experts, scale)


def not_finite(layer: str, what: str, total: Tensor) -> ConfigurationError:
    """What is raised where a mixture is not made of numbers: a fold of it would be none either."""
    return ConfigurationError(
        f"fold: the {what} of {layer} sum to {total.item()}.",
        cure="The adapter's training has diverged there: fold an earlier checkpoint.",
    )


@torch.no_grad()
def truncate(factors: Factors, rank: int) -> tuple[Factors, float]:
    """Return the nearest LoRA of `rank`, and ||difference||_F / ||B A||_F (0 where nothing was cut).

    The SVD of B A is that of the small R_B R_A^T, where B = Q_B R_B and A^T = Q_A R_A (Eckart and Young, 1936). Each
    half gets the root of the singular values.
    """
    if rank >= factors.rank:
        return factors, 0.0
    left, right = torch.linalg.qr(factors.B.double()), torch.linalg.qr(factors.A.double().mT)
    u, values, vt = torch.linalg.svd(left.R @ right.R.mT, full_matrices=False)
    root = values[:rank].sqrt()
    b = (left.Q @ u[:, :rank]) * root
    a = root.unsqueeze(-1) * (vt[:rank] @ right.Q.mT)
    whole = values.square().sum().sqrt()
    lost = float(values[rank:].square().sum().sqrt() / whole) if whole > 0 else 0.0
    return Factors(_padded(a, rank).float(), _padded(b.mT, rank).mT.contiguous().float()), lost


def _padded(rows: Tensor, count: int) -> Tensor:
    return torch.cat([rows, rows.new_zeros(count - len(rows), rows.shape[1])]) if len(rows) < count else rows
