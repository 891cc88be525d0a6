"""Fine-tuning and the recipes around it: what is learnt, what is left alone, and how it ends when it can't go on."""

from collections.abc import Iterator

import numpy as np
import pytest
import torch

from pipeline.core.errors import PipelineError
from pipeline.data.split import TRAIN
from pipeline.models import crossval, features, graph
from pipeline.models.head import Head, Space
from pipeline.models.photos import Photos
from pipeline.train import recipe
from pipeline.train.finetune import finetune, label_accuracy
from pipeline.train.recipe import Probe
from pipeline.train.settings import TrainSettings
from tests.pipeline.colours import GENTLE, MODEL, paint, photos, settings


@pytest.fixture(scope="module")
def pictures(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Photos]:
    """Red and green pictures, with an empty cache of features."""
    folder = tmp_path_factory.mktemp("photos")
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(graph, "FOLDER", folder / "features")
        yield photos(folder, paint(folder))


def tuned(pictures: Photos, chosen: TrainSettings) -> tuple[dict[str, torch.Tensor], list[dict[str, float]]]:
    """The weights of the body after fine-tuning with a head near chance, and what was heard of the epochs."""
    head = Head(np.random.default_rng(0).normal(0, 0.01, (2, 1280)).astype(np.float32), np.zeros(2, np.float32))
    heard: list[dict[str, float]] = []
    at = finetune(pictures, pictures.side(TRAIN), MODEL, chosen, GENTLE, head, report=heard.append)
    return dict(at(1.0).state_dict()), heard


def trained(pictures: Photos, chosen: TrainSettings) -> tuple[bytes, Probe]:
    return recipe.train(pictures, pictures.side(TRAIN), MODEL, chosen, GENTLE)


def test_it_learns_and_reports_every_epoch_in_order(pictures: Photos) -> None:
    _, epochs = tuned(pictures, settings())
    assert len(epochs) == 2
    assert set(epochs[0]) == {"train_loss", "valid_loss", "accuracy", "learning_rate"}
    assert epochs[-1]["train_loss"] < epochs[0]["train_loss"]
    assert epochs[-1]["accuracy"] > 0.5


def test_the_same_seed_gives_the_same_weights_bit_for_bit(pictures: Photos) -> None:
    chosen = settings(epochs=1, epoch_pictures=1)
    first, second = (tuned(pictures, chosen)[0] for _ in range(2))
    assert all(torch.equal(first[name], second[name]) for name in first)
    other = tuned(pictures, settings(epochs=1, epoch_pictures=1, seed=2))[0]
    assert not all(torch.equal(first[name], other[name]) for name in first)


def test_batch_norm_keeps_what_it_was_pretrained_with(pictures: Photos) -> None:
    body = tuned(pictures, settings(epochs=1, epoch_pictures=1))[0]
    before = MODEL.body().body(True).state_dict()
    running = [name for name in before if "running" in name]
    assert running
    assert all(torch.equal(body[name], before[name]) for name in running)
    assert not all(torch.equal(body[name], before[name]) for name in before)


def test_a_training_that_diverges_says_what_to_lower(pictures: Photos) -> None:
    with pytest.raises(PipelineError, match=r"^training diverged .*lower train\.base_lr in conf/train/"):
        tuned(pictures, settings(base_lr=1e20))


def test_accuracy_leaves_pictures_of_none_out() -> None:
    logits = torch.tensor([[5.0, 0, 9], [0, 5, 9], [5, 0, 0], [0, 0, 5]])
    targets = torch.tensor([0, 1, 1, 2])  # the last is of none of the two labels
    assert label_accuracy(2)(logits, targets) == pytest.approx(2 / 3)


def test_a_probe_keeps_the_pretrained_body_and_has_the_best_head_of_those_tried(pictures: Photos) -> None:
    body, found = trained(pictures, settings(recipe="probe"))
    assert body == graph.pretrained(MODEL.backbone, MODEL.size)
    assert set(found.losses) == set(crossval.STRENGTHS)
    x = features.of(pictures.files(), MODEL.backbone, MODEL.size)
    expected = Space(x).fitted(pictures.targets, 2, found.strength)
    assert np.array_equal(found.head.weights, expected.weights)


def test_averaged_with_none_of_the_fine_tuned_weights_a_fine_tuning_is_the_probe(pictures: Photos) -> None:
    body, tuning = trained(pictures, settings(epochs=1, epoch_pictures=1, averaging=0.0))
    pretrained, probe = trained(pictures, settings(recipe="probe"))
    assert body == pretrained
    assert tuning.strength == probe.strength
    assert tuning.head.weights == pytest.approx(probe.head.weights, abs=1e-6)


def test_after_a_fine_tuning_the_head_is_fitted_anew_on_what_the_body_now_sees(pictures: Photos) -> None:
    body, found = trained(pictures, settings(epochs=1, epoch_pictures=1, averaging=1.0))
    x = features.by(body, pictures.files(), MODEL.size)
    expected = Space(x).fitted(pictures.targets, 2, found.strength)
    assert np.array_equal(found.head.weights, expected.weights)
    assert not np.allclose(x, features.of(pictures.files(), MODEL.backbone, MODEL.size), atol=1e-3)


def test_from_scratch_no_weight_is_pretrained_and_the_same_seed_gives_the_same_bytes(pictures: Photos) -> None:
    chosen = settings(recipe="scratch", epochs=1, epoch_pictures=1)
    first, second = (trained(pictures, chosen)[0] for _ in range(2))
    assert first == second
    assert first != graph.pretrained(MODEL.backbone, MODEL.size)
