"""A probe on a few photos a label, and how well the learning curve foretells what more of them bring."""

import time
from collections.abc import Iterator
from dataclasses import dataclass

import numpy as np
import openvino
from numpy.typing import NDArray

from bundle.engine import INPUT
from pipeline.core import config
from pipeline.evaluate import learning_curve
from pipeline.evaluate.elsewhere import Fit
from pipeline.metrics.calibration import Calibration
from pipeline.metrics.intervals import Clusters
from pipeline.metrics.schema import Figure
from pipeline.models import crossval, features, graph
from pipeline.models.backbones import BACKBONES, WeightsError
from pipeline.models.head import Space
from pipeline.models.photos import Photos
from pipeline.models.settings import ModelSettings
from pipeline.train.recipe import probe

COUNTS = (1, 2, 5, 10, 20)  # photos a label
DRAWS = 5
PARTS = 4
REJECTED = 0.05
LATENCY_RUNS = 50
HALVES = 5


@dataclass(frozen=True)
class Backbone:
    """A backbone's served accuracy from elsewhere by photos a label, and all of them last; its cost in fp32."""

    name: str
    served: dict[str, Figure]
    unavailable: str  # why it could not be tried; empty where it was
    milliseconds: float
    megabytes: float


def backbones(photos: Photos) -> Iterator[Backbone]:
    """Each backbone whose weights can be had; the others with the reason why not."""
    for name in BACKBONES:
        size = config.parse("model", config.compose([f"model={name}"])["model"], ModelSettings).size
        try:
            x = features.of(photos.files(), name, size)
        except WeightsError as error:
            yield Backbone(name, {}, str(error).partition(";")[0], 0.0, 0.0)
            continue
        served = {str(count): _served(x, photos, count) for count in COUNTS}
        served["all"] = _served(x, photos, None)
        yield Backbone(name, served, "", *_cost(name, size, x, photos))


def _served(x: NDArray[np.float32], photos: Photos, count: int | None) -> Figure:
    """Served accuracy of photos whose source taught nothing, the mean over draws of ``count`` photos a label."""
    folds = photos.parts().coarse(PARTS).index
    right = np.zeros(len(folds))
    draws = DRAWS if count else 1
    for draw in range(draws):
        random = np.random.default_rng(draw)
        for fold in np.unique(folds):
            teaching = np.flatnonzero(folds != fold)
            kept = [i for i in teaching if photos.targets[i] == photos.labels]
            for label in range(photos.labels):
                own = random.permutation([i for i in teaching if photos.targets[i] == label])
                kept += list(own[:count])
            out = np.flatnonzero(folds == fold)
            right[out] += _answers_right(x, photos, np.array(sorted(kept)), out) / draws
    shown = photos.targets < photos.labels
    return Clusters([row.source or row.group for row in photos.rows], 0).mean(right, shown)


def _answers_right(
    x: NDArray[np.float32], photos: Photos, kept: NDArray[np.intp], out: NDArray[np.intp]
) -> NDArray[np.bool_]:
    """Train as `make photos` would on the photos ``kept``, and say which of ``out`` are served right."""
    where = np.zeros(len(x), bool)
    where[kept] = True
    own = photos.take(where)
    found = probe(x[where], own)
    logits = crossval.out_of_fold(x[where], own.targets, own.parts().index, len(own.outputs), found.strength)
    calibration = Calibration.of(logits, own.targets, photos.labels, REJECTED)
    answers = found.head.logits(x[out])
    right = answers[:, : photos.labels].argmax(1) == photos.targets[out]
    return np.asarray(right & (calibration.id_scores(answers, photos.labels) >= calibration.threshold))


def _cost(name: str, size: int, x: NDArray[np.float32], photos: Photos) -> tuple[float, float]:
    """Median milliseconds of one inference in fp32 on one thread, and megabytes of the file."""
    head = Space(x).fitted(photos.targets, len(photos.outputs), crossval.STRENGTHS[0])
    served = graph.with_head(graph.pretrained(name, size), head, 1.0, photos.outputs[: photos.labels])
    model, megabytes = openvino.Core().read_model(served), len(served) / 1e6
    model.reshape([1, size, size, 3])
    options = {"INFERENCE_NUM_THREADS": 1, "INFERENCE_PRECISION_HINT": "f32"}
    compiled = openvino.compile_model(model, "CPU", options)
    frame = np.zeros((1, size, size, 3), np.uint8)
    times = []
    for _ in range(LATENCY_RUNS):
        start = time.perf_counter()
        compiled({INPUT: frame})
        times.append((time.perf_counter() - start) * 1e3)
    return float(np.median(times)), megabytes


@dataclass(frozen=True)
class Foretold:
    """Gains of served accuracy of a label from doubling its photos: foretold from half, and what the rest brought."""

    label: str
    photos: int
    foretold: float | None
    low: float | None
    high: float | None
    brought: float


def curve(photos: Photos, backbone: str, size: int, strength: float) -> Iterator[Foretold]:
    """The learning curve held against what happened, for several random halves."""
    x, fit = features.of(photos.files(), backbone, size), Fit(strength, REJECTED)
    space, apart = Space(x), photos.parts()
    everything = np.ones(len(photos.rows), bool)
    for half in range(HALVES):
        random = np.random.default_rng(half)
        for label, name in enumerate(photos.outputs[: photos.labels]):
            own = np.flatnonzero(photos.targets == label)
            kept = everything.copy()
            kept[random.permutation(own)[len(own) // 2 :]] = False
            more = int((~kept).sum())
            gain = learning_curve.gains(x[kept], photos.take(kept), fit, half, more)[name]
            before, after = (
                learning_curve.label_accuracies(space, photos, apart, each, fit)[label] for each in (kept, everything)
            )
            yield Foretold(name, int(kept[own].sum()), gain.expected, gain.low, gain.high, after - before)
