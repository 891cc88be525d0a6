"""Pretrained bodies as ONNX: exporting one takes ten seconds of processor time, so the tests share those of this tree.

They are a cache, named after all that decides their bytes (pipeline/models/graph.py).
"""

import os
import shutil
from pathlib import Path

from pipeline.models.graph import FOLDER

SHARED = Path(__file__).parents[1] / FOLDER


def lend(project: Path) -> None:
    """Put the bodies that this tree has into the cache of ``project``."""
    _copy(SHARED, project / FOLDER)


def take(project: Path) -> None:
    """Keep those that ``project`` has exported besides, for the tests that follow."""
    _copy(project / FOLDER, SHARED)


def _copy(source: Path, target: Path) -> None:
    target.mkdir(parents=True, exist_ok=True)
    for body in source.glob("*.onnx"):
        if not (target / body.name).exists():
            whole = target / f".{body.name}.{os.getpid()}"
            shutil.copyfile(body, whole)
            whole.replace(target / body.name)
