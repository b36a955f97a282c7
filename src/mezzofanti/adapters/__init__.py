"""MALoRA, a mixture of LoRA experts with a shared projection, and MoLoRA, one without, as adapter types of PEFT.

Importing this package registers them: from then on `peft.get_peft_model`, `PeftModel.from_pretrained`,
`AutoPeftModelForCausalLM` and TRL's trainers take a `MaloraConfig` or a `MoloraConfig` as they take a
`LoraConfig`.
"""

from __future__ import annotations

from mezzofanti.adapters.callbacks import ScaleRouting
from mezzofanti.adapters.config import MaloraConfig
from mezzofanti.adapters.folding import Folded, fold
from mezzofanti.adapters.learning_rates import learning_rate_groups
from mezzofanti.adapters.model import MaloraModel, MoloraModel
from mezzofanti.adapters.molora_config import MoloraConfig
from mezzofanti.adapters.registration import register_malora, register_molora
from mezzofanti.adapters.telemetry import RoutingTelemetry, measure_routing

__all__ = [
    "Folded",
    "MaloraConfig",
    "MaloraModel",
    "MoloraConfig",
    "MoloraModel",
    "RoutingTelemetry",
    "ScaleRouting",
    "fold",
    "learning_rate_groups",
    "measure_routing",
]

register_malora()
register_molora()
