"""What a Recurrent-KIF checkpoint keeps beside the trainer's own: `method.safetensors`, and a marker written last.

A `Trainer` writes checkpoints in place; a kill may leave half of one. Only a folder that holds `MARKER` is whole.
"""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING

from safetensors.torch import load_file, save_file
from torch import Tensor

from mezzofanti.errors import StateError
from mezzofanti.files import read_json, write_json

if TYPE_CHECKING:
    from mezzofanti.continual.methods.recurrent_kif import RecurrentKIF

__all__ = ["MARKER", "load_rounds", "mark_complete", "save_rounds"]

MARKER = "complete.json"
TENSORS = "method.safetensors"


def save_rounds(method: RecurrentKIF, checkpoint: Path) -> None:
    """Write the state of the current round into `checkpoint`."""
    if method.active:
        temporary = checkpoint / f".{TENSORS}.tmp"
        save_file({name: tensor.contiguous() for name, tensor in _tensors(method).items()}, temporary)
        temporary.replace(checkpoint / TENSORS)
        mark_complete(checkpoint, outer_steps=method.outer_steps_done)
    else:
        mark_complete(checkpoint)


def mark_complete(checkpoint: Path, **state: int) -> None:
    """Write the marker that says `checkpoint` is whole."""
    write_json(checkpoint / MARKER, {"schema": 1, **state})


def load_rounds(method: RecurrentKIF, checkpoint: Path) -> None:
    """Take up the state of the round that `save_rounds` left in `checkpoint`."""
    if not (checkpoint / MARKER).is_file():
        raise StateError(
            f"{checkpoint} has no Recurrent-KIF state.", cure="Resume from an earlier, whole checkpoint."
        )
    method.outer_steps_done = read_json(checkpoint / MARKER)["outer_steps"]
    saved = load_file(checkpoint / TENSORS)
    _restore_optimizer(method, saved)
    for name, tensor in _tensors(method).items():
        tensor.copy_(saved[name])


def _tensors(method: RecurrentKIF) -> dict[str, Tensor]:
    groups = {
        "start": method._start,
        "inner.mean": method._inner.mean,
        "inner.spread": method._inner.spread,
        "outer.mean": method._outer.mean,
        "outer.spread": method._outer.spread,
    }
    tensors = {
        f"{group}.{i}": tensor for group, members in groups.items() for i, tensor in enumerate(members)
    }
    for i, parameter in enumerate(method._parameters):
        for key, value in method._outer_optimizer.state.get(parameter, {}).items():
            tensors[f"optimizer.{key}.{i}"] = value
    return tensors


def _restore_optimizer(method: RecurrentKIF, saved: dict[str, Tensor]) -> None:
    for i, parameter in enumerate(method._parameters):
        keys = [
            name.split(".")[1] for name in saved if name.startswith("optimizer.") and name.endswith(f".{i}")
        ]
        if keys:
            method._outer_optimizer.state[parameter] = {
                # AdamW keeps its step count on the CPU, its moments beside the parameter
                key: saved[f"optimizer.{key}.{i}"].to("cpu" if key == "step" else parameter.device)
                for key in keys
            }
