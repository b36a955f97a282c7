"""One router for all adapted maps of a layer of the model: `router_scope="block"`.

A block is a numbered layer of the model: `model.layers.3` is the block of `model.layers.3.self_attn.q_proj`. The
router's weight lies in the block's first map in the order of the model's modules, and is saved there. In a pass, the
map that is *called* first applies it to its own input, and the other maps use the gates that came of it: the query
projection decides for the whole layer, as a rule. A map that is called a second time begins a new pass, so that
generation, evaluation and gradient checkpointing need no word from outside.

Expert t is then one thing throughout the layer, the gates are computed once, and the routers of a layer shrink to one.
It needs maps that see the same tokens. Another number of tokens is refused in the pass; experts of a
mixture-of-experts base and cross-attention, which may have as many and yet others, are refused by their names as
transformers' models give them. Whoever calls such a thing otherwise has to take `router_scope="linear"`.
"""

from __future__ import annotations

import re
import threading
from dataclasses import dataclass, field
from typing import Any

import torch
from torch import Tensor, nn

from mezzofanti.adapters.masks import CROSS_ATTENTION
from mezzofanti.adapters.routing import Choice
from mezzofanti.errors import ConfigurationError

__all__ = ["BlockRouter", "block_of", "refuse_other_tokens"]

OTHER_TOKENS = re.compile(rf"(.*\.)?(experts|[^.]*({CROSS_ATTENTION.pattern})[^.]*)\.", re.IGNORECASE)
"""Within a block: what leads to a map of an expert, or of attention whose keys and values come from elsewhere."""


def block_of(name: str) -> str | None:
    """Return the name of the block a module belongs to, None where no part of its name is a number."""
    found = re.match(r"(.*?\.\d+|\d+)\.", name)
    return found[1] if found else None


def refuse_other_tokens(kind: str, block: str, name: str) -> None:
    """Raise `ConfigurationError` where the map `name` of `block` may see other tokens than the block's other maps.

    No two experts see the same tokens; in cross-attention keys and values do not see what queries see. Their gates
    would be another token's, and where there happen to be as many tokens nothing would show it.
    """
    found = OTHER_TOKENS.match(name.removeprefix(f"{block}."))
    if found:
        raise ConfigurationError(
            f"{kind}: router_scope = 'block' has one choice for all maps of {block}, and {name} may see other tokens.",
            cure=f"Take router_scope='linear', or exclude_modules='.*[.]{found[2]}[.].*'.",
        )


@dataclass
class _Pass:
    choice: Choice | None = None
    served: set[str] = field(default_factory=set)


class _OfThread(threading.local):
    """The pass of one thread: a server may answer several requests at once."""

    def __init__(self) -> None:
        self.now = _Pass()


@dataclass(eq=False)
class BlockRouter:
    """The router of one adapter in one block, and the gates it gave last.

    Attributes:
        kind: Name of the settings that ask for it, for messages.
        block: Name of the block, for messages.
        adapter: Name of the adapter.
        members: How many maps follow the router.
        weights: Where the first map holds the router's weight, by adapter.
    """

    kind: str
    block: str
    adapter: str
    members: int = 0
    weights: nn.ModuleDict = field(default_factory=nn.ModuleDict, repr=False)
    _of_thread: _OfThread = field(default_factory=_OfThread, repr=False)
    _compiled: _Pass = field(default_factory=_Pass, repr=False)

    @property
    def _pass(self) -> _Pass:
        # torch.compile has no guard for what belongs to a thread
        return self._compiled if torch.compiler.is_compiling() else self._of_thread.now

    def weight_for(self, map_name: str, features: int) -> Tensor | None:
        """Return the router's weight (E, I) for a map that begins a pass, None for one that follows."""
        if self._pass.choice is not None and map_name not in self._pass.served:
            return None
        weight: Tensor = self.weights[self.adapter].weight  # type: ignore[assignment]
        if weight.shape[1] != features:
            raise ConfigurationError(
                f"{self.kind}: router_scope = 'block' has a router for inputs of {weight.shape[1]} features in "
                f"{self.block}, and {map_name} with {features} is called first there.",
                cure="Take router_scope='linear', or leave that module out with exclude_modules.",
            )
        return weight

    def begin(self, map_name: str, choice: Choice) -> None:
        """Keep the choice of a new pass for the maps that follow."""
        self._pass.choice, self._pass.served = choice, set()
        self.choice_for(map_name, len(choice.gates_TE))

    def choice_for(self, map_name: str, tokens: int) -> Choice:
        """Return the choice of this pass; the last map lets go of it."""
        choice = self._pass.choice
        assert choice is not None
        if len(choice.gates_TE) != tokens:
            self._pass.choice = None
            raise ConfigurationError(
                f"{self.kind}: router_scope = 'block' chose for {len(choice.gates_TE)} tokens in {self.block}, and "
                f"{map_name} has {tokens}.",
                cure="Take router_scope='linear' where the maps of a layer see different tokens.",
            )
        self._pass.served.add(map_name)
        if len(self._pass.served) == self.members:
            self._pass.choice = None
        return choice

    def __getstate__(self) -> dict[str, Any]:
        """Leave out what belongs to a pass: gates carry a graph, which is neither copied nor pickled."""
        return {
            name: value for name, value in self.__dict__.items() if name not in ("_of_thread", "_compiled")
        }

    def __setstate__(self, state: dict[str, Any]) -> None:
        """Begin without a pass."""
        self.__dict__.update(state, _of_thread=_OfThread(), _compiled=_Pass())
