"""What is wrong in a film's recipe, said in one line with its place, in the words of the recipe."""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from pathlib import Path
from typing import Any

import yaml
from pydantic import BaseModel, ValidationError

from mezzofanti.errors import ConfigurationError, nearest

__all__ = ["explained", "read_recipe", "refuse_unknown_keys"]

Kinds = Mapping[str, type[BaseModel]]

WORDS = {
    "tuple_type": "must be a list",
    "finite_number": "must be a finite number",
    "float_type": "must be a number or a formula in quotes",
    "too_short": "has too few entries",
    "missing": "is missing",
}


def read_recipe(path: Path) -> dict[str, Any]:
    """Return the settings in a YAML file. Raises ConfigurationError for a file that is absent or something else."""
    try:
        content = yaml.safe_load(path.read_text("utf-8"))
    except FileNotFoundError:
        beside = [other.name for other in path.parent.glob("*.y*ml")] if path.parent.is_dir() else []
        cure = nearest(path.name, beside) if beside else "Check the path."
        raise ConfigurationError(f"There is no recipe {path}.", cure=cure) from None
    except OSError as error:
        raise ConfigurationError(f"{path} cannot be read: {error.strerror}.", cure="Name a file.") from None
    except UnicodeDecodeError as error:
        raise ConfigurationError(
            f"{path} is not text in UTF-8: byte {error.start} is none.", cure="Save it in UTF-8."
        ) from None
    except yaml.YAMLError as error:
        line = " ".join(str(error).split())
        raise ConfigurationError(f"{path} is not YAML ({line}).", cure="Mend the line it names.") from None
    if not isinstance(content, dict):
        raise ConfigurationError(f"{path} holds no settings.", cure="Begin with `domain:` and `loads:`.")
    return content


def refuse_unknown_keys(
    content: dict[str, Any], path: Path, top: Iterable[str], domains: Kinds, loads: Kinds
) -> None:
    """Say which key is unknown and what it may have meant, before pydantic tries every kind of load in turn."""
    _check_keys(content, top, path, "the recipe")
    domain = content.get("domain", {"shape": "disc"})
    if not isinstance(domain, dict) or "shape" not in domain:
        raise ConfigurationError(
            f"{path}: the domain names no shape.",
            cure=f"Write domain: {{shape: ...}}, one of {', '.join(domains)}.",
        )
    shape = domain["shape"]
    if shape not in domains:
        raise ConfigurationError(
            f"{path}: {shape!r} is no shape of a domain.", cure=nearest(str(shape), domains)
        )
    _check_keys(domain, domains[shape].model_fields, path, f"a domain of shape {shape}")
    listed = content.get("loads", [])
    if not isinstance(listed, list):
        raise ConfigurationError(
            f"{path}: loads must be a list.", cure="Begin each load with `- `, or leave `loads` out."
        )
    for number, load in enumerate(listed, 1):
        _check_load(load, number, path, loads)


def _check_load(load: Any, number: int, path: Path, loads: Kinds) -> None:
    kinds = [kind for kind in loads if isinstance(load, dict) and kind in load]
    if len(kinds) != 1:
        keys = [str(key) for key in load] if isinstance(load, dict) else [str(load)]
        raise ConfigurationError(
            f"{path}, load {number}: one of {', '.join(loads)} must be there, and there is {', '.join(keys)}.",
            cure=nearest(keys[0] if keys else "", loads),
        )
    _check_keys(load, loads[kinds[0]].model_fields, path, f"load {number}")


def _check_keys(given: dict[str, Any], known: Iterable[str], path: Path, where: str) -> None:
    known = list(known)
    for key in given:
        if key not in known:
            raise ConfigurationError(f"{path}: {where} has no key {key!r}.", cure=nearest(str(key), known))


def explained(error: ValidationError, path: Path, content: dict[str, Any]) -> ConfigurationError:
    """Return pydantic's complaint as one line: where it is, in the recipe's own words, and what it is."""
    # Where a value may be of several kinds, each complains: the one that got farthest says the most.
    where, first = max(
        ((_place(one["loc"], content), one) for one in error.errors()), key=lambda pair: len(pair[0])
    )
    said = WORDS.get(first["type"]) or first["msg"].replace("Input should", "must").replace("should", "must")
    value = first["input"]
    shown = f", not {value!r}" if isinstance(value, bool | int | float | str) else ""
    return ConfigurationError(
        f"{path}, {' '.join(where).replace('loads ', 'load ')}: {said}{shown}.", cure="Mend the value."
    )


def _place(location: tuple[int | str, ...], content: Any) -> list[str]:
    """Return the path of keys without the names of kinds that pydantic puts between, entries counted from 1."""
    words: list[str] = []
    for part in location:
        if isinstance(content, list) and isinstance(part, int) and part < len(content):
            words.append(str(part + 1))
        elif isinstance(content, dict) and part in content:
            words.append(str(part))
        else:
            continue
        content = content[part]
    return words
