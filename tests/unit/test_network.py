"""The network's head and the average of two networks' weights."""

import numpy as np
import pytest
import torch

from pipeline.models.head import Head
from pipeline.models.network import averaged, head_of, set_head

TUNED = {"weight": torch.tensor([1.0, 2.0]), "seen": torch.tensor(7)}
PRETRAINED = {"weight": torch.tensor([3.0, -2.0]), "seen": torch.tensor(0)}


@pytest.mark.parametrize(("share", "expected"), [(0.0, [3.0, -2.0]), (1.0, [1.0, 2.0]), (0.25, [2.5, -1.0])])
def test_share_0_is_the_pretrained_and_1_the_tuned(share: float, expected: list[float]) -> None:
    found = averaged(TUNED, PRETRAINED, share)
    assert found["weight"].tolist() == expected
    assert int(found["seen"]) == 7  # a counter has no average


def test_the_head_that_is_put_in_comes_out_and_decides() -> None:
    whole = torch.nn.Sequential(torch.nn.Identity(), torch.nn.Sequential(torch.nn.Linear(4, 2)))
    head = Head(np.arange(8, dtype=np.float32).reshape(2, 4), np.array([0.5, -1], np.float32))
    set_head(whole, head)
    found = head_of(whole)
    assert np.array_equal(found.weights, head.weights)
    assert np.array_equal(found.bias, head.bias)
    x = np.ones((1, 4), np.float32)
    with torch.no_grad():
        assert whole(torch.from_numpy(x)).numpy() == pytest.approx(head.logits(x))
