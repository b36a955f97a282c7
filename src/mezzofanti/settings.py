"""Settings from YAML: read safely, checked by a frozen model, and a mistake explained in one line."""

from __future__ import annotations

import types
from collections.abc import Iterator
from pathlib import Path
from typing import Any, Literal, TypeVar, get_args, get_origin

import yaml
from pydantic import BaseModel, ValidationError

from mezzofanti.errors import ConfigurationError, nearest

__all__ = ["known_keys", "read_yaml", "validated"]

Model = TypeVar("Model", bound=BaseModel)
Kind = type[BaseModel]


def read_yaml(path: Path | str) -> Any:
    """Read one YAML file, safely. `ConfigurationError` where it is absent or is not YAML."""
    path = Path(path)
    if not path.is_file():
        raise ConfigurationError(f"There is no recipe {path}.", cure="Check the path.")
    try:
        return yaml.safe_load(path.read_text("utf-8"))
    except (yaml.YAMLError, UnicodeDecodeError) as error:
        raise ConfigurationError(
            f"{path} is not valid YAML ({' '.join(str(error).split())[:200]}).", cure="Mend it."
        ) from None


def validated(model: type[Model], content: Any, where: str) -> Model:
    """Check `content` against `model`. `ConfigurationError` names the key, what was wrong and the nearest name."""
    if not isinstance(content, dict):
        raise ConfigurationError(f"{where} holds no mapping.", cure="Write 'key: value' lines.")
    try:
        return model.model_validate(content)
    except ValidationError as error:
        raise _explained(error, model, where) from None


def _explained(error: ValidationError, model: Kind, where: str) -> ConfigurationError:
    # a misspelled key also leaves the right one missing: the misspelling is what the user can see
    problem = min(error.errors(include_url=False), key=lambda found: found["type"] != "extra_forbidden")
    place = ".".join(str(part) for part in problem["loc"])
    if problem["type"] == "extra_forbidden":
        known = known_keys(model, problem["loc"][:-1])
        return ConfigurationError(
            f"{where}: unknown key {place!r}.", cure=nearest(str(problem["loc"][-1]), known)
        )
    if problem["type"] == "missing":
        return ConfigurationError(f"{where}: {place!r} is missing.", cure="Add it.")
    if problem["type"] == "union_tag_not_found":
        key = problem["ctx"]["discriminator"].strip("'")
        return ConfigurationError(
            f"{where}: {place!r} does not say its {key!r}.", cure=f"Add '{key}:' to it."
        )
    if problem["type"] == "union_tag_invalid":
        context = problem["ctx"]
        tags = [tag.strip(" '") for tag in context["expected_tags"].split(",")]
        return ConfigurationError(
            f"{where}: {place!r} has no kind {context['tag']!r}.", cure=nearest(context["tag"], tags)
        )
    message = problem["msg"].removeprefix("Value error, ").rstrip(".")
    label = f" {place!r}:" if place else ""
    return ConfigurationError(f"{where}:{label} {message}.", cure="Change it and run the same command again.")


def known_keys(model: Kind, place: tuple[int | str, ...] = ()) -> list[str]:
    """The keys known at `place` in `model`: field names, numbers of list items and tags of unions lead there."""
    found = [model]
    for part in place:
        fields = [kind.model_fields[part] for kind in found if part in kind.model_fields]
        if fields:
            found = [inner for field in fields for inner in _models_in(field.annotation)]
        elif not isinstance(part, int):
            found = [kind for kind in found if part in _tags(kind)] or found
    return list(dict.fromkeys(name for kind in found for name in kind.model_fields))


def _models_in(annotation: Any) -> Iterator[Kind]:
    plain = isinstance(annotation, type) and not isinstance(annotation, types.GenericAlias)
    if plain and issubclass(annotation, BaseModel):
        yield annotation
    for part in get_args(annotation):
        yield from _models_in(part)


def _tags(kind: Kind) -> set[str]:
    """Every word that a field of `kind` may literally be."""
    choices = [info.annotation for info in kind.model_fields.values()]
    return {str(word) for choice in choices if get_origin(choice) is Literal for word in get_args(choice)}
