"""MLflow's model server: a custom Python model around the bundle, saved as "model from code".

    python -m scripts.bench.service.peers.mlflow_model          # into $BENCH_SCRATCH/mlflow
    mlflow models serve -m $BENCH_SCRATCH/mlflow --env-manager local --workers 2

A picture travels as its documentation has binary columns travel: base64 in JSON. The `onnx` flavour by itself would
take the decoded tensor as 150,000 numbers in JSON, and leave decoding to the client.
"""

import os
from pathlib import Path
from typing import Any

import mlflow
import pandas as pd
from mlflow.models import ModelSignature, set_model
from mlflow.types import ColSpec, DataType, Schema

from scripts.bench.service.peers import engine

COLUMN = "image"


class Model(mlflow.pyfunc.PythonModel):  # type: ignore[misc]  # MLflow has no type stubs
    """One answer a row."""

    def load_context(self, context: Any) -> None:  # noqa: ARG002  # MLflow's
        """Load the bundle once a worker."""
        self.engine = engine()

    def predict(self, context: Any, model_input: pd.DataFrame) -> list[dict[str, Any]]:  # noqa: ARG002  # MLflow's
        """Answer each picture of the column ``image``, which the server has decoded from base64 to bytes."""
        return [self.engine.identify(picture).to_json() for picture in model_input[COLUMN]]


def save() -> None:
    """Save the model into a folder that `mlflow models serve` takes."""
    mlflow.pyfunc.save_model(
        path=f"{os.environ['BENCH_SCRATCH']}/mlflow",
        python_model=str(Path(__file__)),
        signature=ModelSignature(inputs=Schema([ColSpec(DataType.binary, COLUMN)])),
        pip_requirements=[],  # --env-manager local: the environment is there
    )


if __name__ == "__main__":
    save()
else:
    set_model(Model())
