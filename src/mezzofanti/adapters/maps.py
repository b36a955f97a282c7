"""Which modules of a model a mixture can stand beside, and what is refused of it."""

from __future__ import annotations

from typing import NoReturn

from peft.utils import resolve_quantization_backend
from torch import nn
from transformers.pytorch_utils import Conv1D

from mezzofanti.errors import ConfigurationError

__all__ = ["features_of", "refuse_merge"]


def features_of(base_layer: nn.Module, name: str, title: str) -> tuple[int, int]:
    """Return the numbers of input and output features of an `nn.Linear`, quantised or not, or a `Conv1D`."""
    if isinstance(base_layer, Conv1D):
        return base_layer.weight.shape[0], base_layer.weight.shape[1]
    backend = resolve_quantization_backend(base_layer, get_apply_tensor_subclass=_never)
    if isinstance(base_layer, nn.Linear) or (backend is not None and backend.layer_type == "linear"):
        return base_layer.in_features, base_layer.out_features  # type: ignore[return-value]
    raise ConfigurationError(
        f"{title.capitalize()}Config: target_modules: {name or 'the module'} is a {type(base_layer).__name__}, "
        f"which {title} cannot adapt.",
        cure="Target torch.nn.Linear or transformers Conv1D modules; leave others out with exclude_modules.",
    )


def _never() -> NoReturn:
    raise AssertionError("only a merge quantises anew, and a routed adapter is not merged")


def refuse_merge(title: str = "MALoRA") -> NoReturn:
    """Raise `ConfigurationError`: gates differ from token to token, so no single weight matrix equals the mixture."""
    raise ConfigurationError(
        f"A routed {title} adapter cannot be merged into its base: its gates differ from token to token.",
        cure="Keep it as an adapter, fold it into a plain LoRA (mezzofanti.adapters.fold), or call unload() to get the "
        "base back without it.",
    )
