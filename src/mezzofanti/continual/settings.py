"""The settings of a learner, under the names PEFT and transformers give them."""

from __future__ import annotations

from typing import Any, Literal

from pydantic import Field, model_validator

from mezzofanti.errors import ConfigurationError
from mezzofanti.records import Record

__all__ = ["AdapterSettings", "TrainingSettings"]

Scheduler = Literal[
    "linear",
    "cosine",
    "cosine_with_restarts",
    "polynomial",
    "constant",
    "constant_with_warmup",
    "inverse_sqrt",
]

MIXTURES = ("malora", "molora")


class TrainingSettings(Record):
    """How one task is trained and examined. Names are `transformers.TrainingArguments`', but for four.

    `max_length` is in tokens: longer rows are left out whole and counted. `padding_free` is TRL's: the rows of a batch
    lie in one sequence. `dtype` is the base's; "auto" takes bfloat16 where the machine is fast at it.
    `max_new_tokens` bounds an exam answer, `per_device_eval_batch_size` the questions answered at once. `max_steps`
    counts optimizer steps of one task, outer ones not included.
    """

    learning_rate: float = Field(2e-3, gt=0)
    max_steps: int = Field(80, ge=1)
    per_device_train_batch_size: int = Field(8, ge=1)
    lr_scheduler_type: Scheduler = "linear"
    warmup_steps: int = Field(5, ge=0)
    weight_decay: float = Field(0.0, ge=0)
    max_grad_norm: float = Field(1.0, ge=0)
    save_steps: int = Field(20, ge=1)
    logging_steps: int = Field(10, ge=1)
    max_length: int = Field(512, ge=8)
    padding_free: bool = False
    dtype: Literal["auto", "bfloat16", "float32"] = "auto"
    max_new_tokens: int = Field(48, ge=1)
    per_device_eval_batch_size: int = Field(60, ge=1)


class AdapterSettings(Record):
    """Which adapter, on which layers; `r`, `lora_alpha`, `lora_dropout` are PEFT's.

    `layers`: "upper-half" adapts the upper half of the layers alone, so that backward stops half-way down.
    `num_experts` and `top_k` are MALoRA's and MoLoRA's, where `r` is one expert's rank; `shared_rank` is MALoRA's, and
    `r` is at most that.
    """

    type: Literal["lora", "malora", "molora"] = "lora"
    r: int = Field(16, ge=1)
    lora_alpha: int = Field(32, ge=1)
    lora_dropout: float = Field(0.0, ge=0, lt=1)
    layers: Literal["all", "upper-half"] = "all"
    num_experts: int = Field(4, ge=2)
    top_k: int = Field(2, ge=1)
    shared_rank: int = Field(12, ge=1)

    @model_validator(mode="before")
    @classmethod
    def _malora_defaults(cls, given: Any) -> Any:
        # four experts of rank 4, over a shared rank of 12 or alone, have as many parameters as LoRA of rank 16
        mixture = isinstance(given, dict) and given.get("type") in MIXTURES
        return {"r": 4, "lora_alpha": 8, **given} if mixture else given

    @model_validator(mode="after")
    def _fit(self) -> AdapterSettings:
        if self.routed and self.top_k > self.num_experts:
            raise ValueError(f"top_k ({self.top_k}) is above num_experts ({self.num_experts})")
        if self.type == "malora" and self.r > self.shared_rank:
            raise ValueError(
                f"r ({self.r}) is above shared_rank ({self.shared_rank}): experts read what it keeps"
            )
        return self

    @property
    def routed(self) -> bool:
        """Whether the adapter has routers."""
        return self.type in MIXTURES

    def build(self, model: Any) -> Any:
        """The PEFT config for `model`: every linear layer but the head.

        Raises `ConfigurationError` where the model has none, or where MALoRA's ranks do not fit each other.
        """
        layers = list(range(model.config.num_hidden_layers))
        chosen = layers[len(layers) // 2 :] if self.layers == "upper-half" else None
        common: dict[str, Any] = {
            "task_type": "CAUSAL_LM",
            "r": self.r,
            "lora_alpha": self.lora_alpha,
            "lora_dropout": self.lora_dropout,
            # PEFT takes "all-linear" or a choice of layers, not both
            "target_modules": _linear_names(model) if chosen is not None else "all-linear",
            "layers_to_transform": chosen,
        }
        if self.type == "lora":
            from peft import LoraConfig

            return LoraConfig(**common)
        from mezzofanti.adapters import MaloraConfig, MoloraConfig

        experts: dict[str, Any] = {"num_experts": self.num_experts, "top_k": self.top_k}
        if self.type == "molora":
            return MoloraConfig(**common, **experts)
        return MaloraConfig(**common, **experts, shared_rank=self.shared_rank)


def _linear_names(model: Any) -> list[str]:
    import torch

    head = model.get_output_embeddings()
    names = {
        name.rsplit(".", 1)[-1]
        for name, module in model.named_modules()
        if isinstance(module, torch.nn.Linear) and module is not head
    }
    if not names:
        raise ConfigurationError("The base has no linear layers to adapt.", cure="Use a transformer base.")
    return sorted(names)
