"""What a user chooses for MALoRA. Field names are PEFT's where PEFT has one, and transformers' where a mixture has one.

Source: MALoRA, arXiv:2410.22782v1, sections 3 and 4 and tables 8 and 9.
"""

from __future__ import annotations

import math
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any, Literal

from peft.config import PeftConfig

from mezzofanti.errors import ConfigurationError, nearest
from mezzofanti.files import write_text

__all__ = ["MALORA", "MaloraConfig", "MethodName"]

INITIALISATIONS = ("svd", "qr")
REDUCTIONS = ("mean", "sum")
HEADING = "## Loading this MALoRA adapter"
LOADING = f"""{HEADING}

PEFT learns what a MALoRA adapter is from one import; without it, loading ends in `KeyError: 'MALORA'`.

```python
import mezzofanti.adapters  # registers MALoRA with PEFT
```
"""
BIASES = ("none", "all", "malora_only")


class MethodName(str):
    """A name that PEFT can use as a member of its `PeftType`, which is closed to other packages."""

    __slots__ = ()

    @property
    def value(self) -> str:
        """The bare name, as an Enum member has it."""
        return str.__str__(self)

    name = value

    def __str__(self) -> str:
        return f"PeftType.{str.__str__(self)}"


MALORA = MethodName("MALORA")


