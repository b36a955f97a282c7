"""What `mezzo fold` says at the end: what was done, what was lost, and what to do next."""

from __future__ import annotations

import shlex
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from mezzofanti.errors import ConfigurationError

__all__ = ["FoldReport"]


@dataclass(frozen=True)
class FoldReport:
    """What was written: one entry a language (or skill, or task) in `folds`, as `folds.json` has it."""

    output: Path
    base: str
    rank: int
    folds: dict[str, dict[str, Any]]
    chat_template: Path | None

    def lines(self) -> list[str]:
        """What was done, what was lost, and what to do next."""
        said = [f"folded    {', '.join(self.folds)}: plain LoRA of rank {self.rank} in {self.output}"]
        for name, fold in self.folds.items():
            said += [_lost(name, fold), *_left_out(name, fold)]
        return [*said, self._next()]

    def _next(self) -> str:
        """The command, or why there is none: what was measured is said all the same, and PEFT takes any rank."""
        try:
            return f"next      {self.serve()}"
        except ConfigurationError as error:
            return f"next      {error.message} Cut it with --rank 64; PEFT takes it as it is."

    def serve(self) -> str:
        """A command that serves all folds with vLLM; `ConfigurationError` where their rank is above what it takes."""
        from mezzofanti.adapters.folding.card import served_rank

        template = ["--chat-template", str(self.chat_template)] if self.chat_template else []
        modules = [f"{name}={fold['folder']}" for name, fold in self.folds.items()]
        rank = str(served_rank(self.rank))
        words = ["vllm", "serve", self.base, "--enable-lora", "--max-lora-rank", rank, *template]
        return shlex.join([*words, "--lora-modules", *modules])


def _lost(name: str, fold: dict[str, Any]) -> str:
    loss = fold["loss"]
    rows = "held-out rows" if loss["held_out"] else "its own rows"
    said = f"KL {loss['kl']:.4f} nats a token on {rows} (base alone {loss['kl_base']:.3g})"
    said += f", same likeliest token {100 * loss['agreement']:.1f} %"
    if loss["score_routed"] is not None:
        said += f"; exam {100 * loss['score_routed']:.1f} % routed, {100 * loss['score_folded']:.1f} % folded"
    return f"lost      {name}: {said}"


def _left_out(name: str, fold: dict[str, Any]) -> list[str]:
    said = []
    if fold["rows_left_out"]:
        said.append(
            f"left out  {name}: {fold['rows_left_out']} rows longer than max_length={fold['max_length']} tokens"
        )
    if fold["truncation"]:
        said.append(
            f"cut       {name}: to rank {fold['rank']}, relative error of a layer {fold['truncation']:.3f} at most"
        )
    return said
