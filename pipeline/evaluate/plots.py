"""Plots of an evaluation, for DVC (CSV), for MLflow and for people (PNG)."""

import csv
import io
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

from pipeline.core import files
from pipeline.metrics import figures
from pipeline.metrics.calibration import reliability_bins, tempered
from pipeline.metrics.measure import Answers

FOLDER = Path("reports/plots")
WORST = 12  # pictures in the sheet of mistakes
NONE = "none of these"


def write(answers: Answers, frames: NDArray[np.uint8], metrics: dict[str, Any]) -> list[Path]:
    """Write all plots of ``answers`` to the test ``frames`` and return their paths."""
    names = (*answers.labels, NONE)
    shown = answers.take(answers.truth >= 0)
    plain = tempered(shown.probabilities, 1 / shown.temperature)
    before, after = reliability_bins(plain, shown.truth), reliability_bins(shown.probabilities, shown.truth)
    rows = [NONE] if (answers.truth < 0).any() else []
    return [
        _csv(
            "confusion.csv",
            ("truth", "answer"),
            [(names[t], names[a]) for t, a in zip(answers.truth, answers.answer, strict=True)],
        ),
        _csv(
            "reliability.csv",
            ("confidence", "share_right", "pictures"),
            [(b.confidence, b.accuracy, b.count) for b in after],
        ),
        _csv(
            "robustness.csv",
            ("condition", "accuracy", "none_of_these"),
            [(name, f["accuracy"], f["none_of_these"]) for name, f in metrics["robustness"].items()],
        ),
        figures.confusion_matrix(
            FOLDER / "confusion.png",
            (*answers.labels, *rows),
            [t if t >= 0 else len(answers.labels) for t in answers.truth],
            [a if a >= 0 else len(answers.labels) for a in answers.answer],
            columns=names,
        ),
        figures.reliability(FOLDER / "reliability.png", before, after),
        figures.histogram(
            FOLDER / "none_of_these.png",
            answers.id_score[answers.truth >= 0].tolist(),
            answers.id_score[answers.truth < 0].tolist(),
            answers.threshold,
        ),
        _mistakes(answers, frames, names),
    ]


def _mistakes(answers: Answers, frames: NDArray[np.uint8], names: tuple[str, ...]) -> Path:
    """The pictures that got a wrong answer, and then those that nearly did."""
    own = answers.probabilities[np.arange(len(answers.truth)), answers.truth] * answers.id_score
    rightness = np.where(answers.truth >= 0, own, 1 - answers.id_score)
    wrong = answers.answer != answers.truth
    order = np.lexsort((rightness, ~wrong))[:WORST]
    return figures.picture_sheet(
        FOLDER / "worst_mistakes.png",
        [
            (
                frames[i],
                f"{names[answers.truth[i]]}" + ("" if wrong[i] else " (right, barely)"),
                f"{names[answers.answer[i]]}; {answers.labels[answers.best[i]]} {answers.probabilities[i].max():.0%}, "
                f"id_score {answers.id_score[i]:.2f}",
            )
            for i in order
        ],
    )


def _csv(name: str, columns: tuple[str, ...], rows: list[tuple[Any, ...]]) -> Path:
    text = io.StringIO()
    writer = csv.writer(text, lineterminator="\n")
    writer.writerow(columns)
    writer.writerows(rows)
    files.write_text(FOLDER / name, text.getvalue())
    return FOLDER / name
