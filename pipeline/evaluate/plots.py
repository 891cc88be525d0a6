"""Plots of an evaluation, for DVC (CSV), for MLflow and for people (PNG)."""

import csv
import io
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

from bundle.engine import Engine
from pipeline.core import files
from pipeline.evaluate import figures
from pipeline.metrics.calibration import reliability_bins
from pipeline.metrics.schema import Metrics
from pipeline.metrics.scores import Answers

FOLDER = Path("reports/plots")
WORST = 12  # pictures in the sheet of mistakes
NONE = "none of these"


def write(test: Answers, left_out: Answers, frames: NDArray[np.uint8], engine: Engine, metrics: Metrics) -> list[Path]:
    """Write all plots and return their paths.

    Args:
        test: answers to the test ``frames``, from which the mistakes come.
        left_out: answers from elsewhere, from which everything else comes.
        frames: uint8 [n, size, size, 3].
        engine: draws what the mistakes were made of.
        metrics: of the model.
    """
    names, shown = (*left_out.labels, NONE), left_out.truth >= 0
    bins = reliability_bins(left_out.probabilities.max(1)[shown], (left_out.best == left_out.truth)[shown])
    return [
        _csv(
            "confusion.csv",
            ("truth", "answer"),
            [(names[t], names[a]) for t, a in zip(left_out.truth, left_out.answer, strict=True)],
        ),
        _csv(
            "reliability.csv",
            ("confidence", "share_right", "pictures"),
            [(b.confidence, b.accuracy, b.count) for b in bins],
        ),
        _csv(
            "robustness.csv",
            ("condition", "accuracy", "none_of_these"),
            [(name, f.served_accuracy, f.fnr) for name, f in metrics.robustness.items()],
        ),
        figures.confusion_matrix(FOLDER / "confusion.png", names, metrics.elsewhere.variants[engine.variant].confusion),
        figures.reliability(FOLDER / "reliability.png", bins),
        figures.histogram(
            FOLDER / "none_of_these.png",
            left_out.id_score[shown].tolist(),
            left_out.id_score[~shown].tolist(),
            engine.threshold,
        ),
        _mistakes(test, frames, engine, names),
    ]


def _mistakes(answers: Answers, frames: NDArray[np.uint8], engine: Engine, names: tuple[str, ...]) -> Path:
    """The pictures that got a wrong answer, then those that nearly did, each beside the map of its likeliest label."""
    own = answers.probabilities[np.arange(len(answers.truth)), answers.truth] * answers.id_score
    rightness = np.where(answers.truth >= 0, own, 1 - answers.id_score)
    wrong = answers.answer != answers.truth
    order = np.lexsort((rightness, ~wrong))[:WORST]
    maps = engine.run(frames[order], explain=True).evidence
    assert maps is not None
    return figures.picture_sheet(
        FOLDER / "worst_mistakes.png",
        [
            (
                np.concatenate([frames[i], figures.overlaid(frames[i], maps[place, answers.best[i]])], axis=1),
                f"{names[answers.truth[i]]}" + ("" if wrong[i] else " (right, barely)"),
                f"{names[answers.answer[i]]}; {answers.labels[answers.best[i]]} {answers.probabilities[i].max():.0%}, "
                f"in-distribution score {answers.id_score[i]:.2f}",
            )
            for place, i in enumerate(order)
        ],
        columns=2,
    )


def _csv(name: str, columns: tuple[str, ...], rows: list[tuple[Any, ...]]) -> Path:
    text = io.StringIO()
    writer = csv.writer(text, lineterminator="\n")
    writer.writerow(columns)
    writer.writerows(rows)
    files.write_text(FOLDER / name, text.getvalue())
    return FOLDER / name
