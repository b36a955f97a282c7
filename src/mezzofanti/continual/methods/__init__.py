"""Methods against forgetting, and what they are compared with: one file a method.

Names resolve on first use, so that naming a method in a recipe loads no torch.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from mezzofanti.errors import ConfigurationError, nearest
from mezzofanti.lazy import lazy

if TYPE_CHECKING:
    from mezzofanti.continual.methods.base import Method
    from mezzofanti.continual.methods.joint import Joint
    from mezzofanti.continual.methods.recurrent_kif import RecurrentKIF
    from mezzofanti.continual.methods.replay import Replay
    from mezzofanti.continual.methods.sequential import Sequential

__all__ = ["METHODS", "Joint", "Method", "RecurrentKIF", "Replay", "Sequential", "create"]

METHODS = {"sequential": "Sequential", "replay": "Replay", "recurrent-kif": "RecurrentKIF", "joint": "Joint"}

_HOMES = {"Method": "base", **{cls: key.replace("-", "_") for key, cls in METHODS.items()}}

__getattr__, __dir__ = lazy(__name__, _HOMES)


def create(settings: dict[str, Any]) -> Method:
    """Make a method from its settings: `{"type": "recurrent-kif", "quantile": 0.8}`.

    Raises `ConfigurationError` for an unknown type or setting, with the nearest known name.
    """
    options = dict(settings)
    kind = options.pop("type", None)
    if not isinstance(kind, str) or kind not in METHODS:
        raise ConfigurationError(f"There is no method {kind!r}.", cure=nearest(str(kind), METHODS))
    cls = __getattr__(METHODS[kind])
    known = [name for name in cls().settings if name != "type"]
    for name in options:
        if name not in known:
            cure = nearest(str(name), known) if known else "It has no settings."
            raise ConfigurationError(f"method {kind}: there is no setting {name!r}.", cure=cure)
    made: Method = cls(**options)
    return made
