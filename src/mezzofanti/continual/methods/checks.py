"""Checks of a method's settings: one line that names the method, the setting and its range."""

from __future__ import annotations

from typing import Any

from mezzofanti.errors import ConfigurationError

__all__ = ["number", "whole_number"]


def whole_number(method: str, name: str, value: Any, *, least: int = 1) -> None:
    """Raise `ConfigurationError` unless `value` is a whole number of `least` or more."""
    if isinstance(value, bool) or not isinstance(value, int) or value < least:
        raise ConfigurationError(
            f"{method}: {name} is {value!r}.", cure=f"Give a whole number, {least} or more."
        )


def number(
    method: str,
    name: str,
    value: Any,
    *,
    least: float,
    most: float = float("inf"),
    below: float = float("inf"),
) -> None:
    """Raise `ConfigurationError` unless `value` is a number from `least` to `most`, and smaller than `below`."""
    if (
        isinstance(value, bool)
        or not isinstance(value, int | float)
        or not (least <= value <= most and value < below)
    ):
        limit = f"to {most:g}" if below == float("inf") else f"or more and below {below:g}"
        raise ConfigurationError(f"{method}: {name} is {value!r}.", cure=f"Give a number, {least:g} {limit}.")
