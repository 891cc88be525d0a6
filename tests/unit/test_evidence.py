"""Whether the class activation maps tell the truth: on a model that looks at one spot, the checks see that it does."""

from pathlib import Path

import numpy as np
import pytest
import torch

import bundle
from bundle.engine import Engine
from pipeline.evaluate import evidence
from pipeline.metrics.scores import Answers
from pipeline.models import graph
from pipeline.models.backbones import HALF_STATS, Backbone
from pipeline.models.head import Head
from tests import tiny_bundle


def answers(truth: list[int], best: list[int]) -> Answers:
    return Answers(
        labels=("art", "plant", "text"),
        truth=np.array(truth),
        probabilities=np.eye(3)[best],
        id_score=np.ones(len(truth)),
        threshold=0.5,
        clusters=tuple(str(i) for i in range(len(truth))),
    )


@pytest.fixture
def engine(tmp_path: Path) -> Engine:
    """A real graph whose head weighs the mean colour: art is red, plant green, text blue."""
    made = tiny_bundle.make_bundle(tmp_path)
    head = Head(np.eye(3, dtype=np.float32) * 40, np.zeros(3, np.float32))
    pooled = Backbone(lambda _: torch.nn.Sequential(), 3, HALF_STATS, lambda body: (body, body))
    body = graph.export_body(torch.nn.AvgPool2d(4), pooled, made.manifest.input.size)
    (tmp_path / "model.onnx").write_bytes(graph.with_head(body, head, 1.0, made.manifest.labels))
    bundle.seal(tmp_path, made.manifest)
    return Engine(bundle.load(tmp_path), "fp32")


@pytest.fixture
def frames(engine: Engine) -> np.ndarray:
    """A red, a green and a blue spot on grey, and a picture of nothing."""
    found = np.full((4, engine.size, engine.size, 3), 128, np.uint8)
    for i in range(3):
        found[i, 8:16, 12:20] = np.eye(3)[i] * 255
    return found


def test_covering_what_the_model_looks_at_takes_its_answer_away_and_covering_anything_does_not(
    engine: Engine, frames: np.ndarray
) -> None:
    found = evidence.check(engine, frames, answers([0, 1, 2, -1], [0, 1, 2, 0]), seed=0)
    assert found is not None
    assert found.pictures == 3
    assert found.drop_hot > 0.5
    assert found.drop_hot > 2 * found.drop_random
    assert abs(found.correlation_random_head) < 0.8
    assert found.border == pytest.approx(0, abs=0.05)  # the spots lie in the middle
    assert found.border_places == pytest.approx(1 - 36 / 64)


def test_the_same_seed_gives_the_same_checks(engine: Engine, frames: np.ndarray) -> None:
    said = answers([0, 1, 2, -1], [0, 1, 2, 0])
    assert evidence.check(engine, frames, said, seed=3) == evidence.check(engine, frames, said, seed=3)


def test_without_pictures_of_the_labels_nothing_is_said(engine: Engine, frames: np.ndarray) -> None:
    assert evidence.check(engine, frames[:2], answers([-1, -1], [0, 0]), seed=0) is None


def test_only_the_places_that_are_named_are_covered_and_the_picture_itself_is_left() -> None:
    picture = np.zeros((1, 8, 8, 3), np.uint8)
    covered = evidence._covered(picture, np.array([[0, 5]]), (4, 4))
    assert not picture.any()
    grey = covered[0, :, :, 0] == evidence.GREY
    assert grey.sum() == 2 * 4
    assert grey[:2, :2].all()
    assert grey[2:4, 2:4].all()
