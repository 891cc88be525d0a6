"""The policy decides from figures alone: what passes, what is refused, and that every refusal says why."""

from collections.abc import Sequence
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import yaml
from hypothesis import given
from hypothesis import strategies as st

from bundle import VariantName
from pipeline.core import config
from pipeline.metrics.predictions import Prediction
from pipeline.promote.comparison import LABELS as ALL_LABELS
from pipeline.promote.comparison import OTHER, Comparison, compare, design_effect, difference, least_pictures
from pipeline.promote.policy import Decision, PromoteSettings, against_test, decide
from tests import measured
from tests.measured import LABELS

CONF = Path(__file__).parents[2] / "conf" / "promote" / "default.yaml"
SETTINGS = config.parse("promote", yaml.safe_load(CONF.read_text()), PromoteSettings)
RULE = SETTINGS.champion
HALF_RIGHT = {"value": 0.5, "low": 0.4, "high": 0.6, "n": 58}


def decided(
    rows: Sequence[Prediction] | None = None,
    *comparisons: Comparison,
    variants: Sequence[VariantName] = ("fp32",),
    **changes: Any,
) -> Decision:
    rows = measured.answers(variants=variants) if rows is None else rows
    metrics = measured.metrics(rows, **changes)
    return decide(metrics, rows, LABELS, variants, SETTINGS, comparisons)


def failed(decision: Decision) -> list[str]:
    return [gate.name for gate in decision.gates if not gate.passed]


def test_a_good_first_model_passes_without_reservation() -> None:
    decision = decided(variants=("fp32", "int8"))
    assert decision.passed
    assert not decision.provisional
    assert decision.reasons == []
    assert not any(gate.note for gate in decision.gates)


@pytest.mark.parametrize("variant", ["fp32", "int8"])
@pytest.mark.parametrize(
    ("path", "figure", "line"),
    [
        ("served_accuracy", (0.77, 0.68, 0.84, 180), "served accuracy"),
        ("fnr", (0.2, 0.15, 0.27, 180), "rejected (FNR)"),
        ("fpr", (0.5, 0.4, 0.6, 60), "others accepted (FPR)"),
        ("auroc", (0.7, 0.6, 0.8, 240), "none of these, AUROC"),
        ("overconfidence", (0.2, 0.15, 0.25, 180), "overconfidence"),
        ("recall__text", (0.5, 0.38, 0.62, 60), "served, text"),
    ],
)
def test_each_figure_of_each_served_variant_refuses_alone(
    variant: str, path: str, figure: tuple[float, float, float, int], line: str
) -> None:
    values = dict(zip(("value", "low", "high", "n"), figure, strict=True))
    change: dict[str, Any] = {f"elsewhere__variants__{variant}__{path}": values}
    decision = decided(variants=("fp32", "int8"), **change)
    assert failed(decision) == [line]
    assert decision.reasons[0].startswith(f"{line}, {variant}: ")


@pytest.mark.parametrize(
    ("path", "value", "line"),
    [
        ("variants__int8__agreement", 0.97, "same answer as fp32"),
        ("variants__int8__size_mb", 500.0, "size, MB"),
        ("variants__fp32__latency_ms", {"p50": 400.0, "p95": 500.0}, "latency, ms"),
        ("test__int8__served_accuracy", HALF_RIGHT, "served accuracy, test split"),
        ("parity", 0.01, "parity with torch"),
    ],
)  # fmt: skip
def test_each_property_of_the_files_refuses_alone(path: str, value: Any, line: str) -> None:
    change: dict[str, Any] = {path: value}
    assert failed(decided(variants=("fp32", "int8"), **change)) == [line]


def test_a_label_whose_pictures_are_rejected_is_refused_by_name() -> None:
    rows = [
        Prediction(p.sha256, p.group, p.truth, p.variant, "" if p.truth == "text" and i % 5 < 2 else p.answer)
        for i, p in enumerate(measured.answers())
    ]
    assert "rejected, text" in failed(decided(rows))


@pytest.mark.parametrize("where", ["elsewhere__variants", "test", "variants"])
def test_a_served_variant_without_figures_is_refused(where: str) -> None:
    rows = measured.answers(variants=("fp32", "int8"))
    metrics = measured.metrics(rows).model_dump()
    place = metrics
    for name in where.split("__"):
        place = place[name]
    del place["fp32"]
    again = measured.metrics(rows).model_validate(metrics)
    decision = decide(again, rows, LABELS, ("fp32", "int8"), SETTINGS)
    assert decision.reasons == ["figures, fp32: not measured, or of other labels; `dvc repro -f evaluate` measures it"]


def test_figures_of_other_labels_are_refused() -> None:
    rows = measured.answers(labels=("art", "plant"))
    metrics = measured.metrics(rows, ("art", "plant"))
    assert failed(decide(metrics, rows, LABELS, ("fp32",), SETTINGS)) == ["figures"]


