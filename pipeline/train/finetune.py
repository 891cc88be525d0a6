"""Fine-tuning with fastai: the whole network, early layers slowest, batch norm as it was pretrained.

Howard & Ruder 2018 (ULMFiT) for discriminative rates, Smith 2018 for the one-cycle schedule, Hendrycks et al. 2019
(outlier exposure) for showing the network pictures of none of the labels.
"""

import os
from collections.abc import Callable
from typing import Any

import numpy as np
import torch
from numpy.typing import NDArray
from torch import nn

from pipeline.core import torchvision_ops  # noqa: F401  (before fastai)
from pipeline.core.errors import PipelineError
from pipeline.models.head import Head
from pipeline.models.network import averaged, network
from pipeline.models.photos import Photos
from pipeline.models.settings import ModelSettings
from pipeline.train.loaders import class_weights, dataloaders
from pipeline.train.settings import AugmentSettings, TrainSettings

from fastai.torch_core import set_seed  # isort: skip
from fastai.vision.all import (  # isort: skip
    AccumMetric,
    Callback,
    CrossEntropyLossFlat,
    Learner,
    TerminateOnNaNCallback,
    TrainEvalCallback,
)


Epoch = dict[
    str, float
]  # train_loss and valid_loss in nats, accuracy of the labels' validation pictures, learning_rate


class Report(Callback):  # type: ignore[misc]
    """Hands the figures of each finished epoch to ``report``; fastai's own callback ends a training without any."""

    order = 60  # after fastai's Recorder, whose figures it reads

    def __init__(self, report: Callable[[Epoch], None]) -> None:
        self.report, self.number = report, 0

    def after_epoch(self) -> None:
        self.number += 1
        figures = zip(("train_loss", "valid_loss", "accuracy"), self.learn.recorder.values[-1], strict=True)
        rate = float(self.learn.opt.hypers[-1]["lr"])
        self.report({name: float(value) for name, value in figures} | {"learning_rate": rate})


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
        logits, targets = (each.as_subclass(torch.Tensor) for each in (logits, targets))  # not fastai's own
        known = targets < labels
        return (logits[known, :labels].argmax(1) == targets[known]).float().mean()

    return accuracy


def finetune(
    photos: Photos,
    teaching: NDArray[np.bool_],
    model: ModelSettings,
    settings: TrainSettings,
    augment: AugmentSettings,
    head: Head | None,
    *,
    report: Callable[[Epoch], None],
) -> Callable[[float], nn.Module]:
    """Fine-tune the pretrained network with ``head``, or one of random weights without, on the photos of ``teaching``.

    Returns:
        what gives the body on the CPU, in evaluation mode, with the average of the fine-tuned weights, of this share
        (0..1), and the pretrained ones; where nothing was pretrained, the fine-tuned ones whatever the share.

    Raises:
        PipelineError: the loss stopped being a number.
    """
    if settings.threads:
        torch.set_num_threads(settings.threads)
    set_seed(settings.seed, reproducible=True)
    os.environ.setdefault("CUBLAS_WORKSPACE_CONFIG", ":4096:8")  # else cuBLAS is not deterministic
    torch.use_deterministic_algorithms(True, warn_only=True)
    torch.utils.deterministic.fill_uninitialized_memory = False  # type: ignore[attr-defined]  # finds bugs, at a third of the time
    device, pretrained = torch.device("cuda" if torch.cuda.is_available() else "cpu"), head is not None
    whole = network(model.body(), len(photos.outputs), pretrained=pretrained, dropout=settings.dropout, head=head)
    before = {name: value.clone() for name, value in whole[0].state_dict().items()}
    weights = class_weights(photos, teaching, settings.epoch_pictures)
    learner = Learner(
        dataloaders(photos, teaching, model, settings, augment, device),
        whole,
        loss_func=CrossEntropyLossFlat(weight=weights.to(device), label_smoothing=settings.label_smoothing),
        metrics=[AccumMetric(label_accuracy(photos.labels), flatten=False)],
        splitter=lambda whole: _groups(whole, model),
        wd=settings.weight_decay,
    )
    learner.remove_cbs([cb for cb in learner.cbs if type(cb).__name__ == "ProgressCallback"])
    heard = Report(report)
    learner.add_cbs([heard, TerminateOnNaNCallback(), *([PretrainedStatistics()] if pretrained else [])])
    # From scratch there is nothing that slow layers would keep.
    rates = slice(settings.base_lr / settings.lr_mult, settings.base_lr) if pretrained else settings.base_lr
    with learner.no_logging():
        learner.fit_one_cycle(settings.epochs, rates, pct_start=0.3, div=5.0)
    if heard.number < settings.epochs:  # an error raised inside would reach the user in fastai's own words
        raise PipelineError("training diverged (the loss is no number); lower train.base_lr in conf/train/")
    body = whole.cpu().eval()[0]
    after = {name: value.clone() for name, value in body.state_dict().items()}

    def at(share: float) -> nn.Module:
        body.load_state_dict(averaged(after, before, share) if pretrained else after)
        return body

    return at


def _groups(whole: Any, model: ModelSettings) -> list[list[nn.Parameter]]:
    early, late = model.body().split(whole[0])
    return [list(part.parameters()) for part in (early, late, whole[1])]
