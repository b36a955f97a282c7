"""The languages of the almanac: one YAML file each, found by its name. A further language is a further file."""

from __future__ import annotations

from collections.abc import Mapping
from functools import cache
from importlib import resources

import yaml
from pydantic import ValidationError

from mezzofanti.corpus.sources.almanac.language import Language
from mezzofanti.corpus.sources.almanac.skills import ALL
from mezzofanti.corpus.sources.almanac.specification import Specification
from mezzofanti.corpus.sources.almanac.topics import TOPICS
from mezzofanti.errors import ConfigurationError, DataError, nearest

__all__ = ["LANGUAGES", "load", "parse"]

_FIRST = ("en", "fr", "es", "de", "it", "ru", "zh")


def _order(code: str) -> tuple[int, str]:
    return (_FIRST.index(code) if code in _FIRST else len(_FIRST), code)


_folder = resources.files(__name__)
_codes = (file.name[: -len(".yaml")] for file in _folder.iterdir() if file.name.endswith(".yaml"))
LANGUAGES: tuple[str, ...] = tuple(sorted(_codes, key=_order))


@cache
def load(code: str) -> Language:
    """Return the language of `code`.

    Raises:
        ConfigurationError: for a code that has no file; the cure names the nearest one.
        DataError: when the file does not say what a language must say.
    """
    if code not in LANGUAGES:
        raise ConfigurationError(f"The almanac has no language {code!r}.", cure=nearest(code, LANGUAGES))
    return parse(code, (_folder / f"{code}.yaml").read_text("utf-8"))


def parse(code: str, text: str) -> Language:
    """Read a language from the text of its file."""
    try:
        said = Specification.model_validate(yaml.load(text, Loader=_LOADER))
    except (yaml.YAMLError, ValidationError) as error:
        reason = "; ".join(str(error).splitlines()[:3])
        raise DataError(f"{code}.yaml does not describe a language: {reason}.", cure="See en.yaml.") from None
    language = Language(code, said)
    _check(language)
    return language


def _check(language: Language) -> None:
    """Raise `DataError` unless every skill and topic is worded, with placeholders that exist."""
    said = language.said
    worded = [(f"phrasings.{name}", name in said.phrasings) for name in ALL]
    worded += [(f"articles.{name}", name in said.articles) for name in TOPICS]
    missing = [place for place, present in worded if not present]
    if missing:
        raise DataError(f"{language.code}.yaml does not say {', '.join(missing)}.", cure="See en.yaml.")
    for name, skill in ALL.items():
        fields = skill.fields(language, skill.arguments()[0])
        for phrasing in said.phrasings[name].seen + said.phrasings[name].unseen:
            _fill(f"{language.code}.yaml, phrasings.{name}", phrasing, fields)


def _fill(place: str, template: str, fields: Mapping[str, str]) -> None:
    try:
        template.format(**fields)
    except (KeyError, IndexError, ValueError):
        known = ", ".join(f"{{{field}}}" for field in fields)
        raise DataError(
            f"{place}: {template!r} cannot be filled in.", cure=f"Placeholders: {known}."
        ) from None


_LOADER = getattr(yaml, "CSafeLoader", yaml.SafeLoader)
