"""How the camera is held: where it looks at each moment of the film, as a hand would move it.

Lengths are in pictures: 1 is the shorter side of each picture. Everything comes back to its begin at the film's end.
"""

import math
from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np

WAY_S = 0.55  # from one picture to the next
SETTLED_S = 0.9  # the film begins so long after the camera has set out for the first picture
APART = 1.45  # from the middle of one to that of the next
NEAR = 0.97  # how much of a picture's shorter side is seen, at rest
CLOSER = 0.10  # that the hand comes nearer while it rests
SWAY = 0.011  # of the hand, sideways and up
TURN = 0.8  # degrees
TREMOR_HZ = 2.2  # the fastest part of it
LIGHT = 0.06  # how much the light changes


@dataclass(frozen=True)
class View:
    """What the camera sees at a moment: its middle (y downwards), and the size of the square around it."""

    x: float
    y: float
    size: float
    turned: float  # degrees, clockwise
    light: float  # 1 is as the picture is


class Hand:
    """A hand that holds the camera at pictures on a ring, the same for the same seed."""

    def __init__(self, begins: Sequence[float], seconds: float, seed: int) -> None:
        """``begins``: when it sets out for each, in seconds; ``seconds``: of the film; ``seed``: of its tremor."""
        self._begins = list(begins)
        self._seconds = seconds
        random = np.random.default_rng(seed)
        cycles = np.arange(1, max(2, round(TREMOR_HZ * seconds)))
        # Each wave has whole cycles in the film, so that its end meets its begin; slow ones are larger.
        self._cycles = cycles * 2 * math.pi / seconds
        self._sizes = random.normal(size=(5, cycles.size)) / np.maximum(cycles / seconds, 0.35)
        self._sizes /= np.sqrt((self._sizes**2).sum(axis=1, keepdims=True))
        self._phases = random.uniform(0, 2 * math.pi, size=(5, cycles.size))
        number = len(self._begins)
        radius = APART / 2 / math.sin(math.pi / number)
        angles = (2 * math.pi * index / number - math.pi / number - math.pi / 2 for index in range(number))
        self.places = [(radius * math.cos(angle), radius * math.sin(angle)) for angle in angles]  # pictures' middles

    def at(self, second: float) -> View:
        """What it looks at; times outside the film are those of another round."""
        second = (second + SETTLED_S) % self._seconds
        now = max(index for index, begin in enumerate(self._begins) if begin <= second)
        since = second - self._begins[now]
        lasts = [*self._begins, self._seconds][now + 1] - self._begins[now]
        way, rest = _ease(since / WAY_S), _ease((since - WAY_S / 2) / (lasts - WAY_S / 2))
        (x0, y0), (x1, y1) = self.places[now - 1], self.places[now]
        wave = (self._sizes * np.sin(self._cycles * second + self._phases)).sum(axis=1)
        near = NEAR - CLOSER * (rest if since > WAY_S / 2 else 1 - way)
        return View(
            x=x0 + (x1 - x0) * way + SWAY * wave[0],
            y=y0 + (y1 - y0) * way + SWAY * wave[1],
            size=near + 0.5 * SWAY * wave[2],
            turned=TURN * wave[3],
            light=1 + LIGHT * wave[4],
        )


def _ease(part: float) -> float:
    """From 0 to 1 as ``part`` does, with no jerk at the ends; held outside."""
    part = min(max(part, 0.0), 1.0)
    return part * part * part * (part * (6 * part - 15) + 10)
