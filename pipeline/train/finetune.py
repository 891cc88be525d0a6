"""Fine-tuning with fastai: the whole network, early layers slowest, batch norm as it was pretrained.

Howard & Ruder 2018 (ULMFiT) for discriminative rates, Smith 2018 for the one-cycle schedule, Hendrycks et al. 2019
(outlier exposure) for showing the network pictures of none of the labels.
"""

import math
import os
import time
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np
import torch
from numpy.typing import NDArray
from torch import nn

from pipeline.core import torchvision_ops  # noqa: F401  (before fastai)
from pipeline.core.errors import PipelineError
from pipeline.models.backbones import Backbone
from pipeline.models.photos import Photos
from pipeline.models.settings import ModelSettings
from pipeline.train.distributed import AveragedGradients, shared
from pipeline.train.loaders import class_weights, dataloaders
from pipeline.train.processes import Processes
from pipeline.train.settings import AugmentSettings, TrainSettings

from fastai.torch_core import set_seed  # isort: skip
from fastai.vision.all import (  # isort: skip
    AccumMetric,
    Callback,
    CancelFitException,
    CrossEntropyLossFlat,
    Learner,
    TrainEvalCallback,
)


@dataclass(frozen=True)
class Epoch:
    """What is known after an epoch; losses in nats, accuracy in 0..1 over the validation pictures of the labels."""

    number: int
    of: int
    train_loss: float
    valid_loss: float
    accuracy: float
    learning_rate: float
    seconds: float


def seed_everything(seed: int) -> None:
    """Seed every generator that training draws from, and have torch refuse what is not deterministic."""
    set_seed(seed, reproducible=True)
    os.environ.setdefault("CUBLAS_WORKSPACE_CONFIG", ":4096:8")  # else cuBLAS is not deterministic
    torch.use_deterministic_algorithms(True, warn_only=True)
    torch.utils.deterministic.fill_uninitialized_memory = False  # type: ignore[attr-defined]  # finds bugs, at a third of the time


class Epochs(Callback):  # type: ignore[misc]
    """Hands each finished epoch to ``report``, and stops a training whose loss is no number any more."""

    order = 60  # after fastai's Recorder, whose figures it reads

    def __init__(self, of: int, report: Callable[[Epoch], None]) -> None:
        self.of, self.report, self.done, self.clock = of, report, 0, 0.0
        self.diverged: PipelineError | None = None

    def before_epoch(self) -> None:
        self.clock = time.perf_counter()

    def after_epoch(self) -> None:
        train_loss, valid_loss, accuracy = (float(value) for value in self.learn.recorder.values[-1])
        self.done += 1
        if not math.isfinite(train_loss):
            # An error raised here would reach the user wrapped in fastai's own words.
            self.diverged = PipelineError(
                f"training diverged in epoch {self.done} (loss {train_loss}); lower train.base_lr in conf/train/"
            )
            raise CancelFitException
        rate = float(self.learn.opt.hypers[-1]["lr"])
        self.report(Epoch(self.done, self.of, train_loss, valid_loss, accuracy, rate, time.perf_counter() - self.clock))


class PretrainedStatistics(Callback):  # type: ignore[misc]
    """Leaves batch norm's mean and variance as pretrained; fastai's BnFreeze does so in frozen layers only."""

    run_after = TrainEvalCallback

    def before_train(self) -> None:
        for layer in self.learn.model.modules():
            if isinstance(layer, nn.BatchNorm2d):
                layer.eval()


def label_accuracy(labels: int) -> Callable[[torch.Tensor, torch.Tensor], torch.Tensor]:
    """Accuracy over the pictures of the first ``labels`` classes, none-of-these left out of pictures and answers."""

    def accuracy(logits: torch.Tensor, targets: torch.Tensor) -> torch.Tensor:
        logits, targets = (
            logits.as_subclass(torch.Tensor),
            targets.as_subclass(torch.Tensor),
        )  # not fastai's own
        known = targets < labels
        return (logits[known, :labels].argmax(1) == targets[known]).float().mean()

    return accuracy


def finetune(
    network: nn.Sequential,
    photos: Photos,
    teaching: NDArray[np.bool_],
    model: ModelSettings,
    settings: TrainSettings,
    augment: AugmentSettings,
    *,
    report: Callable[[Epoch], None],
    processes: Processes,
    callbacks: Sequence[Any] = (),
) -> None:
    """Fine-tune ``network`` in place on the photos of ``teaching`` [n]; see `pipeline.train.recipe.train`.

    Raises:
        PipelineError: the loss stopped being a number.
    """
    backbone, device = model.body(), processes.device()
    seed_everything(settings.seed + processes.rank)  # else all would augment their pictures alike
    loaders = dataloaders(photos, teaching, model, settings, augment, device)
    weights = class_weights(photos, teaching, settings.epoch_pictures)
    learner = Learner(
        shared(loaders, processes),
        network,
        loss_func=CrossEntropyLossFlat(weight=weights.to(device), label_smoothing=settings.label_smoothing),
        metrics=[AccumMetric(label_accuracy(photos.labels), flatten=False)],
        splitter=lambda whole: _groups(whole, backbone),
        wd=settings.weight_decay,
    )
    learner.remove_cbs([cb for cb in learner.cbs if type(cb).__name__ == "ProgressCallback"])
    epochs = Epochs(settings.epochs, report)
    together = [AveragedGradients()] if processes.together else []
    pretrained = settings.recipe != "scratch"  # from scratch there is nothing that slow layers would keep
    learner.add_cbs([epochs, *together, *callbacks, *([PretrainedStatistics()] if pretrained else [])])
    rates = slice(settings.base_lr / settings.lr_mult, settings.base_lr) if pretrained else settings.base_lr
    with learner.no_logging():
        learner.fit_one_cycle(settings.epochs, rates, pct_start=0.3, div=5.0)
    if epochs.diverged:
        raise epochs.diverged


def _groups(whole: nn.Module, backbone: Backbone) -> list[list[nn.Parameter]]:
    early, late = backbone.split(whole[0])  # type: ignore[index]
    return [list(part.parameters()) for part in (early, late, whole[1])]  # type: ignore[index]
