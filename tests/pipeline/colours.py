"""Red and green pictures, and settings: what a few steps learn to tell apart."""

import hashlib
from pathlib import Path

import numpy as np
from PIL import Image

from pipeline.data.split import SplitRow
from pipeline.models.photos import Classes, Photos
from pipeline.models.settings import ModelSettings
from pipeline.train.settings import AugmentSettings, TrainSettings

SIZE = 32
GENTLE = AugmentSettings(min_scale=0.8, quarter_turns=0, max_rotate=0, max_warp=0, max_light=0.1, degrade=0)
MODEL = ModelSettings(backbone="efficientnet_lite0", size=SIZE)
COLOURS = {"art": (220, 40, 40), "plant": (40, 200, 60)}


def paint(folder: Path, *, valid: int = 4, train: int = 8) -> list[SplitRow]:
    """Write so many pictures of each label and side into the new ``folder``; return their rows."""
    rng, rows = np.random.default_rng(0), []
    for label, colour in COLOURS.items():
        (folder / label).mkdir(parents=True)
        for i in range(valid + train):
            pixels = (np.array(colour) + rng.normal(0, 30, (40, 40, 3))).clip(0, 255).astype(np.uint8)
            path = folder / label / f"{i}.png"
            Image.fromarray(pixels).save(path)
            side = "valid" if i < valid else "train"
            sha256 = hashlib.sha256(path.read_bytes()).hexdigest()
            rows.append(SplitRow(f"{label}/{i}.png", label, f"{label}{i}", "real", side, sha256))
    return rows


def photos(folder: Path, rows: list[SplitRow]) -> Photos:
    """The photos of ``rows`` in ``folder``."""
    return Photos.of(rows, folder, Classes.of(rows, "other"))


def settings(**changed: float | str) -> TrainSettings:
    """Two epochs of fine-tuning, on one thread."""
    values = {
        "recipe": "finetune",
        "epochs": 2,
        "averaging": 0.5,
        "batch_size": 8,
        "epoch_pictures": 64,
        "base_lr": 2e-3,
        "lr_mult": 20,
        "weight_decay": 0.05,
        "label_smoothing": 0.1,
        "dropout": 0.2,
        "seed": 1,
        "threads": 1,
    }
    return TrainSettings.model_validate(values | changed)