def test_without_pictures_of_none_of_them_the_model_is_provisional() -> None:
    decision = decided(measured.answers(others=0))
    assert decision.provisional
    assert "others accepted (FPR), fp32: there are no pictures to measure it" in decision.reasons[0]


def test_eight_photos_a_label_lead_to_a_provisional_model() -> None:
    decision = decided(measured.answers(each=8, wrong=3))
    assert decision.provisional
    assert "21 right of only 24 pictures" in decision.reasons[0]


def test_few_pictures_refuse_only_what_they_prove() -> None:
    unlucky = decided(measured.answers(others=4, accepted=2))
    assert unlucky.provisional
    assert "but so few may be chance" in unlucky.reasons[0]
    assert failed(decided(measured.answers(others=8, accepted=7))) == ["others accepted (FPR)"]


def test_no_answers_from_elsewhere_are_refused_with_the_way_out() -> None:
    assert "add photos" in decide(measured.metrics(), [], LABELS, ("fp32",), SETTINGS).reasons[0]


def test_photos_of_one_sitting_are_one_evidence() -> None:
    rows = [Prediction(p.sha256, p.truth, p.truth, p.variant, p.answer) for i, p in enumerate(measured.answers(each=8))]
    assert failed(decided(rows)) == ["served accuracy"], "a guess for each of three sittings is right 1 time of 27"


def versus(delta: int, n: int, part: str = ALL_LABELS, *, prove: bool = True) -> Comparison:
    """A challenger that gains (or loses) ``delta`` of ``n`` pictures and answers the others as the champion does."""
    champion = np.arange(n) < n - max(delta, 0)
    challenger = np.arange(n) < n - max(-delta, 0)
    found = difference(champion, challenger, [str(i) for i in range(n)], RULE.confidence)
    return Comparison("the champion", "lite0-1 (version 2)", prove, {("fp32", part): found})


def test_the_same_answers_on_enough_pictures_prove_that_a_model_is_not_inferior() -> None:
    enough = int(least_pictures(RULE.margin, RULE.confidence)) + 1
    assert decided(None, versus(0, enough)).passed
    refused = decided(None, versus(0, enough - 2))
    assert failed(refused) == ["against the champion: labels"]
    assert "not proved to be within 0.02 of lite0-1 (version 2)" in refused.reasons[0]


def test_where_nothing_has_to_be_proved_only_a_worse_model_is_refused() -> None:
    assert decided(None, versus(-2, 24, prove=False)).passed
    refused = decided(None, versus(-5, 24, prove=False))
    assert "proved worse than lite0-1 (version 2), which alone is right on 5 of 24" in refused.reasons[0]


def test_others_are_judged_by_their_own_number() -> None:
    assert decided(None, versus(-1, 20, OTHER)).passed, "20 can't prove anything"
    assert not decided(None, versus(-4, 20, OTHER)).passed
    assert decided(None, versus(0, 60, OTHER)).passed
    assert not decided(None, versus(-1, 60, OTHER)).passed


def test_a_label_that_is_proved_worse_is_refused_whatever_the_others_gain() -> None:
    assert decided(None, versus(-3, 60, "text")).passed
    assert failed(decided(None, versus(-8, 60, "text"))) == ["against the champion: text"]


def test_answers_are_paired_by_photo_and_label_and_variant() -> None:
    theirs = measured.answers(each=4, variants=("fp32", "int8"))
    ours = [*measured.answers(each=4, wrong=1, accepted=2), *measured.answers(each=3, batch="new")]
    ours[3] = Prediction(ours[3].sha256, ours[3].group, "plant", "fp32", "plant")  # relabelled
    compared = compare("the champion", "c", theirs, ours, LABELS, RULE.confidence)
    assert not compared.prove
    found = compared.differences
    counts = {part: (d.pictures, d.losses, d.gains) for (_, part), d in found.items()}
    assert {variant for variant, _ in found} == {"fp32"}
    assert counts == {
        ALL_LABELS: (11, 1, 0), "art": (3, 1, 0), "plant": (4, 0, 0), "text": (4, 0, 0), OTHER: (4, 2, 0)
    }  # fmt: skip


def test_a_file_that_is_proved_worse_on_the_same_test_split_is_refused() -> None:
    champion = measured.metrics(test__fp32__served_accuracy={"value": 0.9, "low": 0.8, "high": 0.95, "n": 58})
    for high, passed in ((0.79, False), (0.81, True)):
        figure = {"value": 0.75, "low": 0.7, "high": high, "n": 58}
        (gate,) = against_test(measured.metrics(test__fp32__served_accuracy=figure), champion, ["fp32"])
        assert (gate.passed, "proved worse" in gate.note) == (passed, not passed)


