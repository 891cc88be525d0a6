"""The servers that are compared: how each is started, and how a picture gets to it."""

import os
import shlex
import subprocess
from collections.abc import Callable, Iterator, Mapping
from contextlib import contextmanager
from dataclasses import dataclass, field, replace
from pathlib import Path
from tempfile import TemporaryDirectory
from typing import Final

from pipeline.core.errors import PipelineError
from pipeline.models.learner import FOLDER as TRAINED
from scripts.bench import pictures
from scripts.bench.load import ROOT, Target
from scripts.bench.process import Cores, Server, free_port, running
from scripts.bench.service import before
from scripts.release import image
from service.settings import Settings

PROMOTED: Final = ROOT / "models/promoted"
BENCH: Final = ROOT / ".venv-bench/bin"
WORKERS: Final = 2  # threads or processes that infer, one a core
OURS: Final = "ours"
BEFORE: Final = "before"
ORIGINAL: Final = "original"


@dataclass(frozen=True)
class Run:
    """What servers are started for."""

    folder: Path  # of the bundle
    variant: str
    scratch: Path  # a folder of its own for the run
    photos: tuple[bytes, ...]  # JPEG files of 640 x 480
    cores: Cores = field(default_factory=Cores.choose)
    port: int = field(default_factory=free_port)


@dataclass(frozen=True)
class Contender:
    """One way to serve the model.

    Attributes:
        name: as in the tables.
        about: what runs, for the page.
        command: starts it; words in braces are filled in, see `_words`.
        ready: address that answers 200 once it serves.
        path: address that takes pictures.
        wrap: makes the body of a request.
        environment: variables that it gets besides, filled in likewise.
        prepare: done before it is started, and not timed.
        model: what runs where it is not the promoted model's variant, for the tables.
    """

    name: str
    about: str
    command: str
    ready: str
    path: str = "/identify"
    wrap: pictures.Wrap = pictures.raw
    environment: Mapping[str, str] = field(default_factory=dict)
    prepare: Callable[[Run], None] | None = None
    model: str = ""

    @contextmanager
    def started(self, run: Run, *options: str, **variables: str) -> Iterator[tuple[Server, Target]]:
        """The server for a block, ready, with more ``options`` of its command; and where to send pictures.

        Raises:
            PipelineError: it does not start, or can't be prepared.
        """
        run = replace(run, port=free_port())
        if self.prepare:
            self.prepare(run)
        bodies = []
        for number, photo in enumerate(run.photos):
            bodies.append(run.scratch / f"{self.wrap.__name__}-{number:02}")
            bodies[-1].write_bytes(self.wrap(photo))
        url = f"http://127.0.0.1:{run.port}{self.path}"
        with running(
            [*self.words(run), *options],
            ready=self.ready,
            port=run.port,
            log=run.scratch / f"{self.name}.log",
            environment=self.variables(run) | variables,
            cores=run.cores.server,
        ) as server:
            yield server, Target(url, tuple(bodies), pictures.CONTENT_TYPES[self.wrap])

    def words(self, run: Run) -> list[str]:
        """The command, filled in."""
        return [word.format(**_words(run)) for word in shlex.split(self.command)]

    def variables(self, run: Run) -> dict[str, str]:
        """The server's environment: this one's, less settings of the service and reports to makers, and `_words`."""
        return {
            **{name: value for name, value in os.environ.items() if name.lower() not in Settings.model_fields},
            "PYTHONPATH": str(ROOT),
            "PATH": f"{BENCH}:{os.environ['PATH']}",  # MLflow starts uvicorn by name
            "MLFLOW_DISABLE_TELEMETRY": "true",
            "BENTOML_DO_NOT_TRACK": "True",
            "BENTOML_HOME": str(run.scratch / "bentoml"),
            "ORT_DISABLE_TELEMETRY": "1",
            **{f"BENCH_{name.upper()}": value for name, value in _words(run).items()},
            **{name: value.format(**_words(run)) for name, value in self.environment.items()},
        }


def _words(run: Run) -> dict[str, str]:
    values = {
        "root": ROOT, "bench": BENCH, "port": run.port, "bundle": run.folder, "variant": run.variant,
        "scratch": run.scratch, "workers": WORKERS, "trained": ROOT / TRAINED,
        "peers": "scripts.bench.service.peers",
    }  # fmt: skip
    return {name: str(value) for name, value in values.items()}


@contextmanager
def promoted(photos: tuple[bytes, ...] | None = None) -> Iterator[Run]:
    """A run with the promoted model's default variant; its scratch folder goes when the block ends.

    Raises:
        PipelineError: there is no sound promoted model, or there are no photos.
    """
    variant = image.promoted(ROOT).default_variant
    with TemporaryDirectory(prefix="bench-") as scratch:
        given = tuple(pictures.make()) if photos is None else photos
        yield Run(PROMOTED.resolve(), variant, Path(scratch), given)


def _prepare_mlflow(run: Run) -> None:
    command = [str(BENCH / "python"), "-m", "scripts.bench.service.peers.mlflow_model"]
    environment = MLFLOW.variables(run)
    saved = subprocess.run(command, env=environment, cwd=run.scratch, capture_output=True, text=True, check=False)
    if saved.returncode:
        raise PipelineError(f"its model can't be saved: {' / '.join(saved.stderr.strip().splitlines()[-2:])}")


# A camera needs no more than the default of 60 frames a second; a benchmark does. All its clients have one address.
SERVED: Final = Contender(
    OURS,
    "`python -m service` as it chooses: in bfloat16 where the processor has it; the picture as the body of the request",
    "{root}/.venv-service/bin/python -m service --model {bundle} --port {port} --threads {workers} "
    "--stream-fps 1000 --address-share 1",
    "/readyz",
    model="as it chooses",
)
EARLIER: Final = Contender(
    BEFORE,
    f"this service as of commit {before.COMMIT}: a supervisor and two worker processes, ONNX Runtime; a raw body",
    "{root}/.venv-before/bin/python -P -m service --model {scratch}/before-bundle --variant {variant} --port {port} "
    "--workers {workers}",
    "/readyz",
    environment={"PYTHONPATH": "{scratch}/before"},
    prepare=lambda run: before.prepare(run.folder, run.variant, run.scratch),
)
MLFLOW: Final = Contender(
    "mlflow",
    "`mlflow models serve`, a custom Python model, two workers; pictures in base64 in JSON, as it takes no raw body",
    "{bench}/mlflow models serve -m {scratch}/mlflow -h 127.0.0.1 -p {port} --env-manager local --workers {workers}",
    "/ping",
    "/invocations",
    pictures.dataframe,
    prepare=_prepare_mlflow,
)
PEERS: Final = (
    EARLIER,
    Contender(
        ORIGINAL,
        "the stack of the original (a blog post of 2020), written anew: fastai's `learn.predict` behind FastAPI, torch "
        "in fp32, a form; two uvicorn workers of one thread",
        "{bench}/uvicorn {peers}.original:app --port {port} --workers {workers}",
        "/healthz",
        wrap=pictures.multipart,
        environment={"OMP_NUM_THREADS": "1"},
        model="torch fp32",
    ),
    MLFLOW,
    Contender(
        "litserve",
        "LitServe, two inference workers and two HTTP servers; a raw body",
        "{bench}/python -m {peers}.litserve_server",
        "/health",
    ),
    Contender(
        "bentoml",
        "BentoML, two workers; a raw body",
        "{bench}/bentoml serve {peers}.bentoml_service:Identify --host 127.0.0.1 --port {port}",
        "/readyz",
    ),
)
