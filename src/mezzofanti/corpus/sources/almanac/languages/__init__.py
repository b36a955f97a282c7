"""The languages of the almanac: one file each, found by its name. A further language is one further file."""

from __future__ import annotations

import importlib
import pkgutil
from functools import cache

from mezzofanti.corpus.sources.almanac.language import Language
from mezzofanti.errors import ConfigurationError, nearest

__all__ = ["LANGUAGES", "load"]

_FIRST = ("en", "fr", "es", "de", "it", "ru", "zh")


def _order(code: str) -> tuple[int, str]:
    return (_FIRST.index(code) if code in _FIRST else len(_FIRST), code)


LANGUAGES: tuple[str, ...] = tuple(
    sorted((found.name for found in pkgutil.iter_modules(__path__)), key=_order)
)


@cache
def load(code: str) -> Language:
    """Return the language of `code`; `ConfigurationError` names the nearest one for an unknown code."""
    if code not in LANGUAGES:
        raise ConfigurationError(f"The almanac has no language {code!r}.", cure=nearest(code, LANGUAGES))
    module = importlib.import_module(f"{__name__}.{code}")
    language: Language = module.LANGUAGE
    return language
