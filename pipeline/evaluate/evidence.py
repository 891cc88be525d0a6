"""Whether the class activation maps tell the truth: the sanity checks of the literature, on test pictures."""

import numpy as np
import onnx
from numpy.typing import NDArray
from onnx import numpy_helper
from scipy.stats import spearmanr

from bundle.engine import EVIDENCE, Engine
from pipeline.metrics.schema import Evidence
from pipeline.metrics.scores import Answers
from pipeline.models import graph

COVERED = 0.25  # share of the places that are covered
GREY = 128


def check(engine: Engine, frames: NDArray[np.uint8], answers: Answers, seed: int) -> Evidence | None:
    """Check the maps of the likeliest label of ``frames`` uint8 [n, size, size, 3]; None where there are no pictures.

    Deletion: covering the hot part must lower the label's probability more than covering as much at random (Petsiuk et
    al. 2018). Randomised head: with random weights the map must be another (Adebayo et al. 2018). Border: the share of
    the positive evidence that lies on the outermost places, beside their share of all places.
    """
    shown = answers.truth >= 0
    if not shown.any():
        return None
    random, pictures, label = np.random.default_rng(seed), frames[shown], answers.best[shown]
    before = engine.run(pictures, explain=True)
    assert before.evidence is not None
    maps = before.evidence[np.arange(len(label)), label]
    places = maps.shape[1] * maps.shape[2]
    count = max(1, round(COVERED * places))
    hottest = np.argsort(-maps.reshape(len(maps), -1), axis=1)[:, :count]
    anywhere = np.argsort(random.random((len(maps), places)), axis=1)[:, :count]
    probability = before.probabilities[np.arange(len(label)), label]
    hot, by_chance = (
        probability - engine.run(_covered(pictures, which, maps.shape[1:])).probabilities[np.arange(len(label)), label]
        for which in (hottest, anywhere)
    )
    positive = np.maximum(maps, 0)
    border = positive.sum() - positive[:, 1:-1, 1:-1].sum()
    return Evidence(
        pictures=len(maps),
        drop_hot=float(hot.mean()),
        drop_random=float(by_chance.mean()),
        correlation_random_head=_random_head(engine, pictures, maps, label, random),
        border=float(border / positive.sum()) if positive.any() else 0.0,
        border_places=1 - (maps.shape[1] - 2) * (maps.shape[2] - 2) / places,
    )


def _covered(pictures: NDArray[np.uint8], which: NDArray[np.intp], shape: tuple[int, ...]) -> NDArray[np.uint8]:
    """Copies of ``pictures`` whose places ``which`` [n, places] of a map of ``shape`` are grey."""
    covered, (rows, columns), size = pictures.copy(), shape, pictures.shape[1]
    for picture, places in zip(covered, which, strict=True):
        for place in places:
            y, x = divmod(int(place), columns)
            picture[y * size // rows : (y + 1) * size // rows, x * size // columns : (x + 1) * size // columns] = GREY
    return covered


def _random_head(
    engine: Engine,
    pictures: NDArray[np.uint8],
    maps: NDArray[np.float32],
    label: NDArray[np.intp],
    random: np.random.Generator,
) -> float:
    """Mean rank correlation of the maps with those of a head of random weights: -1..1, near 0 if the head matters."""
    model = onnx.load_from_string(engine.bundle.read(engine.bundle.manifest.variants[engine.variant].file))
    weights = next(each for each in model.graph.initializer if each.name == graph.HEAD_WEIGHTS)
    values = numpy_helper.to_array(weights)
    shuffled = random.normal(0, values.std(), values.shape).astype(np.float32)
    weights.CopyFrom(numpy_helper.from_array(shuffled, weights.name))
    (others,) = graph.infer(model.SerializeToString(), [EVIDENCE], pictures)
    pairs = zip(maps, others[np.arange(len(label)), label], strict=True)
    return float(np.nanmean([spearmanr(one.ravel(), other.ravel()).statistic for one, other in pairs]))
