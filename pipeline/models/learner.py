"""What training hands on: the weights, and what is needed to build the network that they belong to."""

import json
from dataclasses import asdict, dataclass
from pathlib import Path

from safetensors.torch import load_file, save
from torch import nn

from pipeline.core import files
from pipeline.core.errors import DataError
from pipeline.models.backbones import BACKBONES
from pipeline.models.network import network

FOLDER = Path("build/train")
WEIGHTS = "model.safetensors"
DESCRIPTION = "learner.json"
PROBE = "probe"  # the recipe that leaves the pretrained body as it is


@dataclass(frozen=True)
class LearnerFile:
    """learner.json: the network's shape, its labels in the order of its outputs, and how it was trained."""

    recipe: str  # "probe", "finetune", "scratch"
    backbone: str
    size: int  # pixels a side of the square frame
    labels: tuple[str, ...]
    ood_label: str | None  # one more output after the labels, where there were pictures of none of them
    strength: float  # of the head's fit, see `pipeline.models.head`
    mlflow_run_id: str
    train_seconds: float

    @property
    def outputs(self) -> int:
        """Number of the network's logits."""
        return len(self.labels) + (self.ood_label is not None)


def write(folder: Path, description: LearnerFile, model: nn.Sequential) -> None:
    """Write the network into ``folder``."""
    # contiguous: safetensors refuses channels_last, in which it was trained
    weights = {name: tensor.contiguous() for name, tensor in model.cpu().state_dict().items()}
    files.write_bytes(folder / WEIGHTS, save(weights))
    files.write_json(folder / DESCRIPTION, asdict(description))


def describe(folder: Path = FOLDER) -> LearnerFile:
    """Read learner.json alone.

    Raises:
        DataError: the folder does not hold a trained network.
    """
    try:
        values = json.loads((folder / DESCRIPTION).read_text(encoding="utf-8"))
        return LearnerFile(**{**values, "labels": tuple(values["labels"])})
    except (OSError, ValueError, KeyError, TypeError) as error:
        raise _lost(folder, error) from error


def load(folder: Path = FOLDER) -> tuple[LearnerFile, nn.Sequential]:
    """Build the trained network, in evaluation mode.

    Raises:
        DataError: the folder does not hold a trained network.
    """
    description = describe(folder)
    try:
        model = network(BACKBONES[description.backbone], description.outputs, pretrained=False)
        model.load_state_dict(load_file(folder / WEIGHTS))
    except (OSError, ValueError, KeyError, RuntimeError) as error:
        raise _lost(folder, error) from error
    return description, model.eval()


def _lost(folder: Path, error: Exception) -> DataError:
    return DataError(f"{folder}/ holds no trained network ({error}); `dvc repro -f train` trains one")
