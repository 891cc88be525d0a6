"""Waiting for an inference thread: pictures that come at random, an inference that takes about the same time each.

M/D/c in Kendall's notation: all threads of a process take from one queue, so c is their number.

Crommelin 1932 for the lengths of the line, Franx 2001 ("A simple solution for the M/D/c waiting time distribution") for
the times: sums of positive terms, so that nothing cancels at high loads.
"""

import heapq
import math
import random
from collections import deque
from dataclasses import dataclass, field

import numpy as np
from numpy.typing import NDArray

LONGEST = 400  # pictures in the system that are reckoned with; at a load of 0.97 more are there one time in 10^10


@dataclass(frozen=True)
class Line:
    """A line in front of ``servers`` threads, each ``load`` (under 1) of its time busy, ``service_s`` a picture."""

    load: float
    service_s: float
    servers: int = 1
    _waiting: NDArray[np.float64] = field(init=False, repr=False, compare=False)

    def __post_init__(self) -> None:
        if not 0 <= self.load < 1:
            raise ValueError(f"a line grows without end at a load of {self.load:g}; it must be under 1")
        there = _stationary(self.load * self.servers, self.servers)
        # How many wait, from how many are there; cumulated.
        object.__setattr__(self, "_waiting", np.cumsum(there)[self.servers :])

    @property
    def rate(self) -> float:
        """Pictures a second, all threads together."""
        return self.load * self.servers / self.service_s

    def waits_at_most(self, seconds: float) -> float:
        """Probability that a picture waits no longer, before its inference begins."""
        if seconds < 0:
            return 0.0
        turns = int(seconds / self.service_s) + 1
        mean = self.rate * (turns * self.service_s - seconds)
        last = turns * self.servers - 1
        if last >= len(self._waiting):
            return 1.0
        came = _poisson(mean, last)
        return min(1.0, float(came @ self._waiting[last::-1]))

    def wait_percentile(self, percent: float) -> float:
        """Seconds that ``percent`` (under 100) of the pictures wait at most."""
        low, high = 0.0, self.service_s
        if self.waits_at_most(0) >= percent / 100:
            return 0.0
        while self.waits_at_most(high) < percent / 100:
            high *= 2
        while high - low > 1e-3 * self.service_s:
            middle = (low + high) / 2
            low, high = (low, middle) if self.waits_at_most(middle) >= percent / 100 else (middle, high)
        return high

    def mean_wait(self) -> float:
        """Seconds, by Little's law from the mean length of the line."""
        return float((1 - self._waiting).sum()) / self.rate if self.load else 0.0


def refused(load: float, places: int) -> float:
    """Share of the pictures that find ``places`` others waiting at one thread, and are turned away; M/D/1/K.

    ``load`` is what is asked of what it can answer, and may be over 1.
    """
    size = places + 1  # states that a departing picture leaves behind
    came = _poisson(load, size)
    step = np.zeros((size, size))
    for left in range(size):
        row = came[: size - max(0, left - 1)]
        begin = max(0, left - 1)
        step[left, begin : begin + len(row)] = row
        step[left, size - 1] += 1 - step[left].sum()  # those that find no place are not there
    idle = float(_fixed_point(step)[0])
    return max(0.0, 1 - 1 / (idle + load))


@dataclass(frozen=True)
class ShortLine:
    """What pictures at random times meet with few places to wait; by trying it out, see `short_line`."""

    refused: float  # share that was turned away
    waits_s: NDArray[np.float64]  # of the others, ascending

    def wait_percentile(self, percent: float) -> float:
        """Seconds that ``percent`` of those that were taken wait at most."""
        return float(np.percentile(self.waits_s, percent))


def short_line(
    load: float, service_s: float, places: int, servers: int = 1, pictures: int = 200_000, seed: int = 20
) -> ShortLine:
    """Let ``pictures`` come to ``servers`` threads where ``places`` may wait (QUEUE).

    Each thread is ``load`` of its time asked for, which may be over 1.
    """
    chance = random.Random(seed)
    now, turned_away = 0.0, 0
    free = [0.0] * servers  # when each thread is free, the soonest first
    ends: deque[float] = deque()  # of those in work or waiting; all take as long, so they end in order
    waits = []
    for _ in range(pictures):
        now += chance.expovariate(load * servers / service_s)
        while ends and ends[0] <= now:
            ends.popleft()
        if len(ends) >= places + servers:
            turned_away += 1
            continue
        begins = max(now, free[0])
        heapq.heapreplace(free, begins + service_s)
        ends.append(begins + service_s)
        waits.append(begins - now)
    return ShortLine(turned_away / pictures, np.sort(np.array(waits)))


def answered_a_second(asked: float, service_s: float, refusal_s: float) -> float:
    """Answers of one thread whose refusals cost time too: what is left of a second, at most what is asked."""
    if asked * service_s <= 1:
        return asked
    return max(0.0, (1 - asked * refusal_s) / (service_s - refusal_s))


def users(rate_each: float, service_s: float, load: float = 0.7) -> float:
    """Users that a core carries at ``load``, each of whom has ``rate_each`` frames a second answered."""
    return load / (rate_each * service_s)


def seconds_for_each(users_there: int, rate_each: float, service_s: float) -> tuple[float, float]:
    """Frames a second that each of ``users_there`` users of one thread gets, and the time of an answer in seconds.

    A user's next frame goes out when the last one is answered, so a thread never holds more than one of each: they
    share it in turns, and beyond its capacity get fewer frames rather than later ones (bounds of asymptotic analysis).
    """
    turn = users_there * service_s
    return min(rate_each, 1 / turn), turn if turn * rate_each >= 1 else service_s


def _stationary(arrivals: float, servers: int) -> NDArray[np.float64]:
    """Probabilities of 0, 1, … in the system: a service's time later all in work are gone, and others have come."""
    came = _poisson(arrivals, LONGEST)
    step = np.zeros((LONGEST, LONGEST))
    for there in range(LONGEST):
        left = max(0, there - servers)
        step[there, left:] = came[: LONGEST - left]
        step[there, -1] += 1 - step[there].sum()
    return _fixed_point(step)


def _fixed_point(step: NDArray[np.float64]) -> NDArray[np.float64]:
    """The distribution that a step (rows sum to 1) leaves as it is."""
    size = len(step)
    equations = np.vstack([step.T - np.eye(size), np.ones(size)])
    solution, *_ = np.linalg.lstsq(equations, np.append(np.zeros(size), 1.0), rcond=None)
    kept: NDArray[np.float64] = np.clip(solution, 0, None)
    kept /= kept.sum()
    return kept


def _poisson(mean: float, most: int) -> NDArray[np.float64]:
    """Probabilities of 0..most events."""
    probabilities = np.zeros(most + 1)
    probabilities[0] = 1.0
    if mean > 0:
        logs = [number * math.log(mean) - mean - math.lgamma(number + 1) for number in range(most + 1)]
        probabilities[:] = np.exp(logs)
    return probabilities
