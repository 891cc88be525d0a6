"""A bundle as a model that MLflow can load: `mlflow.pyfunc.load_model("models:/art-text-plant@champion")`.

In: a table with the column ``image``, a picture file (bytes) a row. Out: ``label`` (None for none of these),
``id_score`` and ``probabilities`` by label, as the service answers. This file travels with each version, in its code/
beside the package bundle/, and may import nothing else of this project.
"""

import warnings
from dataclasses import dataclass
from importlib.metadata import version
from pathlib import Path

import pandas as pd

import bundle
from bundle.engine import Engine

PACKAGES = ("numpy", "onnxruntime", "pandas", "pillow", "pydantic")  # that bundle/ and this file need


def copy(source: bundle.Bundle, folder: Path) -> None:
    """Copy the files that the manifest lists, and it, into ``folder``; whatever else lies beside them stays.

    Raises:
        BundleError: a file is missing or damaged.
    """
    for name in source.manifest.files:
        (folder / name).parent.mkdir(parents=True, exist_ok=True)
        (folder / name).write_bytes(source.read(name))
    (folder / bundle.MANIFEST).write_bytes((source.folder / bundle.MANIFEST).read_bytes())


def write(source: bundle.Bundle, folder: Path) -> None:
    """Write the files of ``source`` and MLflow's own into ``folder``, which must not exist."""
    from mlflow.models import ModelSignature
    from mlflow.types import ColSpec, DataType, Schema
    from mlflow.types.schema import Map

    outputs = [
        ColSpec(DataType.string, "label", required=False),
        ColSpec(DataType.double, "id_score"),
        ColSpec(Map(DataType.double), "probabilities"),
    ]
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")  # MLflow's, of its own type hints and of its use of pandas
        from mlflow.pyfunc import save_model

        save_model(
            folder,
            loader_module=Path(__file__).stem,
            code_paths=[str(Path(bundle.__file__).parent), __file__],
            signature=ModelSignature(Schema([ColSpec(DataType.binary, "image")]), Schema(outputs)),
            input_example=pd.DataFrame({"image": [source.read(each.file) for each in source.manifest.golden[:1]]}),
            pip_requirements=[f"{name}=={version(name)}" for name in PACKAGES],
        )
    copy(source, folder)


@dataclass(frozen=True)
class PictureModel:
    """What `mlflow.pyfunc.load_model` wraps."""

    engine: Engine

    def predict(self, pictures: pd.DataFrame) -> pd.DataFrame:
        """One answer a row.

        Raises:
            PictureError: a picture can't be decoded.
        """
        answers = [self.engine.identify(bytes(picture)) for picture in pictures["image"]]
        rows = [(answer.label, answer.id_score, answer.probabilities) for answer in answers]
        # As objects, since a column of text would turn None into NaN.
        return pd.DataFrame(rows, columns=["label", "id_score", "probabilities"], dtype=object)


def _load_pyfunc(path: str) -> PictureModel:
    return PictureModel(Engine(bundle.Bundle(Path(path), bundle.load_manifest(Path(path)))))
