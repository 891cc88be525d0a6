"""How many people look at the page: an ordinary day, and one on which somebody shows it to a large audience."""

import math
from collections.abc import Callable

Demand = Callable[[float], float]  # seconds since midnight -> people

HOUR = 3600.0


def day(night: float, peak: float) -> Demand:
    """A day: fewest at four, a first height at eleven, the largest at eight in the evening."""

    def people(at: float) -> float:
        hour = (at / HOUR) % 24
        height = 0.65 * _hill(hour, 11, 2.6) + 0.2 * _hill(hour, 15, 3.0) + 0.95 * _hill(hour, 20, 2.2)
        return night + (peak - night) * height

    return people


def with_crowd(demand: Demand, begins: float, crowd: float, *, comes_within: float, stays: float) -> Demand:
    """``crowd`` more people from ``begins`` on, who come within some seconds and, after ``stays``, go as they came."""

    def people(at: float) -> float:
        coming = min(1.0, max(0.0, (at - begins) / comes_within))
        going = min(1.0, max(0.0, (at - begins - stays) / (5 * comes_within)))
        return demand(at) + crowd * (coming - going)

    return people


def steady(people: float) -> Demand:
    """The same all the time."""
    return lambda _: people


def _hill(hour: float, at: float, width: float) -> float:
    away = (hour - at + 12) % 24 - 12
    return math.exp(-0.5 * (away / width) ** 2)
