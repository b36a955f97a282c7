"""Regions whose mass is asked: boxes, balls, and whatever a function of the coordinates holds inside."""

from __future__ import annotations

import itertools
from collections.abc import Callable, Sequence
from dataclasses import dataclass

import numpy as np
from numpy.typing import ArrayLike, NDArray

from mezzofanti.curvature.checking import place
from mezzofanti.curvature.mesh import Floats
from mezzofanti.errors import ConfigurationError

__all__ = ["Inside", "Intervals", "Region", "ball", "both", "box_of", "integral", "region"]

Intervals = Sequence[Sequence[float]]
Inside = Callable[..., ArrayLike]  # coordinates x, y, ... (P,) each, to truth (P,)


@dataclass(frozen=True)
class Region:
    """A set given by a test of its points. `box` or `ball` (center, radius) is there where it is one, else None."""

    test: Inside
    name: str
    box: tuple[tuple[float, float], ...] | None = None
    ball: tuple[tuple[float, ...], float] | None = None

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
        return np.asarray(np.logical_and.reduce(within), dtype=np.bool_)

    return Region(test, f"the box {' x '.join(f'[{low:g}, {high:g}]' for low, high in pairs)}", pairs)


def ball(center: Sequence[float] | float, radius: float) -> Region:
    """Return the closed ball."""
    middle = np.atleast_1d(np.asarray(center, dtype=np.float64))
    if not radius > 0:
        raise ConfigurationError(f"A ball of radius {radius:g} is empty.", cure="Give a positive radius.")

    def test(*coordinates: Floats) -> NDArray[np.bool_]:
        away = np.stack(coordinates) - middle[:, None]
        return np.asarray(np.linalg.norm(away, axis=0) <= radius, dtype=np.bool_)

    name = f"the ball of radius {radius:g} about {place(middle)}"
    return Region(test, name, ball=(tuple(middle.tolist()), float(radius)))


def integral(region: Region, field: Callable[[Floats], Floats], dimension: int | None = None) -> float:
    """Return the integral of field(points (P, n)) over a box or a ball, adaptively, to some eight digits.

    Raises ConfigurationError for other regions, whose extent is not known, and for another dimension.
    """
    extent = region.box or (region.ball and _extent(region.ball))
    if extent is None:
        raise ConfigurationError(
            f"The extent of {region.name} is not known.",
            cure="Give a box or a disc, or restrict the measure to the region and ask for its total on a mesh.",
        )
    low, high = np.array(extent).T
    if region.ball is None:
        return _adaptive(field, low, high)
    center, radius = np.array(region.ball[0]), region.ball[1]
    unit = {1: (1.0,), 2: (1.0, 2 * np.pi), 3: (1.0, 2 * np.pi, np.pi)}[len(center)]
    start = -1.0 if len(center) == 1 else 0.0

    def bent(at: Floats) -> Floats:
        away, volume = _polar(at, radius)
        return field(center + away) * volume

    return _adaptive(bent, np.array([start, *(0.0 for _ in unit[1:])]), np.array(unit))


def _adaptive(field: Callable[[Floats], Floats], low: Floats, high: Floats) -> float:
    from scipy.integrate import cubature

    # Cut off the middle first: densities such as 1/r have their pole at the center of symmetric boxes.
    stops = [np.array([a, a + 0.4142 * (b - a), b]) for a, b in zip(low, high, strict=True)]
    total = 0.0
    for corner in itertools.product((0, 1), repeat=len(low)):
        start = [stop[k] for stop, k in zip(stops, corner, strict=True)]
        end = [stop[k + 1] for stop, k in zip(stops, corner, strict=True)]
        found = cubature(field, start, end, rule="gk15", rtol=1e-9, atol=1e-12, max_subdivisions=2000)
        total += float(found.estimate)
    return total


def _extent(ball: tuple[tuple[float, ...], float]) -> tuple[tuple[float, float], ...]:
    center, radius = ball
    return tuple((x - radius, x + radius) for x in center)


def _polar(at: Floats, radius: float) -> tuple[Floats, Floats]:
    """Return places (P, n) in a ball about the origin and the density of volume, from polar coordinates (P, n)."""
    share = at[:, 0]
    if at.shape[1] == 1:
        return radius * at, np.full(len(at), radius)
    circle = np.column_stack([np.cos(at[:, 1]), np.sin(at[:, 1])])
    if at.shape[1] == 2:
        return radius * share[:, None] * circle, radius**2 * share
    sine, cosine = np.sin(at[:, 2]), np.cos(at[:, 2])
    way = np.column_stack([circle * sine[:, None], cosine])
    return radius * share[:, None] * way, radius**3 * share**2 * sine


def both(first: Region, second: Region) -> Region:
    """Return what lies in both; two boxes make a box."""
    name = f"{first.name} and {second.name}"
    if first.box is not None and second.box is not None and len(first.box) == len(second.box):
        pairs = [(max(a, c), min(b, d)) for (a, b), (c, d) in zip(first.box, second.box, strict=True)]
        if all(low < high for low, high in pairs):
            return box_of(pairs)
    narrow = first if first.box is not None or first.ball is not None else second

    def test(*at: Floats) -> NDArray[np.bool_]:
        points = np.column_stack(at)
        return np.asarray(first.holds(points) & second.holds(points), dtype=np.bool_)

    return Region(test, name, ball=narrow.ball) if narrow.box is None else Region(test, name, narrow.box)


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
