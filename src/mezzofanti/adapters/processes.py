"""Whether the tokens of a step are spread over several processes."""

from __future__ import annotations

from typing import Any

from torch import distributed

__all__ = ["spread"]


def spread(group: Any = None) -> bool:
    """Say whether several processes work together, all or those of `group`."""
    ready = distributed.is_available() and distributed.is_initialized()
    return ready and distributed.get_world_size(group) > 1
