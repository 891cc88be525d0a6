"""The autoscaler decides as Kubernetes' does, and the simulated cluster keeps its books."""

from dataclasses import replace
from pathlib import Path

import pytest

from pipeline.core.errors import ConfigError
from scripts.bench.capacity import scenarios
from scripts.bench.capacity.autoscaler import Autoscaler, Direction, Policy, Rules, read_rules
from scripts.bench.capacity.cluster import Machines, Service, simulate
from scripts.bench.capacity.demand import HOUR, day, steady, with_crowd
from tests.small_project import ROOT

ANY = Direction(0, (Policy("Percent", 1000, 15),))
RULES = Rules(1, 100, 0.7, up=ANY, down=Direction(300, (Policy("Percent", 100, 15),)))
SERVICE = Service(service_s=0.006, alone_s=0.006, frames=10, streams=32)


def decide(current: int, used: list[float], unready: int = 0, rules: Rules = RULES) -> int:
    return Autoscaler(rules).decide(0, current, used, unready)


@pytest.mark.parametrize(
    ("used", "wanted"),
    [
        ([0.7] * 4, 4),
        ([0.76] * 4, 4),  # within the tolerance of 10 %
        ([0.64] * 4, 4),
        ([0.8] * 4, 5),  # 4 * 0.8 / 0.7 = 4.57
        ([1.0] * 4, 6),  # as much as full pods can say: 43 % more
        ([1.0, 1.0, 0.4, 0.4], 4),  # the mean counts
    ],
)
def test_as_many_pods_as_bring_the_mean_to_the_target(used: list[float], wanted: int) -> None:
    assert decide(4, used) == wanted


def test_new_pods_count_as_idle_on_the_way_up_and_not_at_all_on_the_way_down() -> None:
    assert decide(6, [1.0] * 4, unready=2) == 6  # 4 / 6 is under the target: wait for them
    assert decide(5, [1.0] * 4, unready=1) == 6  # 4 / 5 / 0.7 = 1.14
    no_window = replace(RULES, down=replace(RULES.down, window_s=0))
    assert decide(6, [0.35] * 4, unready=2, rules=no_window) == 2
    assert decide(3, []) == 3  # nothing is known yet


def test_it_stays_within_its_bounds() -> None:
    assert decide(90, [1.0] * 90) == 100
    assert decide(2, [0.0] * 2, rules=replace(RULES, fewest=2)) == 2


def test_up_no_faster_than_the_policies_allow() -> None:
    up = Direction(0, (Policy("Percent", 100, 60), Policy("Pods", 4, 60)))
    scaler = Autoscaler(replace(RULES, up=up, target=0.1))
    assert scaler.decide(0, 1, [1.0], 0) == 5  # of 4 pods and 100 % the larger
    assert scaler.decide(15, 5, [1.0] * 5, 0) == 5  # within the same minute: no more
    assert scaler.decide(60, 5, [1.0] * 5, 0) == 10
    least = Autoscaler(replace(RULES, up=replace(up, least=True), target=0.1))
    assert least.decide(0, 1, [1.0], 0) == 2
    assert Autoscaler(replace(RULES, up=replace(up, disabled=True))).decide(0, 1, [1.0], 0) == 1


def test_down_only_after_its_window_and_by_its_policies() -> None:
    down = Direction(300, (Policy("Percent", 20, 60), Policy("Pods", 5, 60)), least=True)
    scaler = Autoscaler(replace(RULES, down=down))
    assert scaler.decide(0, 10, [0.7] * 10, 0) == 10
    current, seen = 10, []
    for now in range(15, 700, 15):
        current = scaler.decide(now, current, [0.05] * current, 0)
        seen.append((now, current))
    assert dict(seen)[300] == 10
    assert dict(seen)[315] == 8  # a fifth of 10, which is less than 5
    assert dict(seen)[360] == 8
    assert dict(seen)[375] == 6  # 8 * 0.8 = 6.4, rounded down


