"""What every mixture of LoRA experts lets its user choose: `MaloraConfig` and `MoloraConfig` add what is their own.

Field names are PEFT's where PEFT has one, and transformers' where a mixture has one.
"""

from __future__ import annotations

import math
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any, ClassVar, Literal, NoReturn

from peft.config import PeftConfig

from mezzofanti.errors import ConfigurationError, nearest
from mezzofanti.files import write_text

__all__ = ["MethodName", "MixtureConfig"]

MIXINGS = ("dense", "sorted", "loop")
REDUCTIONS = ("mean", "sum")
SCOPES = ("linear", "block")
ALPHA_CURE = "The paper takes twice r."


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


@dataclass
class MixtureConfig(PeftConfig):
    """Settings that MALoRA and MoLoRA share. Use `MaloraConfig` or `MoloraConfig`.

    Args:
        r: Rank of one expert.
        num_experts: Experts N of one adapted map.
        top_k: Experts that answer for one token.
        lora_alpha: Numerator of the scale `lora_alpha / r`, as in LoRA: any number above 0. The paper takes twice r.
        lora_dropout: Dropout on what the experts read, as in LoRA. The router always reads the whole input.
        use_rslora: Divide `lora_alpha` by the root of r instead of r.
        norm_topk_prob: False (the paper): gates are the softmax probabilities as they are, so they sum to less than
            one. True: the chosen ones are scaled to sum to one, as in Mixtral.
        router_aux_loss_coef: Weight of the load-balance term N * sum_t f_t p_t, which is 1 where the load is even
            (Switch Transformer, Eq. 4). 0 turns it off. The paper says 0.001 in its text and 0.01 in its tables.
        router_aux_loss_reduction: "mean" divides that weight, and the next, by the number of routers; "sum" does not.
        router_z_loss_coef: Weight of the mean squared log-sum-exp of the router's logits, which keeps them small
            (ST-MoE, arXiv:2202.08906, Eq. 5; it takes 0.001). 0, as in the paper, turns it off.
        router_init_std: Standard deviation of the router's weights at the start.
        router_scope: "linear" (the paper): each adapted map has a router of its own. "block": one router for all
            adapted maps of one layer of the model; the map that is called first reads its own input with it, the
            others follow (see `sharing`).
        mixing: How the product is computed, with the same result: "dense", every expert for every token, then
            gated; "sorted", tokens sorted by expert and one grouped product; "loop", expert after expert.
        recompute_hidden: With "dense": compute the experts' hidden values again in the backward pass instead of
            keeping them, 2 * N * r numbers less for each token and map, for one more small product.
        target_modules: As in LoRA: names, a regular expression, or "all-linear". Left out: LoRA's default for the
            architecture. The paper adapts Q, K, V, Up, Down and Gate, not O.
        exclude_modules: As in LoRA.
        modules_to_save: As in LoRA: further modules that are trained whole and saved.
        layers_to_transform: As in LoRA: numbers of the layers to adapt. Needs `target_modules` as a list.
        layers_pattern: As in LoRA: name of the list of layers, where it is unusual.
        rank_pattern: As in LoRA: `r` by module name or regular expression.
        alpha_pattern: As in LoRA: `lora_alpha` by module name or regular expression.
        bias: "none", "all" or this method's own, such as "malora_only": which biases of the base are trained.
        trainable_token_indices: As in LoRA: rows of the embedding that are trained.
        requires_import: Written to `adapter_config.json` for whoever opens it: the import that lets PEFT load it.

    Raises:
        ConfigurationError: a value is out of range or two settings exclude each other.
    """

    method: ClassVar[MethodName]
    title: ClassVar[str]
    ablations: ClassVar[tuple[str, ...]] = ()

    r: int = field(default=8)
    num_experts: int = field(default=8)
    top_k: int = field(default=2)
    lora_alpha: int = field(default=16)
    lora_dropout: float = field(default=0.0)
    use_rslora: bool = field(default=False)
    norm_topk_prob: bool = field(default=False)
    router_aux_loss_coef: float = field(default=0.001)
    router_aux_loss_reduction: Literal["mean", "sum"] = field(default="mean")
    router_z_loss_coef: float = field(default=0.0)
    router_init_std: float = field(default=0.02)
    router_scope: Literal["linear", "block"] = field(default="linear")
    mixing: Literal["dense", "sorted", "loop"] = field(default="dense")
    recompute_hidden: bool = field(default=False)
    ablation: str | None = field(default=None)
    target_modules: list[str] | set[str] | str | None = field(default=None)
    exclude_modules: list[str] | set[str] | str | None = field(default=None)
    modules_to_save: list[str] | None = field(default=None)
    layers_to_transform: list[int] | int | None = field(default=None)
    layers_pattern: list[str] | str | None = field(default=None)
    rank_pattern: dict[str, int] = field(default_factory=dict)
    alpha_pattern: dict[str, int] = field(default_factory=dict)
    bias: str = field(default="none")
    trainable_token_indices: list[int] | dict[str, list[int]] | None = field(default=None)
    requires_import: str = field(default="mezzofanti.adapters")

    def __post_init__(self) -> None:
        super().__post_init__()  # type: ignore[no-untyped-call]
        self.peft_type = self.method
        if isinstance(self.target_modules, list):
            self.target_modules = set(self.target_modules)
        if isinstance(self.exclude_modules, list):
            self.exclude_modules = set(self.exclude_modules)
        self._check_patterns()
        self._check_sizes()
        self._check_choices()
        self._check_targets()

    def save_pretrained(self, save_directory: str, **kwargs: Any) -> None:
        """Write `adapter_config.json` as PEFT does, and say in the model card, where there is one, how to load it."""
        super().save_pretrained(save_directory, **kwargs)
        card = Path(save_directory) / "README.md"
        heading = f"## Loading this {self.title} adapter"
        if card.is_file() and heading not in (text := card.read_text("utf-8")):
            write_text(card, f"{text.rstrip()}\n\n{heading}\n\n{_loading(self.title, self.method)}")

    def scale_of(self, r: int, alpha: float) -> float:
        """Return the scale of the adapter's answer for rank `r`: alpha / r, or alpha / sqrt(r) with `use_rslora`."""
        return alpha / math.sqrt(r) if self.use_rslora else alpha / r

    def frozen_weights(self) -> tuple[str, ...]:
        """Return the names of the adapter's weights that an ablation keeps as they were drawn."""
        return ()

    def _check_patterns(self) -> None:
        for name, example in (("rank_pattern", 4), ("alpha_pattern", 8)):
            value = getattr(self, name)
            if value is None:
                setattr(self, name, {})
            elif not isinstance(value, dict):
                self._refuse(
                    f"{name} = {value!r} is not a dictionary.",
                    cure=f"Give numbers by module name or regular expression: {name}={{'q_proj': {example}}}.",
                )

    def _check_sizes(self) -> None:
        for name in ("r", "num_experts", "top_k"):
            self._whole(name, getattr(self, name))
        for pattern, rank in self.rank_pattern.items():
            self._whole(f"rank_pattern[{pattern!r}]", rank)
        self._above_zero("lora_alpha", self.lora_alpha, cure=ALPHA_CURE)
        for pattern, alpha in self.alpha_pattern.items():
            self._above_zero(f"alpha_pattern[{pattern!r}]", alpha, cure=ALPHA_CURE)
        if self.top_k > self.num_experts:
            self._refuse(
                f"top_k = {self.top_k} is above num_experts = {self.num_experts}.",
                cure="Choose at most as many experts as there are.",
            )

    def _check_choices(self) -> None:
        for name in ("use_rslora", "norm_topk_prob", "recompute_hidden"):
            self._true_or_false(name)
        self._one_of("router_aux_loss_reduction", REDUCTIONS)
        self._one_of("router_scope", SCOPES)
        self._one_of("mixing", MIXINGS)
        self._one_of("bias", ("none", "all", f"{self.method.value.lower()}_only"))
        if self.ablation is not None:
            self._one_of("ablation", self.ablations)
        self._between("lora_dropout", 0.0, 1.0, open_above=True)
        for name in ("router_aux_loss_coef", "router_z_loss_coef", "router_init_std"):
            self._between(name, 0.0, math.inf, open_above=True)
        if self.recompute_hidden and self.mixing != "dense":
            self._refuse(
                f"recompute_hidden = True goes with mixing = 'dense', not with {self.mixing!r}.",
                cure="Leave one of the two out.",
            )

    def _check_targets(self) -> None:
        for name in ("layers_to_transform", "layers_pattern"):
            if isinstance(self.target_modules, str) and getattr(self, name) is not None:
                self._refuse(
                    f"{name} cannot be used when target_modules is a str ({self.target_modules!r}).",
                    cure="Give target_modules as a list of names.",
                )
        if self.layers_pattern and self.layers_to_transform is None:
            self._refuse(
                "layers_pattern is given without layers_to_transform.",
                cure="Say which layers, for example layers_to_transform=[15, 16].",
            )

    def _whole(self, name: str, value: Any) -> None:
        if isinstance(value, bool) or not isinstance(value, int) or value < 1:
            self._refuse(f"{name} = {value!r} is not a whole number above 0.", cure="Give 1, 2, 3, ...")

    def _above_zero(self, name: str, value: Any, *, cure: str) -> None:
        if not (_is_number(value) and math.isfinite(value) and value > 0):
            self._refuse(f"{name} = {value!r} is not a finite number above 0.", cure=cure)

    def _one_of(self, name: str, known: tuple[str, ...]) -> None:
        value = getattr(self, name)
        if value not in known:
            self._refuse(f"{name} = {value!r} is unknown.", cure=nearest(str(value), known))

    def _true_or_false(self, name: str) -> None:
        value = getattr(self, name)
        if not isinstance(value, bool):
            self._refuse(
                f"{name} = {value!r} is neither True nor False.", cure="Give True or False, without quotes."
            )

    def _between(self, name: str, low: float, high: float, *, open_above: bool = False) -> None:
        value = getattr(self, name)
        if not _is_number(value) or not (low <= value <= high) or (open_above and value == high):
            self._refuse(
                f"{name} = {value!r} is outside {low} to {high}{' (excluded)' if open_above else ''}.",
                cure="Give a value in that range.",
            )

    def _refuse(self, message: str, *, cure: str) -> NoReturn:
        raise ConfigurationError(f"{type(self).__name__}: {message}", cure=cure)


def _is_number(value: Any) -> bool:
    return isinstance(value, int | float) and not isinstance(value, bool)


def _loading(title: str, method: MethodName) -> str:
    return f"""\
PEFT learns what a {title} adapter is from one import; without it, loading ends in `KeyError: '{method.value}'`.

```python
import mezzofanti.adapters  # registers {title} with PEFT
```
"""
