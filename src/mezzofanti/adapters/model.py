"""MALoRA and MoLoRA as PEFT sees them: where the adapted layers go in a model."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager
from typing import Any, NoReturn, cast

import torch
from peft.config import PeftConfig
from peft.tuners.tuners_utils import BaseTuner
from peft.utils import TRANSFORMERS_MODELS_TO_LORA_TARGET_MODULES_MAPPING
from peft.utils.error import NoMatchingPeftModuleError
from peft.utils.other import get_pattern_key
from torch import nn

from mezzofanti.adapters.layer import MixtureLayer
from mezzofanti.adapters.malora_layer import MaloraLayer
from mezzofanti.adapters.maps import refuse_merge
from mezzofanti.adapters.mixture_config import MixtureConfig
from mezzofanti.adapters.molora_layer import MoloraLayer
from mezzofanti.adapters.routing import RoutingContext, contexts_of
from mezzofanti.adapters.sharing import BlockRouter, block_of, refuse_other_tokens
from mezzofanti.adapters.targets import cure_for_no_target, linear_names
from mezzofanti.errors import ConfigurationError

__all__ = ["MaloraModel", "MixtureModel", "MoloraModel"]


class MixtureModel(BaseTuner):
    """Puts a mixture beside every targeted linear map. `MaloraModel` and `MoloraModel` say which."""

    tuner_layer_cls: type[MixtureLayer]
    target_module_mapping = TRANSFORMERS_MODELS_TO_LORA_TARGET_MODULES_MAPPING  # type: ignore[assignment]

    routing_context: RoutingContext

    def _pre_injection_hook(self, model: nn.Module, config: PeftConfig, adapter_name: str) -> None:
        found = contexts_of(model)
        if found:  # one a model, also where transformers makes a tuner for each adapter
            self.routing_context = found[0]
            return
        settings = getattr(model, "config", None)
        self.routing_context = RoutingContext(
            encoder_decoder=bool(getattr(settings, "is_encoder_decoder", False))
        )
        # on the body, not the head's owner: some callers leave the head out
        body = getattr(model, "base_model", model)
        self.routing_context.hook = body.register_forward_pre_hook(self.routing_context, with_kwargs=True)

    @contextmanager
    def _enable_peft_forward_hooks(self, *args: Any, **kwargs: Any) -> Iterator[None]:
        """Raise `ConfigurationError` for `adapter_names`, PEFT's way to have an adapter for each row of a batch."""
        if kwargs.get("adapter_names") is not None:
            raise ConfigurationError(
                f"adapter_names = {kwargs['adapter_names']}: {self.tuner_layer_cls.title} has no adapter for each row "
                "of a batch.",
                cure="Choose one with set_adapter and give it the rows that are its own.",
            )
        yield

    def inject_adapter(self, model: nn.Module, adapter_name: str, *args: Any, **kwargs: Any) -> None:
        """Put the adapter in; `ConfigurationError` where no module of the model is meant."""
        self._blocks: dict[str, BlockRouter] = {}
        try:
            super().inject_adapter(model, adapter_name, *args, **kwargs)
        except NoMatchingPeftModuleError as error:
            kind = type(self._config(adapter_name)).__name__
            cure = cure_for_no_target(self.model, self._config(adapter_name))
            raise ConfigurationError(f"{kind}: {error}", cure=cure) from None
        self._share_out_losses(adapter_name)

    def _prepare_adapter_config(self, peft_config: PeftConfig, model_config: dict[str, Any]) -> PeftConfig:
        kind = model_config["model_type"]
        if cast(MixtureConfig, peft_config).target_modules is None and kind not in self.target_module_mapping:
            names = ", ".join(linear_names(self.model)) or "none"
            raise ConfigurationError(
                f"{type(peft_config).__name__}: target_modules = None, and PEFT has no default for models of type "
                f"{kind!r}.",
                cure=f"Name some of the model's linear modules ({names}), or give target_modules='all-linear'.",
            )
        prepared: PeftConfig = super()._prepare_adapter_config(peft_config, model_config)
        return prepared

    def _share_out_losses(self, adapter_name: str) -> None:
        config = self._config(adapter_name)
        layers = [layer for layer in self._layers() if adapter_name in layer.routing]
        routers = sum(layer.has_router(adapter_name) for layer in layers)
        sharers = routers if config.router_aux_loss_reduction == "mean" else 1
        for layer in layers:
            layer.routing[adapter_name].balance = config.router_aux_loss_coef / sharers
            layer.routing[adapter_name].z_loss = config.router_z_loss_coef / sharers

    def _block(self, adapter_name: str, config: MixtureConfig, name: str) -> BlockRouter | None:
        block = block_of(name) if config.router_scope == "block" else None
        if block is None:
            return None
        kind = type(config).__name__
        refuse_other_tokens(kind, block, name)
        return self._blocks.setdefault(block, BlockRouter(kind, block, adapter_name))

    def _create_and_replace(
        self,
        peft_config: PeftConfig,
        adapter_name: str,
        target: nn.Module,
        target_name: str,
        parent: nn.Module,
        current_key: str,
        parameter_name: str | None = None,
    ) -> None:
        config = self._config(adapter_name)
        r = config.rank_pattern.get(get_pattern_key(list(config.rank_pattern), current_key), config.r)
        alpha_key = get_pattern_key(list(config.alpha_pattern), current_key)
        alpha = config.alpha_pattern.get(alpha_key, config.lora_alpha)
        block = self._block(adapter_name, config, current_key)
        if isinstance(target, self.tuner_layer_cls):
            target.update_layer(adapter_name, r, alpha, config, block)
            return
        layer = self.tuner_layer_cls(
            target, adapter_name, self.routing_context, config, r, alpha, current_key, block
        )
        if adapter_name not in self.active_adapters:
            layer.requires_grad_(False)
        self._replace_module(parent, target_name, layer, target)

    @classmethod
    def _remap_adapter_state_dict_for_load(
        cls,
        model: nn.Module,
        config: PeftConfig,
        adapter_name: str,
        state_dict: dict[str, torch.Tensor],
    ) -> dict[str, torch.Tensor]:
        """Take older files, too, in which the name of a weight has no `.weight` at its end."""
        bare = tuple(f".{name}" for name in cls.tuner_layer_cls.adapter_layer_names)
        named = {f"{key}.weight" if key.endswith(bare) else key: one for key, one in state_dict.items()}
        remapped: dict[str, torch.Tensor] = super()._remap_adapter_state_dict_for_load(
            model, config, adapter_name, named
        )
        return remapped

    def _check_merge_allowed(self) -> NoReturn:
        refuse_merge(self.tuner_layer_cls.title)

    def unload(self) -> nn.Module:
        """Return the base model without any adapter."""
        if self.routing_context.hook is not None:
            self.routing_context.hook.remove()
        model: nn.Module = super().unload()
        return model

    def load_balance(self) -> float | None:
        """Return the load-balance term of the last training pass, mean over the active routers: 1 is an even load."""
        active = set(self.active_adapters)
        terms = [
            term for layer in self._layers() for name, term in layer.load_balance.items() if name in active
        ]
        return torch.stack([term.cpu() for term in terms]).mean().item() if terms else None

    def _config(self, adapter_name: str) -> MixtureConfig:
        return cast(MixtureConfig, self.peft_config[adapter_name])

    def _layers(self) -> list[MixtureLayer]:
        return [module for module in self.model.modules() if isinstance(module, MixtureLayer)]


class MaloraModel(MixtureModel):
    """A model with MALoRA adapters. Made by `peft.get_peft_model`, not by hand."""

    prefix = "malora_"
    tuner_layer_cls = MaloraLayer


class MoloraModel(MixtureModel):
    """A model with MoLoRA adapters. Made by `peft.get_peft_model`, not by hand."""

    prefix = "molora_"
    tuner_layer_cls = MoloraLayer
