"""What training hands on: the body as a graph, the head, and how they came about."""

import zipfile
from pathlib import Path

import numpy as np
from pydantic import BaseModel, ConfigDict

from pipeline.core import files
from pipeline.core.errors import DataError
from pipeline.models.head import Head

FOLDER = Path("build/train")
BODY, HEAD, DESCRIPTION = "body.onnx", "head.npz", "learner.json"
PROBE = "probe"  # the recipe that leaves the pretrained body as it is


class LearnerFile(BaseModel):
    """learner.json: the network's shape, its labels in the order of its outputs, and how it was trained."""

    model_config = ConfigDict(frozen=True, extra="forbid")

    recipe: str  # "probe", "finetune", "scratch"
    backbone: str
    size: int  # pixels a side of the square frame
    labels: tuple[str, ...]
    ood_label: str | None  # one more output after the labels, where there were pictures of none of them
    strength: float  # of the head's fit, see `pipeline.models.head`
    mlflow_run_id: str
    train_seconds: float


def write(folder: Path, description: LearnerFile, body: bytes, head: Head) -> None:
    """Write everything into ``folder``."""
    files.write_bytes(folder / BODY, body)
    files.write_npz(folder / HEAD, {"weights": head.weights, "bias": head.bias})
    files.write_json(folder / DESCRIPTION, description.model_dump())


def load(folder: Path = FOLDER) -> tuple[LearnerFile, bytes, Head]:
    """Description, body and head.

    Raises:
        DataError: the folder does not hold a trained network.
    """
    try:
        description = LearnerFile.model_validate_json((folder / DESCRIPTION).read_bytes())
        with np.load(folder / HEAD) as kept:
            head = Head(kept["weights"], kept["bias"])
        return description, (folder / BODY).read_bytes(), head
    except (OSError, ValueError, KeyError, zipfile.BadZipFile) as error:
        raise DataError(f"{folder}/ holds no trained network ({error}); `dvc repro -f train` trains one") from error
