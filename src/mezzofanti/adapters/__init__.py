"""MALoRA, a mixture of LoRA experts with a shared projection, as an adapter type of PEFT.

Importing this package registers it: from then on `peft.get_peft_model`, `PeftModel.from_pretrained`,
`AutoPeftModelForCausalLM` and TRL's trainers take a `MaloraConfig` as they take a `LoraConfig`.
"""

from __future__ import annotations

from mezzofanti.adapters.config import MaloraConfig
from mezzofanti.adapters.folding import Folded, fold
from mezzofanti.adapters.model import MaloraModel
from mezzofanti.adapters.registration import register_malora

__all__ = ["Folded", "MaloraConfig", "MaloraModel", "fold"]

register_malora()
