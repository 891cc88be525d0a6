"""Fine-tuning: what it learns, what it leaves alone, and how it ends when it can't go on."""

from pathlib import Path

import pytest
import torch
from pipeline.models.dataset import Classes, class_weights, dataloaders

from pipeline.core.errors import PipelineError
from pipeline.data.split import SplitRow
from pipeline.models.network import network
from pipeline.train.finetune import Epoch, TrainSettings, fit, label_accuracy, seed_everything
from tests.pipeline.colours import BACKBONE, GENTLE, SIZE, paint, settings


@pytest.fixture(scope="module")
def photos(tmp_path_factory: pytest.TempPathFactory) -> tuple[Path, list[SplitRow]]:
    """Red and green pictures, and their rows."""
    folder = tmp_path_factory.mktemp("photos")
    return folder, paint(folder)


def trained(
    photos: tuple[Path, list[SplitRow]], chosen: TrainSettings
) -> tuple[torch.nn.Sequential, list[Epoch]]:
    folder, rows = photos
    classes = Classes.of(rows, "other")
    seed_everything(chosen.seed)
    torch.set_num_threads(1)
    loaders = dataloaders(
        rows,
        classes,
        folder,
        size=SIZE,
        batch_size=chosen.batch_size,
        epoch_pictures=chosen.epoch_pictures,
        augment=GENTLE,
        backbone=BACKBONE,
        device=torch.device("cpu"),
    )
    model = network(BACKBONE, 2, pretrained=True, dropout=chosen.dropout)
    heard: list[Epoch] = []
    fit(loaders, model, BACKBONE, class_weights(rows, classes), 2, chosen, heard.append, pretrained=True)
    return model, heard


def test_it_learns_and_reports_every_epoch_in_order(photos: tuple[Path, list[SplitRow]]) -> None:
    _, epochs = trained(photos, settings())
    assert [(epoch.number, epoch.of) for epoch in epochs] == [(1, 3), (2, 3), (3, 3)]
    assert epochs[-1].train_loss < epochs[0].train_loss
    assert epochs[-1].accuracy > 0.5


def test_the_same_seed_gives_the_same_weights_bit_for_bit(photos: tuple[Path, list[SplitRow]]) -> None:
    first, second = (trained(photos, settings())[0].state_dict() for _ in range(2))
    assert all(torch.equal(first[name], second[name]) for name in first)
    other = trained(photos, settings(seed=2))[0].state_dict()
    assert not all(torch.equal(first[name], other[name]) for name in first)


def test_frozen_the_body_keeps_its_weights(photos: tuple[Path, list[SplitRow]]) -> None:
    model, _ = trained(photos, settings(epochs=0))
    assert isinstance(model[0], torch.nn.Sequential)
    pretrained, body = BACKBONE.body(True), model[0]
    for (name, kept), given in zip(body.named_parameters(), pretrained.parameters(), strict=True):
        assert torch.equal(kept, given), name


def test_a_training_that_diverges_says_what_to_lower(photos: tuple[Path, list[SplitRow]]) -> None:
    with pytest.raises(
        PipelineError, match=r"^training diverged in epoch \d+ .*lower train\.base_lr in conf/train/"
    ):
        trained(photos, settings(base_lr=1e20))


def test_accuracy_leaves_pictures_of_none_out() -> None:
    logits = torch.tensor([[5.0, 0, 9], [0, 5, 9], [5, 0, 0], [0, 0, 5]])
    targets = torch.tensor([0, 1, 1, 2])  # the last is of none of the two labels
    assert label_accuracy(2)(logits, targets) == pytest.approx(2 / 3)
