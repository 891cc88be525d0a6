"""Pictures that show what figures say: confusion, mistakes, calibration."""

import io
from collections.abc import Sequence
from pathlib import Path

import numpy as np
from matplotlib.figure import Figure  # draws to files by itself: pyplot would ask for a screen
from numpy.typing import NDArray
from PIL import Image, ImageDraw, ImageFont

from pipeline.core import files
from pipeline.metrics.calibration import Bin

INK, PAPER, ACCENT = "#1f2430", "#ffffff", "#2f6f4f"
CAPTION_HEIGHT = 34  # pixels under each picture of a sheet


def confusion_matrix(
    path: Path,
    names: Sequence[str],
    truth: Sequence[int],
    answers: Sequence[int],
    columns: Sequence[str] | None = None,
) -> Path:
    """Draw how often each truth (rows, ``names``) got each answer (``columns``, by default ``names``), in pictures."""
    columns = columns or names
    counts = np.zeros((len(names), len(columns)), int)
    np.add.at(counts, (np.asarray(truth, int), np.asarray(answers, int)), 1)
    figure = Figure(figsize=(2 + 0.8 * len(columns), 1.6 + 0.7 * len(names)), layout="constrained")
    axes = figure.add_subplot()
    axes.imshow(counts / np.maximum(counts.sum(1, keepdims=True), 1), cmap="Greens", vmin=0, vmax=1)
    axes.set_xticks(range(len(columns)), columns, rotation=45 if len(columns) > 4 else 0)
    axes.set_yticks(range(len(names)), names)
    axes.set_xlabel("answer")
    axes.set_ylabel("truth")
    if len(names) <= 20:
        for (row, column), count in np.ndenumerate(counts):
            share = count / max(counts[row].sum(), 1)
            axes.text(column, row, str(count), ha="center", va="center", color=PAPER if share > 0.5 else INK)
    return save(figure, path)


def reliability(path: Path, before: Sequence[Bin], after: Sequence[Bin]) -> Path:
    """Draw the share of right answers over confidence, before and after temperature."""
    figure = Figure(figsize=(4.6, 4.2), layout="constrained")
    axes = figure.add_subplot()
    axes.plot([0, 1], [0, 1], color="#bbbbbb", linewidth=1, label="perfect")
    for name, bins, colour in (("before temperature", before, "#c07a2c"), ("as served", after, ACCENT)):
        confidence, right = [b.confidence for b in bins], [b.accuracy for b in bins]
        axes.plot(confidence, right, color=colour, label=name)
        axes.scatter(
            confidence, right, s=[20 + 6 * b.count for b in bins], color=colour, alpha=0.5, linewidths=0
        )
    axes.set_xlabel("confidence")
    axes.set_ylabel("share right (area: pictures)")
    axes.set_xlim(0, 1.03)
    axes.set_ylim(0, 1.05)
    axes.legend(frameon=False, loc="upper left")
    return save(figure, path)


def histogram(path: Path, id_score: Sequence[float], unknown: Sequence[float], threshold: float) -> Path:
    """Draw how sure the model is that a picture shows a label, for pictures that do and that don't, in 0..1."""
    figure = Figure(figsize=(5.2, 3.2), layout="constrained")
    axes = figure.add_subplot()
    bins = np.linspace(0, 1, 26)
    axes.hist(
        [id_score, unknown],
        bins=list(bins),
        color=[ACCENT, "#9a9a9a"],
        label=["one of the labels", "none of them"],
    )
    axes.axvline(threshold, color=INK, linewidth=1, label=f"threshold {threshold:.2f}")
    axes.set_xlabel("id_score")
    axes.set_ylabel("pictures")
    axes.legend(frameon=False)
    return save(figure, path)


def save(figure: Figure, path: Path) -> Path:
    """Write ``figure`` as PNG, without a date or a program's version in it."""
    buffer = io.BytesIO()
    figure.savefig(buffer, format="png", dpi=110, metadata={"Software": None})
    files.write_bytes(path, buffer.getvalue())
    return path


def picture_sheet(
    path: Path, pictures: Sequence[tuple[NDArray[np.uint8], str, str]], columns: int = 4
) -> Path:
    """Write a sheet of pictures (uint8 [size, size, 3], first caption, second caption)."""
    side = pictures[0][0].shape[0] if pictures else 224
    rows = max(1, -(-len(pictures) // columns))
    sheet = Image.new("RGB", (columns * (side + 8) + 8, rows * (side + CAPTION_HEIGHT + 8) + 8), PAPER)
    draw = ImageDraw.Draw(sheet)
    font = ImageFont.load_default(13)
    for index, (picture, first, second) in enumerate(pictures):
        x = 8 + index % columns * (side + 8)
        y = 8 + index // columns * (side + CAPTION_HEIGHT + 8)
        sheet.paste(Image.fromarray(picture), (x, y))
        draw.text((x, y + side + 1), first, INK, font)
        draw.text((x, y + side + 17), second, "#9c3b2e", font)
    buffer = io.BytesIO()
    sheet.save(buffer, "PNG")
    files.write_bytes(path, buffer.getvalue())
    return path
