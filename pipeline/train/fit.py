"""The fine-tuning itself: a backbone with a new head, the head first, then the whole network.

Howard & Ruder 2018 (ULMFiT) for training the head first and for discriminative rates, Smith 2018 for the one-cycle
schedule, Hendrycks et al. 2019 (outlier exposure) for showing the network pictures of none of the labels.
"""

import math
import os
import random
import time
from collections.abc import Callable, Sequence
from dataclasses import dataclass

import numpy as np
import torch
from pydantic import Field
from torch import nn

from pipeline.core import torchvision_ops  # noqa: F401  (before fastai)
from pipeline.core.config import Settings
from pipeline.core.errors import PipelineError
from pipeline.models.backbones import Backbone

from fastai.vision.all import (  # isort: skip
    AccumMetric,
    Callback,
    CancelFitException,
    CrossEntropyLossFlat,
    DataLoaders,
    Learner,
)


class TrainSettings(Settings):
    """Section ``train``."""

    freeze_epochs: int = Field(ge=0)  # epochs of the head alone
    epochs: int = Field(ge=0)  # epochs of the whole network, after that
    batch_size: int = Field(ge=2)
    epoch_pictures: int = Field(ge=1)  # an epoch shows at least this many; small sets are shown several times
    base_lr: float = Field(gt=0)  # of the head
    lr_mult: float = Field(ge=1)  # the earliest layers learn this many times slower than the head
    weight_decay: float = Field(ge=0)
    label_smoothing: float = Field(ge=0, lt=1)
    dropout: float = Field(ge=0, lt=1)
    seed: int = Field(ge=0)
    threads: int = Field(ge=0)  # of torch on a CPU; 0: one a core


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
    random.seed(seed)
    np.random.seed(seed)
    torch.manual_seed(seed)
    os.environ.setdefault("CUBLAS_WORKSPACE_CONFIG", ":4096:8")  # else cuBLAS is not deterministic
    torch.use_deterministic_algorithms(True, warn_only=True)
    torch.utils.deterministic.fill_uninitialized_memory = False  # type: ignore[attr-defined]  # finds bugs, at a third of the time
    torch.backends.cudnn.benchmark = False


def cores() -> int:
    """Processor cores that this process may use."""
    return len(os.sched_getaffinity(0)) if hasattr(os, "sched_getaffinity") else os.cpu_count() or 1


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
        self.report(
            Epoch(
                self.done, self.of, train_loss, valid_loss, accuracy, rate, time.perf_counter() - self.clock
            )
        )


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


def fit(
    loaders: DataLoaders,
    model: nn.Sequential,
    backbone: Backbone,
    weights: torch.Tensor,
    labels: int,
    settings: TrainSettings,
    report: Callable[[Epoch], None],
    *,
    pretrained: bool,
    callbacks: Sequence[Callback] = (),
) -> Learner:
    """Fine-tune ``model`` in place on ``loaders``; ``report`` hears of each epoch, ``callbacks`` of everything.

    Raises:
        PipelineError: the loss stopped being a number.
    """
    learner = Learner(
        loaders,
        model,
        loss_func=CrossEntropyLossFlat(
            weight=weights.to(loaders.device), label_smoothing=settings.label_smoothing
        ),
        metrics=[AccumMetric(label_accuracy(labels), flatten=False)],
        splitter=lambda m: _groups(m, backbone),
        wd=settings.weight_decay,
        train_bn=False,  # frozen is frozen: no gradient flows through the body then
    )
    learner.remove_cbs([cb for cb in learner.cbs if type(cb).__name__ == "ProgressCallback"])
    epochs = Epochs(settings.freeze_epochs + settings.epochs, report)
    learner.add_cbs([epochs, *callbacks])
    with learner.no_logging():
        if not pretrained:  # nothing learnt yet that slow or frozen layers would keep
            learner.fit_one_cycle(settings.freeze_epochs + settings.epochs, settings.base_lr)
        else:
            _fine_tune(learner, settings, epochs)
    if epochs.diverged:
        raise epochs.diverged
    return learner


def _fine_tune(learner: Learner, settings: TrainSettings, epochs: Epochs) -> None:
    if settings.freeze_epochs:
        learner.freeze()
        learner.fit_one_cycle(settings.freeze_epochs, settings.base_lr, pct_start=0.5)
    if settings.epochs and not epochs.diverged:
        learner.unfreeze()
        rates = slice(settings.base_lr / settings.lr_mult, settings.base_lr)
        learner.fit_one_cycle(settings.epochs, rates, pct_start=0.3, div=5.0)


def _groups(model: nn.Sequential, backbone: Backbone) -> Sequence[list[nn.Parameter]]:
    body, head = model
    assert isinstance(body, nn.Sequential)
    return [list(part.parameters()) for part in (*backbone.split(body), head)]
