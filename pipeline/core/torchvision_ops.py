"""Lets torchvision import beside a CPU build of torch.

torchvision's wheels are compiled for CUDA builds of torch. Beside a CPU build its extension can't be loaded, and its
import then fails on registering shapes for two operators that nobody declared. Nothing here uses those operators, so
declaring their schemas is enough. Modules that import fastai or timm import this one before them.
"""

import importlib.util
from pathlib import Path

import torch

_SCHEMA = "(Tensor dets, Tensor scores, float iou_threshold) -> Tensor"


def _extension_loads() -> bool:
    spec = importlib.util.find_spec("torchvision")  # finds the folder without importing it
    if spec is None or spec.origin is None:
        return True  # then the import of torchvision itself tells what is missing
    try:
        for extension in Path(spec.origin).parent.glob("_C*.so"):
            torch.ops.load_library(extension)  # type: ignore[no-untyped-call]
            return True
    except OSError:
        pass
    return False


if not _extension_loads():
    library = torch.library.Library("torchvision", "FRAGMENT")  # type: ignore[no-untyped-call]  # lives as long as this
    for name in ("nms", "qnms"):
        library.define(name + _SCHEMA)  # type: ignore[no-untyped-call]
