"""The policy decides from figures alone: what passes, what is refused, and that every refusal says why."""

from copy import deepcopy
from pathlib import Path
from typing import Any

import pytest
import yaml
from hypothesis import given
from hypothesis import strategies as st

from pipeline.core import config
from pipeline.metrics.intervals import wilson
from pipeline.promote.policy import Decision, Paired, PromoteSettings, Rival, decide

LABELS = ("art", "plant", "text")
CONF = Path(__file__).parents[2] / "conf" / "promote" / "default.yaml"
SETTINGS = config.parse("promote", yaml.safe_load(CONF.read_text()), PromoteSettings)


def metrics(right: int = 97, n: int = 100, **changes: Any) -> dict[str, Any]:
    """What evaluate would measure for ``right`` of ``n`` test pictures; dotted names change single figures."""
    each = n // 3
    proportion = wilson(min(each, round(each * right / n)) if n else 0, each).to_json()
    figures: dict[str, Any] = {
        "accuracy": wilson(right, n).to_json(),
        "recall": {label: dict(proportion) for label in LABELS},
        "ece": {"value": 0.03, "low": 0.01, "high": 0.06, "n": n},
        "none_of_these": {"auroc": {"value": 0.98, "low": 0.95, "high": 1.0, "n": 2 * n}},
        "parity": {"max_abs_difference": 5e-6},
        "size_mb": 13.5,
        "latency_ms": {"p50": 6.6},
    }
    for path, value in changes.items():
        *parents, last = path.split("__")
        place = figures
        for parent in parents:
            place = place[parent]
        if value is None:
            del place[last]
        else:
            place[last] = value
    return figures


def failed(decision: Decision) -> list[str]:
    return [gate.name for gate in decision.gates if not gate.passed]


def test_a_good_first_model_passes_without_reservation() -> None:
    decision = decide(metrics(), LABELS, SETTINGS)
    assert decision.passed
    assert not decision.provisional
    assert decision.reasons == []


@pytest.mark.parametrize(
    ("changes", "line"),
    [
        ({"right": 85}, "accuracy"),  # 0.85, but its lower bound is 0.77
        ({"recall__text": {"value": 0.5, "low": 0.3, "high": 0.7, "n": 33}}, "recall of text"),
        ({"ece__value": 0.2}, "calibration error"),
        ({"none_of_these__auroc__value": 0.7}, "none of these, AUROC"),
        ({"parity__max_abs_difference": 0.01}, "parity with torch"),
        ({"size_mb": 500.0}, "size, MB"),
        ({"latency_ms__p50": 400.0}, "latency, ms"),
    ],
)
def test_each_line_of_the_policy_refuses_alone(changes: dict[str, Any], line: str) -> None:
    decision = decide(metrics(**changes), LABELS, SETTINGS)
    assert failed(decision) == [line]
    assert len(decision.reasons) == 1
    assert decision.reasons[0].startswith(f"{line}: ")


@pytest.mark.parametrize(
    ("path", "named"),
    [
        ("accuracy", "metrics.accuracy"),
        ("accuracy__low", "metrics.accuracy"),
        ("recall", "metrics.recall.art"),
        ("recall__plant", "metrics.recall.plant"),
        ("ece", "metrics.ece.value"),
        ("none_of_these__auroc", "metrics.none_of_these.auroc"),
        ("parity", "metrics.parity.max_abs_difference"),
        ("size_mb", "metrics.size_mb"),
        ("latency_ms", "metrics.latency_ms.p50"),
    ],
)
def test_a_missing_metric_is_refused_by_name(path: str, named: str) -> None:
    absent: dict[str, Any] = {path: None}
    decision = decide(metrics(**absent), LABELS, SETTINGS)
    assert not decision.passed
    assert any(f"{named} is missing" in reason for reason in decision.reasons)


def test_nothing_measured_at_all_is_refused() -> None:
    assert failed(decide({}, LABELS, SETTINGS))[0] == "accuracy"


def test_without_pictures_of_none_of_them_that_line_is_left_out() -> None:
    figures = metrics()
    figures["none_of_these"] = None
    assert decide(figures, LABELS, SETTINGS).passed
    del figures["none_of_these"]
    assert decide(figures, LABELS, SETTINGS).passed


def test_eight_photos_a_label_lead_to_a_provisional_model() -> None:
    decision = decide(metrics(right=5, n=6, ece__value=0.3), LABELS, SETTINGS)
    assert decision.passed
    assert decision.provisional
    assert any("only 6 test pictures" in reason for reason in decision.reasons)


def test_a_small_set_must_not_be_worse_than_chance() -> None:
    assert failed(decide(metrics(right=1, n=6), LABELS, SETTINGS)) == ["accuracy"]
    assert decide(metrics(right=2, n=6), LABELS, SETTINGS).passed


