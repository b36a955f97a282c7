"""What a user chooses for MALoRA.

Source: MALoRA, arXiv:2410.22782v1, sections 3 and 4 and tables 3, 8 and 9.
"""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import Any, ClassVar, Literal

from mezzofanti.adapters.mixture_config import MethodName, MixtureConfig
from mezzofanti.adapters.presets import preset_settings

__all__ = ["MALORA", "MaloraConfig", "MethodName"]

INITIALISATIONS = ("svd", "qr")
MALORA = MethodName("MALORA")


@dataclass
class MaloraConfig(MixtureConfig):
    """Settings of a MALoRA adapter, for `peft.get_peft_model`, TRL's `peft_config=` and the like.

    Every adapted linear map W (m x n) answers y = W x + (alpha / r) * sum_t G_t(x) B_t P_t S_A x, where S_A (d x n)
    is shared by the N experts of that map, P_t (r x d) and B_t (m x r) belong to expert t, and G(x) holds the
    softmax probabilities of the `top_k` chosen experts and zeros elsewhere (Eq. 3-7 of the paper).

    Args:
        r: Rank of one expert (the paper's expanded rank). At most `shared_rank`.
        shared_rank: Rows d of the shared projection S_A. At most the input width of every adapted map. The paper
            spends a budget: from N experts of rank r0 it makes d = r0 * N / 2 and r = 1.5 * r0 (`from_budget`).
        beta: S_A is multiplied and every P_t divided by it at the start (Eq. 9-10). Under Adam a larger beta lets
            the P_t learn relatively faster than S_A; `learning_rate_groups` says the same in two rates.
        init_malora_weights: "svd" or True: Eq. 8-10. "qr": the same row norms from a QR decomposition, P_t
            triangular. False: the adapter is not the identity at the start (for tests).
        ablation: One row of the paper's Table 3. "fixed-S_A": S_A stays as drawn. "frozen-P": so do the P_t.
            "no-sharing": each expert has d / N rows of S_A to itself. "decompose-B": B is shared and A is not,
            Delta W_t = S_B P_t A_t with S_B (m x d), P_t (d x r), A_t (r x n).

    The other settings are those of `MixtureConfig`.

    Raises:
        ConfigurationError: a value is out of range or two settings exclude each other.
    """

    method: ClassVar[MethodName] = MALORA
    title: ClassVar[str] = "MALoRA"
    ablations: ClassVar[tuple[str, ...]] = ("fixed-S_A", "frozen-P", "no-sharing", "decompose-B")

    r: int = field(default=12)
    lora_alpha: int = field(default=24)
    shared_rank: int = field(default=32)
    beta: float = field(default=1.0)
    init_malora_weights: bool | Literal["svd", "qr"] = field(default=True)

    @classmethod
    def from_budget(
        cls,
        base_rank: int = 8,
        num_experts: int = 8,
        budget: float = 0.5,
        *,
        expand: bool = True,
        **more: Any,
    ) -> MaloraConfig:
        """Return the settings that spend the parameters of `num_experts` experts of rank `base_rank` as MALoRA does.

        d = budget * base_rank * num_experts rows are shared, and what that saves goes to the experts' B:
        r = base_rank + (1 - budget) * base_rank (section 3.3 of the paper), rounded to whole numbers. The default
        gives the paper's d = 32, r = 12. `expand=False` keeps r = base_rank, as the paper's "Small" does. That one has
        d = 22, and a budget of 1/3 is rounded to 21: take 11/32, or `preset("small")`.

        Args:
            base_rank: Rank r0 of an expert of the MoLoRA that is spent.
            num_experts: Experts N.
            budget: Share lambda of the down-projections that is kept, above 0 and at most 1.
            expand: Whether the experts' rank grows by what is saved.
            more: Any other setting. `lora_alpha` is twice r unless it is given.

        Raises:
            ConfigurationError: the budget is out of range, or leaves S_A fewer rows than an expert has.
        """
        cls._check_budget(base_rank, num_experts, budget)
        rank = round(base_rank * (2.0 - budget)) if expand else base_rank
        shared_rank = round(budget * base_rank * num_experts)
        sizes = {"r": rank, "shared_rank": shared_rank, "num_experts": num_experts, "lora_alpha": 2 * rank}
        return cls(**{**sizes, **more})

    @classmethod
    def preset(cls, name: str, **more: Any) -> MaloraConfig:
        """Return the settings of the paper under `name` (see `presets`), `more` put over them.

        Raises:
            ConfigurationError: there is no such preset.
        """
        return cls(**{**preset_settings(cls.__name__, name), **more})

    def frozen_weights(self) -> tuple[str, ...]:
        """Return the names of the adapter's weights that an ablation keeps as they were drawn."""
        return {"fixed-S_A": ("malora_S",), "frozen-P": ("malora_P",)}.get(self.ablation or "", ())

    def _check_sizes(self) -> None:
        super()._check_sizes()
        self._whole("shared_rank", self.shared_rank)
        if self.ablation == "no-sharing" and self.shared_rank % self.num_experts:
            self._refuse(
                f"shared_rank = {self.shared_rank} does not divide among num_experts = {self.num_experts}, as"
                " ablation = 'no-sharing' asks.",
                cure="Take a multiple.",
            )
        self.check_rank(self.r)

    def check_rank(self, rank: int) -> None:
        """Raise `ConfigurationError` where a map's rank, from `r` or `rank_pattern`, is above `shared_rank`.

        Each adapted map asks: an entry of `rank_pattern` that matches none is PEFT's to warn of.
        """
        if self.ablation == "no-sharing" or rank <= self.shared_rank:
            return
        entries = [f"rank_pattern[{name!r}]" for name, value in self.rank_pattern.items() if value == rank]
        field = "rank r" if rank == self.r or not entries else " and ".join(entries)
        self._refuse(
            f"{field} = {rank} is above shared_rank = {self.shared_rank}.",
            cure="Experts read what S_A keeps: lower the rank or raise shared_rank.",
        )

    def _check_choices(self) -> None:
        super()._check_choices()
        if not isinstance(self.init_malora_weights, bool):
            self._one_of("init_malora_weights", INITIALISATIONS)
        self._above_zero("beta", self.beta, cure="The paper takes 1.0.")

    @classmethod
    def _check_budget(cls, base_rank: int, num_experts: int, budget: float) -> None:
        probe = cls(r=1, shared_rank=1, num_experts=1, top_k=1)
        probe._whole("base_rank", base_rank)
        probe._whole("num_experts", num_experts)
        if not 0.0 < budget <= 1.0:
            probe._refuse(f"budget = {budget} is not above 0 and at most 1.", cure="The paper takes 0.5.")
