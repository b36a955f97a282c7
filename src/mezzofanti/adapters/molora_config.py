"""What a user chooses for MoLoRA, the mixture of whole LoRA experts that MALoRA is compared with.

Source: section 2 of MALoRA, arXiv:2410.22782v1 (Eq. 3-5), and its tables 3, 8 and 9.
"""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import Any, ClassVar

from mezzofanti.adapters.mixture_config import MethodName, MixtureConfig
from mezzofanti.adapters.presets import preset_settings

__all__ = ["MOLORA", "MoloraConfig"]

MOLORA = MethodName("MOLORA")


@dataclass
class MoloraConfig(MixtureConfig):
    """Settings of a MoLoRA adapter: N whole LoRA experts beside each map, and a router that chooses among them.

    Every adapted linear map W (m x n) answers y = W x + (alpha / r) * sum_t G_t(x) B_t A_t x, with A_t (r x n) and
    B_t (m x r) of expert t alone, and G(x) as in MALoRA (Eq. 3-5 of the paper).

    Args:
        r: Rank of one expert, at most the input width of every adapted map.
        init_molora_weights: True: A as LoRA draws it, B zero. False: B random as well (for tests).
        ablation: "same-A": all A_t start alike, as in a row of the paper's Table 3. "fixed-shared-A": one A (r x n)
            for all experts, which stays as drawn: the paper's MoAsyLoRA.

    The other settings are those of `MixtureConfig`.

    Raises:
        ConfigurationError: a value is out of range or two settings exclude each other.
    """

    method: ClassVar[MethodName] = MOLORA
    title: ClassVar[str] = "MoLoRA"
    ablations: ClassVar[tuple[str, ...]] = ("same-A", "fixed-shared-A")

    init_molora_weights: bool = field(default=True)

    @classmethod
    def preset(cls, name: str, **more: Any) -> MoloraConfig:
        """Return the settings of the paper under `name` (see `presets`), `more` put over them.

        Raises:
            ConfigurationError: there is no such preset.
        """
        return cls(**{**preset_settings(cls.__name__, name), **more})

    def frozen_weights(self) -> tuple[str, ...]:
        """Return the names of the adapter's weights that an ablation keeps as they were drawn."""
        return ("molora_A",) if self.ablation == "fixed-shared-A" else ()

    def _check_choices(self) -> None:
        super()._check_choices()
        self._true_or_false("init_molora_weights")
