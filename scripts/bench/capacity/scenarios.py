"""What the autoscaler of deploy/k8s/large makes of a day, and of a crowd that comes at once; and of other rules."""

from collections.abc import Sequence
from dataclasses import dataclass, replace
from pathlib import Path

import yaml

from pipeline.core.errors import ConfigError
from scripts.bench.capacity.autoscaler import Rules, read_rules
from scripts.bench.capacity.cluster import Machines, Second, Service, simulate
from scripts.bench.capacity.demand import HOUR, Demand, day, steady, with_crowd
from service.settings import Settings

K8S = Path("deploy/k8s")
NIGHT, PEAK = 10, 300  # people at once, on an ordinary day
BEFORE, CROWD, COMES_WITHIN_S, STAYS_S = 60, 540, 60.0, 1200.0  # and when it is shown to an audience
QUIET_S = 600.0  # before the crowd comes
FINE = 0.01  # share of frames that may be left out, for "all is well again"


@dataclass(frozen=True)
class Outcome:
    """What a simulation came to."""

    name: str
    seconds: Sequence[Second]
    machines: Machines

    @property
    def most_pods(self) -> int:
        """Told at once."""
        return max(each.told for each in self.seconds)

    @property
    def worst_p99_s(self) -> float:
        """Of all seconds."""
        return max(each.p99_s for each in self.seconds)

    @property
    def typical_p99_s(self) -> float:
        """The median over the seconds."""
        return sorted(each.p99_s for each in self.seconds)[len(self.seconds) // 2]

    @property
    def shed(self) -> float:
        """Share of the frames that people wanted answered and were not."""
        return 1 - sum(each.answered for each in self.seconds) / sum(each.asked for each in self.seconds)

    @property
    def most_waiting(self) -> int:
        """People without a stream, at once."""
        return max(each.waiting for each in self.seconds)

    @property
    def core_hours(self) -> float:
        """Of the machines, which are paid for whether or not pods fill them."""
        cores = self.machines.pods_each + 1  # one for the node itself
        return sum(each.machines for each in self.seconds) * cores / HOUR

    def well_again_s(self, since: float) -> float:
        """How long after ``since`` the last second is in which more than `FINE` of the frames were left out."""
        bad = [each.at for each in self.seconds if each.at >= since and each.answered < (1 - FINE) * each.asked]
        return max(bad) + 1 - since if bad else 0.0


def large_settings() -> Settings:
    """The service's settings in deploy/k8s/large.

    Raises:
        ConfigError: the kustomizations can't be read.
    """
    values: dict[str, str] = {}
    for name in ("base", "large"):
        path = K8S / name / "kustomization.yaml"
        try:
            generators = yaml.safe_load(path.read_text(encoding="utf-8"))["configMapGenerator"]
        except (OSError, KeyError, TypeError, yaml.YAMLError) as error:
            raise ConfigError(f"{path} has no settings ({error})") from error
        lines = [line for each in generators if each["name"] == "settings" for line in each["literals"]]
        values |= {name.lower(): value for name, _, value in (line.partition("=") for line in lines)}
    return Settings.model_validate(values | {"api_key": "in-the-secret-api"})  # which the manifests don't hold


def large_rules() -> Rules:
    """The autoscaler's rules in deploy/k8s/large."""
    return read_rules(*(K8S / name / "autoscaler.yaml" for name in ("base", "large")))


def crowd() -> Demand:
    """Some, and then ten times as many within a minute."""
    return with_crowd(steady(BEFORE), QUIET_S, CROWD, comes_within=COMES_WITHIN_S, stays=STAYS_S)


def ordinary_day(service: Service, machines: Machines) -> Outcome:
    """24 hours under the rules as they are."""
    seconds = simulate(day(NIGHT, PEAK), large_rules(), service, machines, begins=0, ends=24 * HOUR)
    return Outcome("a day", seconds, machines)


def crowds(service: Service, machines: Machines) -> list[Outcome]:
    """The hour of the crowd: under the rules as they are first, and then with one thing changed each time."""
    rules = large_rules()
    enough = min(rules.most, round((BEFORE + CROWD) * service.frames * service.service_s / rules.target + 0.5))

    def run(name: str, rules: Rules = rules, service: Service = service, share: float = 1.0, **how: bool) -> Outcome:
        people = crowd()

        def there(at: float) -> float:
            return share * people(at)

        seconds = simulate(there, rules, service, machines, begins=0, ends=HOUR, **how)
        return Outcome(name, seconds, machines)

    return [
        run("as it is"),
        run("new streams go to any pod", fewest_first=False),
        run("target 50 %", rules=replace(rules, target=0.5)),
        run(
            "a quarter of the machines kept in reserve",
            rules=replace(rules, fewest=max(rules.fewest, enough // 4)),
        ),
        run(f"announced: minReplicas {enough} beforehand", rules=replace(rules, fewest=enough)),
        run("STREAM_FPS=5", service=replace(service, frames=5.0)),
        run("nine of ten on the device", share=0.1),
    ]
