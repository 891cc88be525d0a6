"""Which labels are called wrong, and when nothing is said."""

import re
from pathlib import Path

import numpy as np
import pytest
from numpy.typing import NDArray

from pipeline.core.config import compose
from pipeline.validate.checks import ValidateSettings, check_labels

CONF = Path(__file__).parents[2] / "conf"
WRONG = [3, 50, 91]
LABELS = ["art"] * 40 + ["plant"] * 40 + ["text"] * 40


def features(distance: float) -> NDArray[np.float32]:
    """Three clouds of 40 points each, their centres ``distance`` standard deviations from the origin."""
    centres = np.repeat(np.eye(3, 16), 40, axis=0) * distance
    return (centres + np.random.default_rng(0).normal(size=(120, 16))).astype(np.float32)


def find(distance: float, labels: list[str]) -> list[str]:
    """The messages, of files that are called by their index."""
    numbers = [str(index) for index in range(len(labels))]
    settings = ValidateSettings(**compose(["validate.label_error_strength=0.01"], CONF)["validate"])
    found = check_labels(numbers, labels, features(distance)[: len(labels)], numbers, settings)
    return [problem.message for problem in found]


def test_labels_that_were_made_wrong_are_found_with_the_right_one() -> None:
    labels = list(LABELS)
    for index in WRONG:
        labels[index] = "plant" if LABELS[index] == "art" else "art"
    found = [re.match(r"(\d+): .* rather (\w+) \((\d+)%\) than \w+ \((\d+)%\); move", said) for said in find(8, labels)]
    assert all(found)
    told = [each.groups() for each in found if each]
    assert {int(index): other for index, other, _, _ in told} == {index: LABELS[index] for index in WRONG}
    own = [int(own) for *_, own in told]
    assert own == sorted(own)
    assert all(int(others) > 50 > int(own) for _, _, others, own in told)


def test_right_labels_are_not_called_wrong() -> None:
    assert find(8, LABELS) == []


def test_nothing_is_said_where_the_features_do_not_tell_the_labels_apart() -> None:
    assert find(0, LABELS) == []


@pytest.mark.parametrize("labels", [[], ["art"], ["art"] * 9, ["art"] * 9 + ["plant"]])
def test_nothing_is_said_of_a_label_that_nothing_can_be_compared_with(labels: list[str]) -> None:
    assert find(8, labels) == []
