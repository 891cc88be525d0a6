"""Plots of an evaluation: tables that DVC draws (`dvc plots show`), and a sheet of the worst mistakes."""

import csv
import io
from dataclasses import astuple
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray
from PIL import Image, ImageColor, ImageDraw, ImageFont

from bundle.engine import Engine
from pipeline.core import files
from pipeline.metrics.calibration import reliability_bins
from pipeline.metrics.schema import Metrics
from pipeline.metrics.scores import Answers

FOLDER = Path("reports/plots")
WORST, COLUMNS = 12, 2  # pictures in the sheet of mistakes, and how many stand side by side
CAPTION, GAP = 34, 8  # pixels
NONE = "none of these"


def write(test: Answers, left_out: Answers, frames: NDArray[np.uint8], engine: Engine, metrics: Metrics) -> None:
    """Write all plots.

    Args:
        test: answers to the test ``frames``, from which the mistakes come.
        left_out: answers from elsewhere, from which confusion and reliability come.
        frames: uint8 [n, size, size, 3].
        engine: draws what the mistakes were made of.
        metrics: of the model.
    """
    names, shown = (*left_out.labels, NONE), left_out.truth >= 0
    bins = reliability_bins(left_out.probabilities.max(1)[shown], (left_out.best == left_out.truth)[shown])
    pairs = [(names[t], names[a]) for t, a in zip(left_out.truth, left_out.answer, strict=True)]
    conditions = [(name, f.served_accuracy, f.fnr) for name, f in metrics.robustness.items()]
    _csv("confusion.csv", ("truth", "answer"), pairs)
    _csv("reliability.csv", ("confidence", "share_right", "pictures"), list(map(astuple, bins)))
    _csv("robustness.csv", ("condition", "accuracy", "none_of_these"), conditions)
    _mistakes(test, frames, engine, names)


def _mistakes(answers: Answers, frames: NDArray[np.uint8], engine: Engine, names: tuple[str, ...]) -> None:
    """The pictures that got a wrong answer, then those that nearly did, each beside the map of its likeliest label."""
    own = answers.probabilities[np.arange(len(answers.truth)), answers.truth] * answers.id_score
    rightness = np.where(answers.truth >= 0, own, 1 - answers.id_score)
    wrong = answers.answer != answers.truth
    order = np.lexsort((rightness, ~wrong))[:WORST]
    maps = engine.run(frames[order], explain=True).evidence
    assert maps is not None
    size, font = frames.shape[1], ImageFont.load_default(13)
    across, down = 2 * size + GAP, size + CAPTION + GAP
    sheet = Image.new("RGB", (COLUMNS * across + GAP, -(-len(order) // COLUMNS) * down + GAP), "#ffffff")
    draw = ImageDraw.Draw(sheet)
    for place, i in enumerate(order):
        x, y = GAP + place % COLUMNS * across, GAP + place // COLUMNS * down
        sheet.paste(Image.fromarray(frames[i]), (x, y))
        sheet.paste(_overlaid(frames[i], maps[place, answers.best[i]]), (x + size, y))
        truth = names[answers.truth[i]] + ("" if wrong[i] else " (right, barely)")
        likeliest = f"{answers.labels[answers.best[i]]} {answers.probabilities[i].max():.0%}"
        said = f"{names[answers.answer[i]]}; {likeliest}, in-distribution score {answers.id_score[i]:.2f}"
        draw.text((x, y + size + 1), truth, "#1f2430", font)
        draw.text((x, y + size + 17), said, "#9c3b2e", font)
    buffer = io.BytesIO()
    sheet.save(buffer, "PNG")
    files.write_bytes(FOLDER / "worst_mistakes.png", buffer.getvalue())


def _overlaid(picture: NDArray[np.uint8], evidence: NDArray[np.float32]) -> Image.Image:
    """The picture uint8 [size, size, 3], grey, with the positive part of a map [height, width] in colour over it."""
    positive = np.maximum(evidence, 0) / max(float(evidence.max()), 1e-6)
    heat = Image.fromarray((positive * 0.7 * 255).astype(np.uint8)).resize(picture.shape[:2], Image.Resampling.BICUBIC)
    grey = Image.fromarray(picture).convert("L").convert("RGB")
    return Image.composite(Image.new("RGB", grey.size, ImageColor.getrgb("#ff7a00")), grey, heat)


def _csv(name: str, columns: tuple[str, ...], rows: list[Any]) -> None:
    text = io.StringIO()
    csv.writer(text, lineterminator="\n").writerows([columns, *rows])
    files.write_text(FOLDER / name, text.getvalue())