def test_the_limits_are_tangos() -> None:
    """Against the worked example in Fagerland, Lydersen and Laake, Statistics in Medicine 33 (2014) 2850-2875."""
    right = np.array([[1, 1]] * 1 + [[1, 0]] * 1 + [[0, 1]] * 7 + [[0, 0]] * 12, dtype=bool)
    found = difference(right[:, 1], right[:, 0], [str(i) for i in range(21)], 0.975)
    assert (found.pictures, found.losses, found.gains) == (21, 7, 1)
    assert (found.value, found.low, found.high) == pytest.approx((-6 / 21, -0.517, -0.026), abs=5e-4)


def test_pictures_of_a_group_are_counted_as_fewer() -> None:
    values = np.repeat([0.0, 1.0, 0.0, 0.0, -1.0, 0.0], 5)
    groups = np.repeat(list("abcdef"), 5).tolist()
    assert design_effect(values, groups) == pytest.approx(5, rel=0.25)
    assert design_effect(values, [str(i) for i in range(30)]) == pytest.approx(1)
    assert design_effect(np.zeros(30), groups) == 5
    assert design_effect(np.ones(3), list("aaa")) == 3


@given(
    st.integers(1, 80).flatmap(lambda n: st.tuples(*(st.lists(st.booleans(), min_size=n, max_size=n),) * 2)),
    st.integers(1, 9),
)
def test_limits_hold_the_difference_between_them_and_mirror(
    answers: tuple[list[bool], list[bool]], groups: int
) -> None:
    one, other = (np.array(each) for each in answers)
    names = [str(i % groups) for i in range(len(one))]
    found, back = difference(one, other, names, 0.95), difference(other, one, names, 0.95)
    assert -1 <= found.low <= found.value <= found.high <= 1
    assert found.low == pytest.approx(-back.high, abs=1e-6)


def passes(n: int, worse: float, *, churn: float = 0.02, runs: int, right: float = 0.9) -> float:
    """How often a challenger passes that is ``worse``, a share, and besides loses and gains ``churn`` by chance."""
    random = np.random.default_rng(0)
    names, rows, passed = [str(i) for i in range(n)], measured.answers(), 0
    metrics = measured.metrics(rows)
    for _ in range(runs):
        champion, u = random.random(n) < right, random.random(n)
        challenger = np.where(champion, u >= (worse + churn) / right, u < churn / (1 - right))
        found = difference(champion, challenger, names, RULE.confidence)
        comparison = Comparison("the champion", "c", True, {("fp32", ALL_LABELS): found})
        passed += decide(metrics, rows, LABELS, ("fp32",), SETTINGS, [comparison]).passed
    return passed / runs


@pytest.mark.parametrize("n", [6, 58, 355])
def test_a_challenger_ten_points_worse_practically_never_passes(n: int) -> None:
    """The rule before this one let it pass 58 times of 100 at n = 58, and always at n = 6."""
    assert passes(n, 0.10, runs=500) <= 0.002


def test_a_challenger_that_is_worse_by_the_margin_passes_one_time_of_twenty() -> None:
    assert passes(355, RULE.margin, runs=1000) == pytest.approx(0.05, abs=0.02)


@pytest.mark.parametrize(("n", "churn", "least"), [(355, 0.01, 0.7), (355, 0.0, 1.0), (546, 0.01, 0.85)])
def test_an_equally_good_challenger_passes_as_a_rule(n: int, churn: float, least: float) -> None:
    assert passes(n, 0.0, churn=churn, runs=300) >= least


@pytest.mark.parametrize("rejects", [0.0, 0.1])
@pytest.mark.parametrize("sittings", [None, 2, 4])
def test_a_guesser_is_practically_never_promoted_on_three_times_eight_photos(
    sittings: int | None, rejects: float
) -> None:
    """Before, 41 to 70 times of 100. It guesses for each photo, or for each of the ``sittings`` of a label."""
    random = np.random.default_rng(0)
    rows, passed, runs = measured.answers(each=8, others=0), 0, 3000
    for _ in range(runs):
        made = []
        guesses: dict[str, str] = {}
        for i, row in enumerate(rows):
            group = row.group if sittings is None else f"{row.truth}{i // 3 % sittings}"
            guess = "" if random.random() < rejects else LABELS[random.integers(3)]
            answer = guesses.setdefault(group, guess)
            made.append(Prediction(row.sha256, group, row.truth, row.variant, answer))
        likely = sum(row.right(LABELS) for row in made) > len(made) / 2  # the others need no judging
        passed += likely and decided(made).passed
    assert passed / runs <= 0.0025


def test_half_right_of_three_times_eight_photos_is_a_guess() -> None:
    assert failed(decided(measured.answers(each=8, wrong=12)))[0] == "served accuracy"
