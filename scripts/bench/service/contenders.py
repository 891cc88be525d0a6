"""The servers that are compared: how each is started, and how a picture gets to it."""

import os
import subprocess
from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from pathlib import Path
from typing import Final

from pipeline.core.errors import PipelineError
from pipeline.models.learner import FOLDER as TRAINED
from scripts.bench.service import peers, pictures
from service.settings import Settings

ROOT: Final = Path(__file__).parents[3]
SERVICE: Final = ROOT / ".venv-service/bin"
BENCH: Final = ROOT / ".venv-bench/bin"
BEFORE_COMMIT: Final = "97d1b24"
OLD: Final = Path(os.environ.get("BENCH_BEFORE", ROOT.parent / f"{ROOT.name}-{BEFORE_COMMIT}"))
WORKERS: Final = 2  # threads or processes that infer, one a core
OURS: Final = "ours"
BEFORE: Final = "before"
STREAM: Final = "ours, /stream"
ORIGINAL: Final = "original"
FLOOR: Final = "floor"


@dataclass(frozen=True)
class Task:
    """What a server is started for."""

    bundle: Path
    variant: str
    port: int
    scratch: Path  # a folder of its own for the run
    picture: Path  # any picture file


@dataclass(frozen=True)
class Contender:
    """One way to serve the model.

    Attributes:
        name: as in the tables.
        about: what runs, for the page.
        command: starts it.
        ready: address that answers 200 once it serves.
        path: address that takes pictures.
        wrap: makes the body of a request.
        environment: variables that it gets besides.
        prepare: done before it is started, and not timed.
    """

    name: str
    about: str
    command: Callable[[Task], list[str]]
    ready: str
    path: str
    wrap: pictures.Wrap
    environment: Callable[[Task], Mapping[str, str]] = field(default=lambda _: {})
    prepare: Callable[[Task], None] | None = None

    def variables(self, task: Task) -> dict[str, str]:
        """The server's environment: this one's, without settings of the service, and without reports to makers."""
        kept = {name: value for name, value in os.environ.items() if name.lower() not in Settings.model_fields}
        return {
            **kept,
            "PYTHONPATH": str(ROOT),
            "PATH": f"{BENCH}:{os.environ['PATH']}",  # MLflow starts uvicorn by name
            "MLFLOW_DISABLE_TELEMETRY": "true",
            "BENTOML_DO_NOT_TRACK": "True",
            "ORT_DISABLE_TELEMETRY": "1",
            **self.environment(task),
        }


def _service(task: Task) -> list[str]:
    # A camera needs no more than the default of 60 frames a second; a benchmark does.
    settings = {
        "model": task.bundle, "variant": task.variant, "port": task.port, "threads": WORKERS, "stream-fps": 1000,
        "address-share": 1,  # all clients of a benchmark have one address
    }  # fmt: skip
    options = [word for name, value in settings.items() for word in (f"--{name}", str(value))]
    return [str(SERVICE / "python"), "-m", "service", *options]


def _before(task: Task) -> list[str]:
    # Its bundle is of an older schema: the same network, as its own pipeline makes it.
    options = ["--model", str(OLD / "models/promoted"), "--variant", task.variant, "--port", str(task.port)]
    return [str(OLD / ".venv-service/bin/python"), "-P", "-m", "service", *options, "--workers", str(WORKERS)]


def _checked_out(_: Task) -> None:
    if not (OLD / ".venv-service/bin/python").exists():
        raise PipelineError(
            f"{OLD} holds no checkout of {BEFORE_COMMIT} with its environment and model: `git worktree add {OLD} "
            f"{BEFORE_COMMIT}` and `make -C {OLD} model`, or BENCH_BEFORE=FOLDER"
        )


def _original(task: Task) -> list[str]:
    app = "scripts.bench.service.peers.original:app"
    return [str(BENCH / "uvicorn"), app, "--port", str(task.port), "--workers", str(WORKERS)]


def _original_environment(task: Task) -> dict[str, str]:
    return {peers.TRAINED: str(ROOT / TRAINED), peers.PICTURE: str(task.picture), "OMP_NUM_THREADS": "1"}


def _save_mlflow(task: Task) -> None:
    module = "scripts.bench.service.peers.mlflow_model"
    command = [
        str(BENCH / "python"),
        "-m",
        module,
        str(task.bundle),
        task.variant,
        str(task.scratch / "mlflow"),
    ]
    try:
        saved = subprocess.run(
            command, env=MLFLOW.variables(task), cwd=task.scratch, capture_output=True, text=True, check=False
        )
    except OSError as error:
        raise PipelineError(f"{command[0]} can't be started: {error.strerror}") from error
    if saved.returncode:
        raise PipelineError(f"its model can't be saved: {' / '.join(saved.stderr.strip().splitlines()[-2:])}")


def _mlflow(task: Task) -> list[str]:
    where = ["-m", str(task.scratch / "mlflow"), "-h", "127.0.0.1", "-p", str(task.port)]
    return [
        str(BENCH / "mlflow"),
        "models",
        "serve",
        *where,
        "--env-manager",
        "local",
        "--workers",
        str(WORKERS),
    ]


def _litserve(task: Task) -> list[str]:
    module = "scripts.bench.service.peers.litserve_server"
    arguments = [str(task.bundle), task.variant, str(task.port), str(WORKERS)]
    return [str(BENCH / "python"), "-m", module, *arguments]


def _bentoml(task: Task) -> list[str]:
    app = "scripts.bench.service.peers.bentoml_service:Identify"
    return [str(BENCH / "bentoml"), "serve", app, "--host", "127.0.0.1", "--port", str(task.port)]


def _bentoml_environment(task: Task) -> dict[str, str]:
    return {
        peers.BUNDLE: str(task.bundle),
        peers.VARIANT: task.variant,
        peers.WORKERS: str(WORKERS),
        "BENTOML_HOME": str(task.scratch / "bentoml"),
    }


SERVED: Final = Contender(
    OURS,
    "`python -m service`, the picture as the body of the request",
    _service,
    "/readyz",
    "/identify",
    pictures.raw,
)
EARLIER: Final = Contender(
    BEFORE,
    f"this service as of commit {BEFORE_COMMIT}: a supervisor and two worker processes, ONNX Runtime; a raw body",
    _before,
    "/readyz",
    "/identify",
    pictures.raw,
    lambda _: {"PYTHONPATH": str(OLD)},
    prepare=_checked_out,
)
MLFLOW: Final = Contender(
    "mlflow",
    "`mlflow models serve`, a custom Python model, pictures in base64 in JSON",
    _mlflow,
    "/ping",
    "/invocations",
    pictures.dataframe,
    prepare=_save_mlflow,
)
PEERS: Final = (
    EARLIER,
    Contender(
        ORIGINAL,
        "the original's stack, torch eager in fp32 whatever the model column says: fastai's `learn.predict` behind "
        "FastAPI, a form; two uvicorn workers of one thread",
        _original,
        "/healthz",
        "/identify",
        pictures.multipart,
        _original_environment,
    ),
    MLFLOW,
    Contender(
        "litserve",
        "LitServe, two inference workers and two HTTP servers, a form",
        _litserve,
        "/health",
        "/identify",
        pictures.multipart,
    ),
    Contender(
        "bentoml",
        "BentoML, two workers, a form",
        _bentoml,
        "/readyz",
        "/identify",
        pictures.multipart,
        _bentoml_environment,
    ),
)
