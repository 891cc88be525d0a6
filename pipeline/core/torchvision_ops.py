"""Lets torchvision import beside a CPU build of torch.

torchvision's wheels are compiled for CUDA builds of torch. Beside a CPU build its extension can't be loaded, and its
import then fails on registering shapes for two operators that nobody declared. Nothing here uses those operators, so
declaring their schemas is enough. Modules that import fastai or timm import this one before them.
"""

import importlib.util
from pathlib import Path

import torch

_SCHEMA = "(Tensor dets, Tensor scores, float iou_threshold) -> Tensor"
_kept: list[torch.library.Library] = []  # declarations live as long as their Library object


def declare() -> None:
    """Declare ``torchvision::nms`` and ``qnms`` where torchvision's own extension does not load; else do nothing."""
    if _kept or _extension_loads():
        return
    library = torch.library.Library("torchvision", "FRAGMENT")  # type: ignore[no-untyped-call]
    for name in ("nms", "qnms"):
        library.define(name + _SCHEMA)  # type: ignore[no-untyped-call]
    _kept.append(library)


def _extension_loads() -> bool:
    spec = importlib.util.find_spec("torchvision")  # finds the folder without importing it
    if spec is None or spec.origin is None:
        return True  # then the import of torchvision itself tells what is missing
    for extension in Path(spec.origin).parent.glob("_C*.so"):
        try:
            torch.ops.load_library(extension)  # type: ignore[no-untyped-call]
        except OSError:
            return False
        return True
    return False


declare()
