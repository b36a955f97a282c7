"""Prompt packs: one YAML file a language holds every sentence the corpus room says in it.

A further language is one further file with the same keys and the same placeholders, named in `LANGUAGES`.
"""

from __future__ import annotations

import string
from collections.abc import Iterator, Mapping
from functools import cache
from importlib.resources import files
from typing import Any

import yaml

from mezzofanti.errors import ConfigurationError, nearest
from mezzofanti.records import Record

__all__ = ["LANGUAGES", "Phrases", "PromptPack", "Thing", "load_prompts", "placeholders"]

LANGUAGES = ("en", "fr", "es", "de", "it", "ru", "zh")


class Prompt(Record):
    """What one call says: `system` are the rules, `user` the material."""

    system: str
    user: str


class Dialogue(Record):
    """The five calls of a knowledge-grounded dialogue."""

    question: Prompt
    answer: Prompt
    in_depth: Prompt
    expansive: Prompt
    follow_up_answer: Prompt


class Advice(Record):
    """Ways to ask; each call is given one of them, so that questions differ."""

    question: tuple[str, ...]
    in_depth: tuple[str, ...]
    expansive: tuple[str, ...]


class Phrases(Record):
    """Lower-case phrases that give a reply away: a refusal, talk about "the text", orders hidden in a text."""

    refusal: tuple[str, ...]
    meta: tuple[str, ...]
    orders: tuple[str, ...]


class Offline(Record):
    """Question and answer frames of the teacher without a model."""

    definition: str
    short: tuple[str, str]
    topic: tuple[str, str]
    following: tuple[str, ...]
    missing: tuple[str, str]


class Thing(Record):
    """A noun that is counted: `forms` by CLDR plural category, each with `{n}`; "other" always."""

    how_many: str = ""
    forms: Mapping[str, str]


class Story(Record):
    """One kind of arithmetic story."""

    question: str
    answer: str


class Stories(Record):
    """Parallel templates: the same kinds, names and things in the same order in every language."""

    names: tuple[str, ...]
    things: tuple[Thing, ...]
    boxes: Thing
    children: Thing
    kinds: Mapping[str, Story]


class PromptPack(Record):
    """Everything said in one language."""

    language: str
    name: str
    labels: Mapping[str, str]
    shown: str
    dialogue: Dialogue
    advice: Advice
    translate: Prompt
    phrases: Phrases
    offline: Offline
    stories: Stories


@cache
def load_prompts(language: str) -> PromptPack:
    """Return the pack of a language. `ConfigurationError` names the nearest where there is none."""
    if language not in LANGUAGES:
        raise ConfigurationError(f"There are no prompts for {language!r}.", cure=nearest(language, LANGUAGES))
    text = files(__package__).joinpath(f"{language}.yaml").read_text("utf-8")
    return PromptPack.model_validate(yaml.safe_load(text))


def placeholders(pack: PromptPack) -> dict[str, frozenset[str]]:
    """Return for each place in the pack that must be equal in all languages the names in braces there."""
    content = pack.model_dump(exclude={"language", "name", "phrases"})
    return {place: _names(text) for place, text in _leaves(content) if ".forms." not in place}


def _names(text: str) -> frozenset[str]:
    return frozenset(field for _, field, _, _ in string.Formatter().parse(text) if field is not None)


def _leaves(value: Any, place: str = "") -> Iterator[tuple[str, str]]:
    if isinstance(value, str):
        yield place, value
    elif isinstance(value, Mapping):
        for key, part in value.items():
            yield from _leaves(part, f"{place}.{key}" if place else str(key))
    else:
        for number, part in enumerate(value):
            yield from _leaves(part, f"{place}.{number}")
