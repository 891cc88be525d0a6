"""Pictures that show what figures say: confusion, mistakes, calibration."""

import io
from collections.abc import Sequence
from pathlib import Path

import numpy as np
from matplotlib.figure import Figure  # draws to files by itself: pyplot would ask for a screen
from numpy.typing import NDArray
from PIL import Image, ImageColor, ImageDraw, ImageFont
from sklearn.metrics import ConfusionMatrixDisplay

from pipeline.core import files
from pipeline.metrics.calibration import Bin

INK, PAPER, ACCENT = "#1f2430", "#ffffff", "#2f6f4f"
CAPTION_HEIGHT = 34  # pixels under each picture of a sheet


def confusion_matrix(path: Path, names: Sequence[str], counts: Sequence[Sequence[int]]) -> Path:
    """Draw how often each truth (rows, ``names``) got each answer (columns), in pictures."""
    size = len(names)
    figure = Figure(figsize=(2 + 0.8 * size, 1.6 + 0.7 * size), layout="constrained")
    axes = figure.add_subplot()
    shown = ConfusionMatrixDisplay(np.asarray(counts), display_labels=list(names))
    shown.plot(ax=axes, cmap="Greens", colorbar=False, include_values=size <= 20)
    axes.set_xlabel("answer")
    axes.set_ylabel("truth")
    return save(figure, path)


def reliability(path: Path, bins: Sequence[Bin]) -> Path:
    """Draw the share of right answers over confidence, as served."""
    figure = Figure(figsize=(4.6, 4.2), layout="constrained")
    axes = figure.add_subplot()
    axes.plot([0, 1], [0, 1], color="#bbbbbb", linewidth=1, label="perfect")
    confidence, right = [b.confidence for b in bins], [b.accuracy for b in bins]
    axes.plot(confidence, right, color=ACCENT, marker="o", label="from elsewhere, as served")
    axes.set_xlabel("confidence")
    axes.set_ylabel("share right")
    axes.set_xlim(0, 1.03)
    axes.set_ylim(0, 1.05)
    axes.legend(frameon=False, loc="upper left")
    return save(figure, path)


def overlaid(picture: NDArray[np.uint8], evidence: NDArray[np.float32]) -> NDArray[np.uint8]:
    """The picture uint8 [size, size, 3], grey, with the positive part of a map [height, width] in colour over it."""
    size = picture.shape[0]
    positive = np.maximum(evidence, 0) / max(float(evidence.max()), 1e-6)
    heat = Image.fromarray((positive * 255).astype(np.uint8)).resize((size, size), Image.Resampling.BICUBIC)
    share = np.asarray(heat, float)[:, :, None] / 255 * 0.7
    grey = np.asarray(Image.fromarray(picture).convert("L").convert("RGB"), float)
    return (grey * (1 - share) + np.array(ImageColor.getrgb("#ff7a00")) * share).astype(np.uint8)


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
    axes.set_xlabel("in-distribution score")
    axes.set_ylabel("pictures")
    axes.legend(frameon=False)
    return save(figure, path)


def save(figure: Figure, path: Path) -> Path:
    """Write ``figure`` as PNG, without a date or a program's version in it."""
    buffer = io.BytesIO()
    figure.savefig(buffer, format="png", dpi=110, metadata={"Software": None})
    files.write_bytes(path, buffer.getvalue())
    return path


def picture_sheet(path: Path, pictures: Sequence[tuple[NDArray[np.uint8], str, str]], columns: int = 4) -> Path:
    """Write a sheet of pictures (uint8 [height, width, 3], first caption, second caption), all of one size."""
    side, width = pictures[0][0].shape[:2] if pictures else (224, 224)
    rows = max(1, -(-len(pictures) // columns))
    sheet = Image.new("RGB", (columns * (width + 8) + 8, rows * (side + CAPTION_HEIGHT + 8) + 8), PAPER)
    draw = ImageDraw.Draw(sheet)
    font = ImageFont.load_default(13)
    for index, (picture, first, second) in enumerate(pictures):
        x = 8 + index % columns * (width + 8)
        y = 8 + index // columns * (side + CAPTION_HEIGHT + 8)
        sheet.paste(Image.fromarray(picture), (x, y))
        draw.text((x, y + side + 1), first, INK, font)
        draw.text((x, y + side + 17), second, "#9c3b2e", font)
    buffer = io.BytesIO()
    sheet.save(buffer, "PNG")
    files.write_bytes(path, buffer.getvalue())
    return path
