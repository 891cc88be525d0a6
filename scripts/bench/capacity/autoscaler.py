"""Kubernetes' HorizontalPodAutoscaler as an algorithm: what it decides each time it looks.

After the controller's sources (pkg/controller/podautoscaler, replica_calculator.go and horizontal.go) and the page
"Horizontal Pod Autoscaling" of its documentation, for one metric: processor time, as a share of what the pods request.
"""

import math
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import yaml

from pipeline.core.errors import ConfigError

SYNC_S = 15.0  # --horizontal-pod-autoscaler-sync-period
TOLERANCE = 0.1  # --horizontal-pod-autoscaler-tolerance


@dataclass(frozen=True)
class Policy:
    """At most ``value`` pods, or percent of the pods, in ``period_s``."""

    kind: str  # Pods or Percent
    value: int
    period_s: float


@dataclass(frozen=True)
class Direction:
    """How fast it goes one way. Of several policies the one that allows most decides, or least where ``least``."""

    window_s: float
    policies: tuple[Policy, ...]
    least: bool = False
    disabled: bool = False


@dataclass(frozen=True)
class Rules:
    """What the manifest says."""

    fewest: int
    most: int
    target: float  # share of the requested processor time
    up: Direction
    down: Direction


def read_rules(base: Path, *overlays: Path) -> Rules:
    """The rules of a manifest with the patches of overlays merged into it, as kustomize does.

    Raises:
        ConfigError: there is no such file, or it asks for something that is not simulated.
    """
    spec: dict[str, Any] = {}
    for path in (base, *overlays):
        try:
            spec = _merged(spec, yaml.safe_load(path.read_text(encoding="utf-8"))["spec"])
        except (OSError, KeyError, TypeError, yaml.YAMLError) as error:
            raise ConfigError(f"{path} is no manifest of an autoscaler ({error})") from error
    metrics = spec.get("metrics", [])
    if len(metrics) != 1 or metrics[0].get("resource", {}).get("name") != "cpu":
        raise ConfigError(f"{base}: only one metric, processor time, is simulated")
    target = metrics[0]["resource"]["target"]["averageUtilization"] / 100
    behaviour = spec.get("behavior", {})
    return Rules(
        fewest=spec.get("minReplicas", 1),
        most=spec["maxReplicas"],
        target=target,
        up=_direction(behaviour.get("scaleUp", {}), 0, [("Percent", 100, 15), ("Pods", 4, 15)]),
        down=_direction(behaviour.get("scaleDown", {}), 300, [("Percent", 100, 15)]),
    )


def _merged(one: Mapping[str, Any], other: Mapping[str, Any]) -> dict[str, Any]:
    result = dict(one)
    for key, value in other.items():
        old = result.get(key)
        result[key] = _merged(old, value) if isinstance(old, dict) and isinstance(value, dict) else value
    return result


def _direction(said: Mapping[str, Any], window: float, policies: Sequence[tuple[str, int, float]]) -> Direction:
    """A side of ``behavior``, with Kubernetes' defaults for what it does not say."""
    given = [(each["type"], each["value"], each["periodSeconds"]) for each in said.get("policies", [])]
    return Direction(
        window_s=said.get("stabilizationWindowSeconds", window),
        policies=tuple(Policy(*each) for each in given or policies),
        least=said.get("selectPolicy") == "Min",
        disabled=said.get("selectPolicy") == "Disabled",
    )


@dataclass
class Autoscaler:
    """Decides each `SYNC_S`, and remembers what it wanted and did."""

    rules: Rules
    _wanted: list[tuple[float, int]] = field(default_factory=list)  # (when, how many), before stabilisation
    _changed: list[tuple[float, int]] = field(default_factory=list)  # (when, by how many)

    def decide(self, now: float, current: int, used: Sequence[float], unready: int) -> int:
        """How many pods there should be.

        Args:
            now: seconds; never goes back.
            current: pods that the Deployment is told to have now.
            used: processor time of each pod that counts, as a share of its request: ready for a whole
                window of the metric.
            unready: pods that don't count yet.
        """
        wanted = self._recommended(current, used, unready)
        self._wanted.append((now, wanted))
        longest = max(self.rules.up.window_s, self.rules.down.window_s)
        self._wanted = [each for each in self._wanted if now - each[0] <= longest]
        lowest = min(n for at, n in self._wanted if now - at <= self.rules.up.window_s)
        highest = max(n for at, n in self._wanted if now - at <= self.rules.down.window_s)
        steady = min(max(current, lowest), highest)
        decided = self._limited(now, current, steady)
        if decided != current:
            self._changed.append((now, decided - current))
        return decided

    def _recommended(self, current: int, used: Sequence[float], unready: int) -> int:
        if not used:
            return current
        ratio = sum(used) / len(used) / self.rules.target
        if unready and ratio > 1:  # on the way up, pods that don't count yet are taken to have nothing to do
            with_new = sum(used) / (len(used) + unready) / self.rules.target
            if with_new < 1 or abs(with_new - 1) <= TOLERANCE:
                return current
            return max(current, math.ceil(with_new * (len(used) + unready)))
        if abs(ratio - 1) <= TOLERANCE:
            return current
        return math.ceil(ratio * len(used))

    def _limited(self, now: float, current: int, wanted: int) -> int:
        wanted = min(max(wanted, self.rules.fewest), self.rules.most)
        if wanted > current:
            allowed = self._allowed(now, current, self.rules.up, upwards=True)
            return min(wanted, max(allowed, current))
        if wanted < current:
            allowed = self._allowed(now, current, self.rules.down, upwards=False)
            return max(wanted, min(allowed, current))
        return current

    def _allowed(self, now: float, current: int, direction: Direction, *, upwards: bool) -> int:
        """Where the policies let it go at most."""
        if direction.disabled:
            return current
        ends = []
        for policy in direction.policies:
            done = sum(by for at, by in self._changed if now - at < policy.period_s and (by > 0) == upwards)
            begun = current - done
            sign = 1 if upwards else -1
            if policy.kind == "Pods":
                ends.append(begun + sign * policy.value)
            else:
                end = begun * (1 + sign * policy.value / 100)
                ends.append(math.ceil(end) if upwards else math.floor(end))
        return (min if upwards == direction.least else max)(ends)