def test_rules_are_those_of_the_manifests(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.chdir(ROOT)
    base, large = (scenarios.K8S / name / "autoscaler.yaml" for name in ("base", "large"))
    rules, small = read_rules(base, large), read_rules(base)
    assert rules == scenarios.large_rules()
    assert (small.fewest, small.most) == (1, 3)
    assert rules.fewest >= 3
    assert rules.target == small.target == 0.7
    assert rules.down.least
    assert rules.down.window_s == 300
    settings = scenarios.large_settings()
    assert settings.threads == 1
    assert settings.registered == ("art-text-plant", "champion")


def test_a_manifest_that_is_none_is_named(tmp_path: Path) -> None:
    (tmp_path / "hpa.yaml").write_text("spec: {maxReplicas: 3, metrics: [{type: External}]}", encoding="utf-8")
    with pytest.raises(ConfigError, match=r"hpa\.yaml: only one metric"):
        read_rules(tmp_path / "hpa.yaml")
    with pytest.raises(ConfigError, match=r"missing\.yaml is no manifest"):
        read_rules(tmp_path / "missing.yaml")


def test_defaults_are_kubernetes_own(tmp_path: Path) -> None:
    (tmp_path / "hpa.yaml").write_text(
        "spec: {maxReplicas: 3, metrics: [{type: Resource, resource: {name: cpu, target: {averageUtilization: 50}}}]}",
        encoding="utf-8",
    )
    rules = read_rules(tmp_path / "hpa.yaml")
    assert rules.fewest == 1
    assert rules.up == Direction(0, (Policy("Percent", 100, 15), Policy("Pods", 4, 15)))
    assert rules.down == Direction(300, (Policy("Percent", 100, 15),))


def test_a_steady_crowd_ends_with_pods_at_the_target() -> None:
    seconds = simulate(steady(100), RULES, SERVICE, Machines(), begins=0, ends=1800)
    end = seconds[-1]
    load = end.asked * SERVICE.service_s / end.ready
    assert 0.6 < load < 0.78
    assert end.answered == pytest.approx(end.asked)
    assert end.waiting == 0


def test_nobody_is_lost_and_no_pod_answers_more_than_it_can() -> None:
    people = with_crowd(steady(20), 120, 400, comes_within=30, stays=300)
    for second in simulate(people, replace(RULES, most=20), SERVICE, Machines(), begins=0, ends=900):
        assert second.answered <= second.asked + 1e-6
        assert second.answered <= second.ready / SERVICE.service_s + 1e-6
        assert second.people >= round(people(second.at))  # more where they stay on, though nobody comes any more
        assert second.asked == pytest.approx(second.people * SERVICE.frames)
        assert second.ready <= second.told
        assert second.p99_s <= SERVICE.alone_s + SERVICE.streams * SERVICE.service_s


def test_a_machine_that_is_not_there_yet_takes_its_time() -> None:
    machines = Machines(pods_each=4, pod_s=5, machine_s=90)
    people = with_crowd(steady(20), 60, 200, comes_within=1, stays=3600)
    seconds = simulate(people, RULES, SERVICE, machines, begins=0, ends=400)
    begun = next(each.at for each in seconds if each.told > 4)
    fifth = next(each.at for each in seconds if each.ready > 4)
    assert fifth - begun >= 90


def test_the_same_seed_gives_the_same_day() -> None:
    runs = [simulate(day(5, 40), RULES, SERVICE, Machines(), begins=0, ends=HOUR, seed=3) for _ in range(2)]
    assert runs[0] == runs[1]


def test_an_announced_crowd_is_served_better_than_one_that_is_not(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.chdir(ROOT)
    outcomes = {each.name.partition(":")[0]: each for each in scenarios.crowds(SERVICE, Machines())}
    as_it_is, announced = outcomes["as it is"], outcomes["announced"]
    assert announced.shed < as_it_is.shed / 10
    assert announced.most_waiting == 0 < as_it_is.most_waiting
    assert as_it_is.well_again_s(scenarios.QUIET_S) > announced.well_again_s(scenarios.QUIET_S)
    assert outcomes["nine of ten on the device"].core_hours < as_it_is.core_hours
