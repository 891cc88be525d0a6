"""Red and green pictures, and settings: what a few steps learn to tell apart."""

from pathlib import Path

import numpy as np
from PIL import Image

from pipeline.data.split import SplitRow
from pipeline.models.backbones import BACKBONES
from pipeline.train.augment import AugmentSettings
from pipeline.train.finetune import TrainSettings

SIZE = 32
GENTLE = AugmentSettings(min_scale=0.8, quarter_turns=0, max_rotate=0, max_warp=0, max_light=0.1, degrade=0)
BACKBONE = BACKBONES["efficientnet_lite0"]
COLOURS = {"art": (220, 40, 40), "plant": (40, 200, 60)}


def paint(folder: Path, *, valid: int = 4, train: int = 8) -> list[SplitRow]:
    """Write so many pictures of each label and side into the new ``folder``; return their rows."""
    rng, rows = np.random.default_rng(0), []
    for label, colour in COLOURS.items():
        (folder / label).mkdir(parents=True)
        for i in range(valid + train):
            pixels = (np.array(colour) + rng.normal(0, 30, (40, 40, 3))).clip(0, 255).astype(np.uint8)
            Image.fromarray(pixels).save(folder / label / f"{i}.png")
            side = "valid" if i < valid else "train"
            rows.append(SplitRow(f"{label}/{i}.png", label, str(i), "real", side, ""))
    return rows


def settings(**changed: float) -> TrainSettings:
    """One epoch of the head and two of everything, on one thread."""
    values = {
        "freeze_epochs": 1,
        "epochs": 2,
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
