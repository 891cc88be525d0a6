"""Backbones and their pinned weights."""

import pickle
from pathlib import Path
from urllib.error import URLError

import pytest
import torch

from pipeline.models import backbones
from pipeline.models.backbones import BACKBONES, WeightsError
from pipeline.models.network import network

LITES = ("efficientnet_lite0", "efficientnet_lite1", "efficientnet_lite2")


@pytest.mark.parametrize("name", sorted(BACKBONES))
def test_every_backbone_gives_the_features_that_it_claims(name: str) -> None:
    backbone = BACKBONES[name]
    with torch.no_grad():
        assert network(backbone, 4, pretrained=False).eval()(torch.zeros(2, 3, 64, 64)).shape == (2, 4)


@pytest.mark.parametrize("name", sorted(BACKBONES))
def test_the_parameter_groups_hold_every_layer_once(name: str) -> None:
    body = BACKBONES[name].body(False)
    early, late = BACKBONES[name].split(body)
    assert [id(p) for part in (early, late) for p in part.parameters()] == [id(p) for p in body.parameters()]
    assert list(early.parameters())
    assert list(late.parameters())


@pytest.mark.parametrize("name", LITES)
def test_lite_weights_come_from_their_package_and_are_not_random(name: str) -> None:
    torch.manual_seed(0)
    first = BACKBONES[name].body(True).state_dict()
    torch.manual_seed(1)
    second = BACKBONES[name].body(True).state_dict()
    assert all(torch.equal(first[key], second[key]) for key in first)
    running = [value for key, value in first.items() if key.endswith("running_var")]
    assert all(float((value - 1).abs().max()) > 1e-3 for value in running), "batch statistics were not loaded"


def test_a_weight_file_that_is_not_the_pinned_one_is_refused(tmp_path: Path) -> None:
    forged = tmp_path / "efficientnet-lite0.pth"
    forged.write_bytes(pickle.dumps({}))
    with pytest.raises(WeightsError, match=r"efficientnet-lite0\.pth is not the pinned weight file"):
        backbones._verified(forged, "0" * 64)


def test_without_a_connection_the_error_names_a_backbone_that_is_at_hand(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    def no_network(*_: object, **__: object) -> None:
        raise URLError("no route to host")

    monkeypatch.setattr(torch.hub, "load_state_dict_from_url", no_network)
    monkeypatch.setattr("torchvision.models._api.load_state_dict_from_url", no_network)
    with pytest.raises(WeightsError, match=r"mobilenet_v2.*can't be downloaded.*model=efficientnet_lite0"):
        BACKBONES["mobilenet_v2"].body(True)
