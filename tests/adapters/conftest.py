"""Small MALoRA settings and adapted models for the tests of this room."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import pytest

HERE = Path(__file__).parent

# Said by released versions of PEFT and transformers about each other, whatever the adapter type.
KNOWN = ("ignore:.*will be removed in v6:FutureWarning",)


def pytest_collection_modifyitems(items: list[pytest.Item]) -> None:
    """Let the known remarks of other libraries pass, in this folder only."""
    for item in items:
        if HERE in item.path.parents:
            for warning in KNOWN:
                item.add_marker(pytest.mark.filterwarnings(warning))


@pytest.fixture
def small() -> dict[str, Any]:
    """Settings that fit the tiny model."""
    return {
        "task_type": "CAUSAL_LM",
        "r": 4,
        "shared_rank": 6,
        "num_experts": 4,
        "top_k": 2,
        "lora_alpha": 8,
        "target_modules": ["q_proj", "v_proj", "down_proj"],
    }


@pytest.fixture
def adapted(tiny_model: Any, small: dict[str, Any]) -> Any:
    """The tiny model with an adapter whose B is random, so that it changes the answer."""
    import torch
    from peft import get_peft_model

    from mezzofanti.adapters import MaloraConfig

    torch.manual_seed(1)
    return get_peft_model(tiny_model, MaloraConfig(**small, init_malora_weights=False))


@pytest.fixture
def tokens() -> Any:
    """Token numbers for the tiny model, shape (3, 9)."""
    import torch

    return torch.randint(4, 260, (3, 9), generator=torch.Generator().manual_seed(0))