@dataclass
class MaloraConfig(PeftConfig):
    """Settings of a MALoRA adapter, for `peft.get_peft_model`, TRL's `peft_config=` and the like.

    Every adapted linear map W (m x n) answers y = W x + (alpha / r) * sum_t G_t(x) B_t P_t S_A x, where S_A (d x n)
    is shared by the N experts of that map, P_t (r x d) and B_t (m x r) belong to expert t, and G(x) holds the
    softmax probabilities of the `top_k` chosen experts and zeros elsewhere (Eq. 3-7 of the paper).

    Args:
        r: Rank of one expert (the paper's expanded rank). At most `shared_rank`.
        shared_rank: Rows d of the shared projection S_A. At most the input width of every adapted map. The paper
            spends a budget: from N experts of rank r0 it makes d = r0 * N / 2 and r = 1.5 * r0.
        num_experts: Experts N of one adapted map. Each map has a router of its own.
        top_k: Experts that answer for one token.
        lora_alpha: Numerator of the scale `lora_alpha / r`, as in LoRA. The paper takes twice r.
        lora_dropout: Dropout on the input of S_A, as in LoRA. The router always reads the whole input.
        use_rslora: Divide `lora_alpha` by the root of r instead of r.
        norm_topk_prob: False (the paper): gates are the softmax probabilities as they are, so they sum to less than
            one. True: the chosen ones are scaled to sum to one, as in Mixtral.
        router_aux_loss_coef: Weight of the load-balance term N * sum_t f_t p_t, which is 1 where the load is even
            (Switch Transformer, Eq. 4). 0 turns it off. The paper says 0.001 in its text and 0.01 in its tables.
        router_aux_loss_reduction: "mean" divides that weight by the number of routers, "sum" does not.
        router_init_std: Standard deviation of the router's weights at the start.
        beta: S_A is multiplied and every P_t divided by it at the start (Eq. 9-10). Under Adam a larger beta lets
            the P_t learn relatively faster than S_A.
        init_malora_weights: "svd" or True: Eq. 8-10. "qr": the same row norms from a QR decomposition, P_t
            triangular, about twice as quick. False: random B as well, so that the adapter is not the identity at
            the start (for tests).
        target_modules: As in LoRA: names, a regular expression, or "all-linear". Left out: LoRA's default for the
            architecture. The paper adapts Q, K, V, Up, Down and Gate, not O.
        exclude_modules: As in LoRA.
        modules_to_save: As in LoRA: further modules that are trained whole and saved.
        layers_to_transform: As in LoRA: numbers of the layers to adapt. Needs `target_modules` as a list.
        layers_pattern: As in LoRA: name of the list of layers, where it is unusual.
        rank_pattern: As in LoRA: `r` by module name or regular expression.
        alpha_pattern: As in LoRA: `lora_alpha` by module name or regular expression.
        bias: "none", "all" or "malora_only": which biases of the base are trained.
        trainable_token_indices: As in LoRA: rows of the embedding that are trained.
        requires_import: Written to `adapter_config.json` for whoever opens it: the import that lets PEFT load it.

    Raises:
        ConfigurationError: a value is out of range or two settings exclude each other.
    """

    r: int = field(default=12)
    shared_rank: int = field(default=32)
    num_experts: int = field(default=8)
    top_k: int = field(default=2)
    lora_alpha: int = field(default=24)
    lora_dropout: float = field(default=0.0)
    use_rslora: bool = field(default=False)
    norm_topk_prob: bool = field(default=False)
    router_aux_loss_coef: float = field(default=0.001)
    router_aux_loss_reduction: Literal["mean", "sum"] = field(default="mean")
    router_init_std: float = field(default=0.02)
    beta: float = field(default=1.0)
    init_malora_weights: bool | Literal["svd", "qr"] = field(default=True)
    target_modules: list[str] | set[str] | str | None = field(default=None)
    exclude_modules: list[str] | set[str] | str | None = field(default=None)
    modules_to_save: list[str] | None = field(default=None)
    layers_to_transform: list[int] | int | None = field(default=None)
    layers_pattern: list[str] | str | None = field(default=None)
    rank_pattern: dict[str, int] = field(default_factory=dict)
    alpha_pattern: dict[str, int] = field(default_factory=dict)
    bias: Literal["none", "all", "malora_only"] = field(default="none")
    trainable_token_indices: list[int] | dict[str, list[int]] | None = field(default=None)
    requires_import: str = field(default="mezzofanti.adapters")

    def __post_init__(self) -> None:
        super().__post_init__()  # type: ignore[no-untyped-call]
        self.peft_type = MALORA
        if isinstance(self.target_modules, list):
            self.target_modules = set(self.target_modules)
        if isinstance(self.exclude_modules, list):
            self.exclude_modules = set(self.exclude_modules)
        self._check_sizes()
        self._check_choices()
        self._check_targets()

    def save_pretrained(self, save_directory: str, **kwargs: Any) -> None:
        """Write `adapter_config.json` as PEFT does, and say in the model card, where there is one, how to load it."""
        super().save_pretrained(save_directory, **kwargs)
        card = Path(save_directory) / "README.md"
        if card.is_file() and HEADING not in (text := card.read_text("utf-8")):
            write_text(card, f"{text.rstrip()}\n\n{LOADING}")

    def scale_of(self, r: int, alpha: float) -> float:
        """Return the scale of the adapter's answer for rank `r`: alpha / r, or alpha / sqrt(r) with `use_rslora`."""
        return alpha / math.sqrt(r) if self.use_rslora else alpha / r

    def _check_sizes(self) -> None:
        for name in ("r", "shared_rank", "num_experts", "top_k"):
            _whole(name, getattr(self, name))
        for pattern, rank in self.rank_pattern.items():
            _whole(f"rank_pattern[{pattern!r}]", rank)
        largest = max([self.r, *self.rank_pattern.values()])
        if largest > self.shared_rank:
            raise ConfigurationError(
                f"MaloraConfig: rank r = {largest} is above shared_rank = {self.shared_rank}.",
                cure="Experts read what S_A keeps: lower r or raise shared_rank.",
            )
        if self.top_k > self.num_experts:
            raise ConfigurationError(
                f"MaloraConfig: top_k = {self.top_k} is above num_experts = {self.num_experts}.",
                cure="Choose at most as many experts as there are.",
            )

    def _check_choices(self) -> None:
        _one_of("router_aux_loss_reduction", self.router_aux_loss_reduction, REDUCTIONS)
        _one_of("bias", self.bias, BIASES)
        if not isinstance(self.init_malora_weights, bool):
            _one_of("init_malora_weights", self.init_malora_weights, INITIALISATIONS)
        _between("lora_dropout", self.lora_dropout, 0.0, 1.0, open_above=True)
        _between("router_aux_loss_coef", self.router_aux_loss_coef, 0.0, math.inf)
        _between("router_init_std", self.router_init_std, 0.0, math.inf)
        if not (math.isfinite(self.beta) and self.beta > 0):
            raise ConfigurationError(
                f"MaloraConfig: beta = {self.beta} is not above 0.", cure="The paper takes 1.0."
            )

    def _check_targets(self) -> None:
        for name in ("layers_to_transform", "layers_pattern"):
            if isinstance(self.target_modules, str) and getattr(self, name) is not None:
                raise ConfigurationError(
                    f"MaloraConfig: {name} cannot be used when target_modules is a str ({self.target_modules!r}).",
                    cure="Give target_modules as a list of names.",
                )
        if self.layers_pattern and self.layers_to_transform is None:
            raise ConfigurationError(
                "MaloraConfig: layers_pattern is given without layers_to_transform.",
                cure="Say which layers, for example layers_to_transform=[15, 16].",
            )


def _whole(name: str, value: Any) -> None:
    if isinstance(value, bool) or not isinstance(value, int) or value < 1:
        raise ConfigurationError(
            f"MaloraConfig: {name} = {value!r} is not a whole number above 0.", cure="Give 1, 2, 3, ..."
        )


def _one_of(name: str, value: Any, known: tuple[str, ...]) -> None:
    if value not in known:
        raise ConfigurationError(
            f"MaloraConfig: {name} = {value!r} is unknown.", cure=nearest(str(value), known)
        )


def _between(name: str, value: float, low: float, high: float, *, open_above: bool = False) -> None:
    if not (low <= value <= high) or (open_above and value == high):
        raise ConfigurationError(
            f"MaloraConfig: {name} = {value} is outside {low} to {high}{' (excluded)' if open_above else ''}.",
            cure="Give a value in that range.",
        )
