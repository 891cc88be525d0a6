"""The settings of training: sections ``augment`` and ``train``."""

from typing import Literal

from pydantic import Field

from pipeline.core.config import Settings


class AugmentSettings(Settings):
    """Section ``augment``: probabilities in 0..1, strengths as fastai defines them."""

    min_scale: float = Field(ge=0.05, le=1)  # smallest part of the picture's area that a training crop shows
    quarter_turns: float = Field(ge=0, le=1)  # probability of a turn by 90, 180 or 270 degrees or a mirror image
    max_rotate: float = Field(ge=0, le=45)  # degrees
    max_warp: float = Field(ge=0, le=0.8)  # perspective
    max_light: float = Field(ge=0, lt=1)  # brightness, contrast and saturation
    degrade: float = Field(ge=0, le=1)  # probability of each of blur, noise, compression


class TrainSettings(Settings):
    """Section ``train``; see conf/train/ for the reason of each value."""

    recipe: Literal["probe", "finetune", "scratch"]
    epochs: int = Field(ge=1)  # of fine-tuning
    averaging: float = Field(ge=0, le=1)  # share of the fine-tuned weights in the average with the pretrained
    batch_size: int = Field(ge=2)
    epoch_pictures: int = Field(ge=1)  # an epoch shows at least this many; small sets are shown several times
    base_lr: float = Field(gt=0)  # of the head
    lr_mult: float = Field(ge=1)  # the earliest layers learn this many times slower than the head
    weight_decay: float = Field(ge=0)
    label_smoothing: float = Field(ge=0, lt=1)
    dropout: float = Field(ge=0, lt=1)
    seed: int = Field(ge=0)
    threads: int = Field(ge=0)  # of torch on a CPU; 0: one a core
