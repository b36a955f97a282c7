"""Regions whose mass is asked: boxes, balls, and whatever a function of the coordinates holds inside."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass

import numpy as np
from numpy.typing import ArrayLike, NDArray

from mezzofanti.curvature.mesh import Floats
from mezzofanti.errors import ConfigurationError

__all__ = ["Inside", "Intervals", "Region", "ball", "box_of", "region"]

Intervals = Sequence[Sequence[float]]
Inside = Callable[..., ArrayLike]  # coordinates x, y, ... (P,) each, to truth (P,)


@dataclass(frozen=True)
class Region:
    """A set given by a test of its points. `box` holds its intervals where it is a box, else None."""

    test: Inside
    name: str
    box: tuple[tuple[float, float], ...] | None = None

    def holds(self, at: Floats) -> NDArray[np.bool_]:
        """Return which of the points (P, n) lie inside."""
        return np.broadcast_to(np.asarray(self.test(*at.T), dtype=bool), (len(at),))


def box_of(intervals: Intervals) -> Region:
    """Return the closed box with these intervals, one a coordinate. Raises ConfigurationError for an empty one."""
    try:
        pairs = tuple((float(low), float(high)) for low, high in intervals)
    except (TypeError, ValueError):
        pairs = ()
    if not pairs or not all(low < high for low, high in pairs):
        raise ConfigurationError(
            f"{intervals!r} is no box.",
            cure="Give one interval a coordinate, such as ((-0.5, 0.5), (-0.5, 0.5)).",
        )

    def test(*coordinates: Floats) -> NDArray[np.bool_]:
        if len(coordinates) != len(pairs):
            raise ConfigurationError(
                f"A box of {len(pairs)} intervals was asked of a domain of dimension {len(coordinates)}.",
                cure="Give one interval a coordinate.",
            )
        within = [(low <= x) & (x <= high) for x, (low, high) in zip(coordinates, pairs, strict=True)]
        return np.logical_and.reduce(within)

    return Region(test, f"the box {' x '.join(f'[{low:g}, {high:g}]' for low, high in pairs)}", pairs)


def ball(center: Sequence[float] | float, radius: float) -> Region:
    """Return the closed ball."""
    middle = np.atleast_1d(np.asarray(center, dtype=np.float64))
    if not radius > 0:
        raise ConfigurationError(f"A ball of radius {radius:g} is empty.", cure="Give a positive radius.")

    def test(*coordinates: Floats) -> NDArray[np.bool_]:
        away = np.stack(coordinates) - middle[:, None]
        return np.asarray(np.sqrt((away**2).sum(axis=0)) <= radius, dtype=bool)

    return Region(test, f"the ball of radius {radius:g} about ({', '.join(f'{x:g}' for x in middle)})")


def region(
    box: Intervals | None = None,
    disc: tuple[Sequence[float] | float, float] | None = None,
    inside: Inside | None = None,
) -> Region:
    """Return the one region that is given. Raises ConfigurationError where none or several are."""
    given = [which for which in (box, disc, inside) if which is not None]
    if len(given) != 1:
        raise ConfigurationError(
            f"{len(given)} regions were given where one is needed.",
            cure="Give box=((x0, x1), (y0, y1)), disc=((x, y), radius), or inside=a function of x, y.",
        )
    if box is not None:
        return box_of(box)
    if disc is not None:
        return ball(*disc)
    assert inside is not None
    return Region(inside, f"where {getattr(inside, '__name__', 'a function')} holds")
