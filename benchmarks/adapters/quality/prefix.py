"""The layers below every adapter, run once a row instead of once a step.

They learn nothing and drop nothing out, so what they make of a row is the same in every epoch and for every
contestant. What is left of a step is what the contestants differ in. Equal to the whole model but for rounding.
"""

from __future__ import annotations

import hashlib
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from itertools import pairwise
from pathlib import Path
from typing import Any

import torch
from safetensors.torch import load_file, save
from torch import Tensor

from mezzofanti.files import write_bytes

__all__ = ["FrozenPrefix"]


class _Enough(Exception):
    """The lower layers are through."""


class FrozenPrefix:
    """What the first `depth` layers of `decoder` make of every row: `{digest: T x D}`, kept in `path`.

    `decoder` is the model under the head (`embed_tokens`, `layers`); none of its first `depth` layers is adapted.
    """

    def __init__(self, decoder: Any, depth: int, path: Path) -> None:
        self.decoder, self.depth, self.path = decoder, depth, path
        self.known: dict[str, Tensor] = load_file(path) if path.is_file() else {}

    def learn(self, rows: Sequence[Any]) -> None:
        """Run the lower layers on the rows that are not known yet, each alone, and keep the result."""
        missing = {
            digest: ids for row in rows if (digest := _digest(ids := row["input_ids"])) not in self.known
        }
        if not missing:
            return
        self.known |= {digest: self._run(ids) for digest, ids in missing.items()}
        write_bytes(self.path, save(self.known))

    @contextmanager
    def applied(self) -> Iterator[None]:
        """While the block runs, training starts at layer `depth` with what is known; answering runs every layer."""
        decoder = self.decoder
        seen: dict[str, Tensor] = {}
        watch = decoder.register_forward_pre_hook(lambda _, __, given: seen.update(given), with_kwargs=True)
        embedding, lower = decoder.embed_tokens, decoder.layers[: self.depth]
        embedding.forward = _instead(decoder, embedding.forward, lambda _: self._assembled(seen))
        for layer in lower:
            layer.forward = _instead(decoder, layer.forward, lambda hidden_BTD, **_: hidden_BTD)
        try:
            yield
        finally:
            watch.remove()
            for module in (embedding, *lower):
                del module.forward

    @torch.no_grad()
    def _run(self, ids: Sequence[int]) -> Tensor:
        found: list[Tensor] = []

        def take(_: Any, given: tuple[Tensor, ...]) -> None:
            found.append(given[0][0].clone())
            raise _Enough

        watch = self.decoder.layers[self.depth].register_forward_pre_hook(take)
        try:
            self.decoder(input_ids=torch.tensor([list(ids)]), use_cache=False)
        except _Enough:
            pass
        finally:
            watch.remove()
        return found[0]

    def _assembled(self, seen: dict[str, Tensor]) -> Tensor:
        ids_BT = seen["input_ids"]
        positions_BT = seen.get("position_ids")
        if positions_BT is not None:  # several rows in one, each counted from 0
            cuts = [*torch.where(positions_BT[0] == 0)[0].tolist(), ids_BT.shape[1]]
            rows = [ids_BT[0, start:end] for start, end in pairwise(cuts)]
            return torch.cat([self._of(row) for row in rows])[None]
        width = self.decoder.config.hidden_size
        hidden_BTD = torch.zeros(*ids_BT.shape, width, dtype=next(iter(self.known.values())).dtype)
        for hidden_TD, ids_T, kept_T in zip(hidden_BTD, ids_BT, seen["attention_mask"].bool(), strict=True):
            hidden_TD[kept_T] = self._of(ids_T[kept_T])
        return hidden_BTD

    def _of(self, ids_T: Tensor) -> Tensor:
        return self.known[_digest(ids_T.tolist())]


def _instead(decoder: Any, forward: Any, known: Any) -> Any:
    return lambda *given, **named: (known if decoder.training else forward)(*given, **named)


def _digest(ids: Sequence[int]) -> str:
    return hashlib.sha256(" ".join(map(str, ids)).encode()).hexdigest()
