"""The network: a backbone's body and a linear head on its global average pooling."""

import torch
from torch import nn

from pipeline.models.backbones import Backbone
from pipeline.models.head import Head


def network(
    backbone: Backbone, outputs: int, *, pretrained: bool, dropout: float = 0.0, head: Head | None = None
) -> nn.Sequential:
    """Body and head: float [batch, 3, size, size], normalised -> logits [batch, outputs].

    Args:
        backbone: which body.
        outputs: number of logits.
        pretrained: ImageNet weights in the body; else random ones.
        dropout: of the features while training, 0..1.
        head: what the linear layer starts from; without it near chance, so that the first steps are small.
    """
    linear = nn.Linear(backbone.features, outputs)
    nn.init.zeros_(linear.bias)
    nn.init.normal_(linear.weight, std=0.01)
    pooling = nn.Sequential(nn.AdaptiveAvgPool2d(1), nn.Flatten(), nn.Dropout(dropout), linear)
    whole = nn.Sequential(backbone.body(pretrained), pooling)
    if head is not None:
        with torch.no_grad():
            linear.weight.copy_(torch.from_numpy(head.weights))
            linear.bias.copy_(torch.from_numpy(head.bias))
    # channels_last: what oneDNN and cuDNN work in; twice as fast as the default on a CPU
    whole.to(memory_format=torch.channels_last)  # type: ignore[call-overload]
    return whole


def averaged(
    tuned: dict[str, torch.Tensor], pretrained: dict[str, torch.Tensor], share: float
) -> dict[str, torch.Tensor]:
    """Weights between two networks of one shape (WiSE-FT: Wortsman et al. 2022).

    Args:
        tuned: the fine-tuned state.
        pretrained: the state that fine-tuning began with.
        share: how much of the fine-tuned one, 0..1. Counters stay those of ``tuned``.
    """
    return {
        name: value if not value.is_floating_point() else share * value + (1 - share) * pretrained[name]
        for name, value in tuned.items()
    }
