"""A cluster in the hands of the autoscaler, second by second: people come, pods start, frames are answered or not.

Streams are what makes it worth simulating: a person stays on the pod where the stream was opened, so that a new pod
only gets those who come later. Each person has one frame in flight at most (the newest one wins), so that an overloaded
pod answers fewer frames a second, and none later than its people's number times the inference.
"""

import random
from dataclasses import dataclass, field
from functools import lru_cache

from scripts.bench.capacity.autoscaler import SYNC_S, Autoscaler, Rules
from scripts.bench.capacity.demand import Demand
from scripts.bench.capacity.queueing import Line

METRIC_S = 15.0  # metrics-server's resolution: what the autoscaler sees is the mean of such a window
LOOKS_AFTER_S = 7.0  # and up to as old as this, as the two clocks have nothing to do with each other
BUSIEST = 0.97  # load beyond which the line's own length no longer matters: one frame a person bounds it


@dataclass(frozen=True)
class Service:
    """One pod."""

    service_s: float  # processor time of a frame
    alone_s: float  # an answer while nobody else asks, without the network
    frames: float  # a second, that each person has answered if there is time for it
    streams: int  # open at most (STREAMS)


@dataclass(frozen=True)
class Machines:
    """Where pods run: the assumptions of the simulation, not measured here.

    Attributes:
        pods_each: pods of one core on a machine.
        pod_s: from the decision to a pod that is ready, on a machine that has the image.
        machine_s: until a machine that is not there yet runs pods.
        idle_s: an empty machine is given back after so long.
    """

    pods_each: int = 7
    pod_s: float = 6.0
    machine_s: float = 90.0
    idle_s: float = 600.0


@dataclass
class Pod:
    """One that runs or starts."""

    ready_at: float
    people: int = 0
    busy: float = 0.0  # in this window
    used: float | None = None  # in the last whole one


@dataclass(frozen=True)
class Second:
    """What a second was like."""

    at: float
    people: int  # those who wait included
    told: int  # pods that the autoscaler asks for
    ready: int
    machines: int
    p99_s: float
    asked: float  # frames
    answered: float
    waiting: int  # people whose stream no pod takes


@dataclass
class _State:
    pods: list[Pod]
    told: int
    machines: int
    idle_since: float | None = None
    new_machines: list[float] = field(default_factory=list)  # when they come
    waiting: int = 0


def simulate(
    demand: Demand,
    rules: Rules,
    service: Service,
    machines: Machines,
    *,
    begins: float,
    ends: float,
    visit_s: float = 240.0,
    fewest_first: bool = True,
    seed: int = 20,
) -> list[Second]:
    """Every second from ``begins`` to ``ends``.

    Args:
        demand: people over time.
        rules: the autoscaler's.
        service: a pod.
        machines: where pods run.
        begins, ends: seconds.
        visit_s: how long a person stays, on average.
        fewest_first: a new stream goes to the pod with the fewest (as the Ingress is told), or to any.
        seed: of chance.
    """
    chance = random.Random(seed)
    scaler = Autoscaler(rules)
    there = int(demand(begins))
    first = max(rules.fewest, min(rules.most, round(there * service.frames * service.service_s / rules.target + 0.5)))
    state = _State([Pod(begins) for _ in range(first)], first, -(-first // machines.pods_each))
    for number in range(there):
        state.pods[number % first].people += 1
    seconds = []
    for step in range(int(ends - begins)):
        now = begins + step
        _machines(state, machines, now)
        _people(state, demand, now, service, visit_s, fewest_first, chance)
        seconds.append(_second(state, now, service))
        if step % METRIC_S == METRIC_S - 1:
            _measure(state, now)
        if step % SYNC_S == LOOKS_AFTER_S:
            _scale(state, scaler, machines, now)
    return seconds


def _ready(state: _State, now: float) -> list[Pod]:
    return [pod for pod in state.pods if pod.ready_at <= now]


def _people(
    state: _State,
    demand: Demand,
    now: float,
    service: Service,
    visit_s: float,
    fewest_first: bool,
    chance: random.Random,
) -> None:
    for pod in state.pods:
        pod.people -= sum(chance.random() < 1 / visit_s for _ in range(pod.people))
    there = sum(pod.people for pod in state.pods)
    coming = max(0, round(demand(now)) - there)
    ready = _ready(state, now)
    while coming:
        free = [pod for pod in ready if pod.people < service.streams]
        if not free:
            break
        chosen = min(free, key=lambda pod: pod.people) if fewest_first else chance.choice(free)
        chosen.people += 1
        coming -= 1
    state.waiting = coming


def _second(state: _State, now: float, service: Service) -> Second:
    asked = answered = 0.0
    slowest: list[tuple[float, float]] = []  # (P99 of a pod, its frames)
    for pod in state.pods:
        wanted = pod.people * service.frames
        load = wanted * service.service_s
        done = wanted / max(1.0, load)
        pod.busy += min(1.0, load)
        asked += wanted
        answered += done
        if pod.people:
            slowest.append((_p99(pod.people, round(load, 2), service), done))
    beyond = 0.01 * answered
    p99 = service.alone_s
    for each, frames in sorted(slowest, reverse=True):
        p99 = each
        beyond -= frames
        if beyond <= 0:
            break
    return Second(
        at=now,
        people=sum(pod.people for pod in state.pods) + state.waiting,
        told=state.told,
        ready=len(_ready(state, now)),
        machines=state.machines + len(state.new_machines),
        p99_s=p99,
        asked=asked + state.waiting * service.frames,
        answered=answered,
        waiting=state.waiting,
    )


@lru_cache(maxsize=100_000)
def _p99(people: int, load: float, service: Service) -> float:
    """Of a pod's answers: what a line of random pictures would give, and never more than a turn of everybody."""
    turn = (people - 1) * service.service_s
    if load < BUSIEST:
        turn = min(turn, _line(load, service.service_s))
    return service.alone_s + turn


@lru_cache(maxsize=1_000)
def _line(load: float, service_s: float) -> float:
    return Line(load, service_s).wait_percentile(99)


def _measure(state: _State, now: float) -> None:
    for pod in state.pods:
        whole = now - pod.ready_at >= METRIC_S - 1
        pod.used, pod.busy = (pod.busy / METRIC_S if whole else None), 0.0


def _scale(state: _State, scaler: Autoscaler, machines: Machines, now: float) -> None:
    used = [pod.used for pod in state.pods if pod.used is not None]
    state.told = scaler.decide(now, state.told, used, len(state.pods) - len(used))
    while len(state.pods) > state.told:  # the newest first; their people connect again
        state.pods.pop()
    while len(state.pods) < state.told:
        place = len(state.pods) // machines.pods_each  # number of the machine, of those there and those that come
        if place < state.machines:
            at = now
        else:
            while place - state.machines >= len(state.new_machines):
                state.new_machines.append(now + machines.machine_s)
            at = state.new_machines[place - state.machines]
        state.pods.append(Pod(at + machines.pod_s))


def _machines(state: _State, machines: Machines, now: float) -> None:
    while state.new_machines and state.new_machines[0] <= now:
        state.new_machines.pop(0)
        state.machines += 1
    needed = max(1, -(-len(state.pods) // machines.pods_each))
    if needed >= state.machines:
        state.idle_since = None
    elif state.idle_since is None:
        state.idle_since = now
    elif now - state.idle_since >= machines.idle_s:
        state.machines -= 1
        state.idle_since = now