def test_no_test_picture_at_all_is_refused_with_the_way_out() -> None:
    decision = decide(metrics(right=0, n=0), LABELS, SETTINGS)
    assert "add photos" in decision.reasons[0]


def test_a_label_without_test_pictures_is_provisional_and_no_refusal() -> None:
    decision = decide(metrics(recall__art=wilson(0, 0).to_json()), LABELS, SETTINGS)
    assert decision.provisional
    assert decision.reasons == ["recall of art: no test picture of this label, so nobody knows"]


def test_few_pictures_of_a_label_refuse_only_what_they_prove() -> None:
    unlucky = decide(metrics(recall__art=wilson(1, 2).to_json()), LABELS, SETTINGS)
    assert unlucky.provisional
    proved = decide(metrics(recall__art=wilson(0, 8).to_json()), LABELS, SETTINGS)
    assert failed(proved) == ["recall of art"]


def rival(**changes: Any) -> Rival:
    figures: dict[str, Any] = {
        "version": "lite0-1a2b3c4d (version 2)",
        "labels": LABELS,
        "measured_on": 100,
        "known": Paired(100, 2, 3),
        "none": Paired(40, 1, 1),
    }
    return Rival(**(figures | changes))


def test_an_equal_model_replaces_the_champion() -> None:
    assert decide(metrics(), LABELS, SETTINGS, rival()).passed


def test_a_worse_model_is_refused() -> None:
    decision = decide(metrics(), LABELS, SETTINGS, rival(known=Paired(100, 9, 1)))
    assert failed(decision) == ["against the champion"]
    assert "lite0-1a2b3c4d (version 2) alone is right on 9 of the same 100 pictures" in decision.reasons[0]


def test_a_model_that_knows_worse_what_it_does_not_know_is_refused() -> None:
    decision = decide(metrics(), LABELS, SETTINGS, rival(none=Paired(40, 6, 0)))
    assert failed(decision) == ["against it, none of these"]


def test_other_labels_leave_the_floors_to_decide_and_say_so() -> None:
    other = rival(labels=("cat", "dog"), known=None, none=None)
    decision = decide(metrics(), LABELS, SETTINGS, other)
    assert decision.passed
    assert "knows other labels (cat, dog)" in decision.gates[-1].note
    assert failed(decide(metrics(right=70), LABELS, SETTINGS, other))[0] == "accuracy"


def test_a_handful_of_pictures_does_not_dethrone_a_measured_champion() -> None:
    few = metrics(right=6, n=6)
    decision = decide(few, LABELS, SETTINGS, rival(known=Paired(6, 0, 0), none=None))
    assert failed(decision) == ["champion"]
    assert "pipeline.promote.stage anyway" in decision.reasons[0]
    assert decide(few, LABELS, SETTINGS, rival(measured_on=6, known=Paired(6, 0, 0), none=None)).passed


@given(st.integers(0, 100), st.integers(0, 100), st.integers(0, 100))
def test_more_losses_never_help(losses: int, more: int, gains: int) -> None:
    def verdict(count: int) -> bool:
        return decide(metrics(), LABELS, SETTINGS, rival(known=Paired(300, count, gains))).passed

    assert verdict(losses) or not verdict(losses + more)


@given(st.integers(1, 400).flatmap(lambda n: st.tuples(st.integers(0, n - 1), st.just(n))))
def test_one_more_right_answer_never_hurts(case: tuple[int, int]) -> None:
    right, n = case
    before, after = (decide(metrics(right=r, n=n), LABELS, SETTINGS) for r in (right, right + 1))
    assert after.gates[0].passed or not before.gates[0].passed


JSON = st.recursive(
    st.none() | st.booleans() | st.floats(allow_nan=True) | st.integers() | st.text(max_size=5),
    lambda inner: st.dictionaries(st.sampled_from(["value", "low", "high", "n", "p50"]), inner),
    max_leaves=6,
)


@given(st.sampled_from(sorted(metrics())), JSON)
def test_any_nonsense_in_the_manifest_is_a_decision_and_no_crash(name: str, nonsense: Any) -> None:
    figures = deepcopy(metrics())
    figures[name] = nonsense
    decision = decide(figures, LABELS, SETTINGS)
    assert decision.passed or decision.reasons


@given(JSON, st.integers(0, 30), st.integers(0, 30))
def test_every_refusal_has_a_reason(nonsense: Any, losses: int, gains: int) -> None:
    decision = decide({"accuracy": nonsense}, LABELS, SETTINGS, rival(known=Paired(60, losses, gains)))
    assert len(decision.reasons) == len(failed(decision)) > 0
    assert all(len(reason) > 20 for reason in decision.reasons)
