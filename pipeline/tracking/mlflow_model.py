"""A bundle as a model that MLflow can load: `mlflow.pyfunc.load_model("models:/art-text-plant@champion")`.

In: a table with the column ``image``, a picture file (bytes) a row. Out: ``label`` (None for none of these),
``id_score`` and ``probabilities`` by label, as the service answers. This file travels with each version, in its code/
beside the package bundle/, and may import nothing else of this project.
"""

import warnings
from importlib.metadata import version
from pathlib import Path

import pandas as pd

import bundle
from bundle.engine import Engine

PACKAGES = ("numpy", "onnxruntime", "pandas", "pillow", "pydantic")  # that bundle/ and this file need


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
    example = pd.DataFrame({"image": [source.read(golden.file) for golden in source.manifest.golden[:1]]})
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")  # MLflow's, of its own type hints and of its use of pandas
        from mlflow.pyfunc import save_model

        save_model(
            folder,
            loader_module=Path(__file__).stem,
            code_paths=[str(Path(bundle.__file__).parent), __file__],
            signature=ModelSignature(Schema([ColSpec(DataType.binary, "image")]), Schema(outputs)),
            input_example=example,
            pip_requirements=[f"{name}=={version(name)}" for name in PACKAGES],
        )
    for name in (*source.manifest.files, bundle.MANIFEST):
        (folder / name).parent.mkdir(parents=True, exist_ok=True)
        (folder / name).write_bytes((source.folder / name).read_bytes())


class PictureModel:
    """What `mlflow.pyfunc.load_model` wraps."""

    def __init__(self, engine: Engine) -> None:
        self._engine = engine

    def predict(self, pictures: pd.DataFrame) -> pd.DataFrame:
        """One answer a row.

        Raises:
            PictureError: a picture can't be decoded.
        """
        answers = [self._engine.identify(bytes(picture)) for picture in pictures["image"]]
        return pd.DataFrame(
            {
                "label": pd.Series([answer.label for answer in answers], dtype=object),  # keeps None
                "id_score": [answer.id_score for answer in answers],
                "probabilities": [answer.probabilities for answer in answers],
            }
        )


def _load_pyfunc(path: str) -> PictureModel:
    folder = Path(path)
    return PictureModel(Engine(bundle.Bundle(folder, bundle.load_manifest(folder))))
