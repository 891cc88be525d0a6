"""The average of two networks' weights."""

import pytest
import torch

from pipeline.models.network import averaged

TUNED = {"weight": torch.tensor([1.0, 2.0]), "seen": torch.tensor(7)}
PRETRAINED = {"weight": torch.tensor([3.0, -2.0]), "seen": torch.tensor(0)}


@pytest.mark.parametrize(("share", "expected"), [(0.0, [3.0, -2.0]), (1.0, [1.0, 2.0]), (0.25, [2.5, -1.0])])
def test_share_0_is_the_pretrained_and_1_the_tuned(share: float, expected: list[float]) -> None:
    found = averaged(TUNED, PRETRAINED, share)
    assert found["weight"].tolist() == expected
    assert int(found["seen"]) == 7  # a counter has no average
