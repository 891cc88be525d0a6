"""Past one machine: photos on S3 through DVC, MLflow on PostgreSQL with its models on S3, as docs/scale.md says.

A stand-in answers for S3 and a PostgreSQL of this machine runs for the test; what is theirs lies in .venv-scale, as a
laptop needs none of it. Skipped, with the reason, where they are not there: `make test-stores` makes the environment.
"""

import os
import shutil
import signal
import socket
import subprocess
import tempfile
import time
import urllib.error
import urllib.request
from collections.abc import Iterator, Mapping, Sequence
from contextlib import contextmanager
from pathlib import Path

import pytest

import bundle
from pipeline.promote import stage as promote
from scripts.dev.clone import environment
from service.models.registry import RegistrySource
from service.settings import Settings
from tests import promotion_project
from tests.mlflow_template import MLFLOWS_OWN_WARNINGS
from tests.promotion_project import GOOD
from tests.small_project import ROOT

BIN = Path(os.environ.get("SCALE_VENV", ROOT / ".venv-scale")) / "bin"
POSTGRES = next((path.parent for path in Path("/usr/lib/postgresql").glob("*/bin/initdb")), None)
READY_WITHIN_S = 120.0
KEYS = {"AWS_ACCESS_KEY_ID": "test", "AWS_SECRET_ACCESS_KEY": "test", "AWS_DEFAULT_REGION": "us-east-1"}
CHECKOUT = ROOT / "deploy/k8s/training/checkout.sh"

pytestmark = [
    pytest.mark.skipif(not (BIN / "moto_server").exists(), reason="no .venv-scale: `make test-stores` makes it"),
    MLFLOWS_OWN_WARNINGS,
]


def free_port() -> int:
    with socket.socket() as free:
        free.bind(("127.0.0.1", 0))
        return int(free.getsockname()[1])


@contextmanager
def running(command: Sequence[str], address: str, folder: Path, **variables: str) -> Iterator[str]:
    """A server for a block, once it answers HTTP at ``address``."""
    log = folder / f"{Path(command[0]).name}.log"
    with log.open("wb") as out:
        started = subprocess.Popen(
            command, env=environment() | variables, cwd=folder, stdout=out, stderr=out, start_new_session=True
        )
    try:
        until = time.monotonic() + READY_WITHIN_S
        while not _answers(address):
            assert started.poll() is None, log.read_text()
            assert time.monotonic() < until, log.read_text()
            time.sleep(0.1)
        yield address
    finally:
        if started.poll() is None:
            os.killpg(started.pid, signal.SIGTERM)  # its workers are in the session that we started for it
        try:
            started.wait(20)
        except subprocess.TimeoutExpired:
            os.killpg(started.pid, signal.SIGKILL)
            started.wait(20)


def _answers(address: str) -> bool:
    try:
        urllib.request.urlopen(address, timeout=5).close()
    except urllib.error.HTTPError:
        return True
    except OSError:
        return False
    return True


@pytest.fixture(scope="module")
def s3(tmp_path_factory: pytest.TempPathFactory) -> Iterator[str]:
    """An address that answers as S3 does, with a bucket called `art-text-plant`."""
    port = free_port()
    command = [str(BIN / "moto_server"), "--host", "127.0.0.1", "--port", str(port)]
    with running(command, f"http://127.0.0.1:{port}", tmp_path_factory.mktemp("s3")) as address:
        request = urllib.request.Request(f"{address}/art-text-plant", method="PUT")
        urllib.request.urlopen(request, timeout=30).close()
        yield address


@pytest.fixture
def postgres() -> Iterator[str]:
    """The address of a database of its own, `mlflow`, on a PostgreSQL that runs for one test."""
    if POSTGRES is None:
        pytest.skip("no PostgreSQL here (Debian: postgresql)")
    # As root, PostgreSQL refuses to run; its own user can't get into pytest's folders.
    become = ["runuser", "-u", "postgres", "--"] if os.getuid() == 0 else []
    folder = Path(tempfile.mkdtemp(prefix="postgres-"))
    if become:
        shutil.chown(folder, "postgres")
    port = free_port()
    options = f"-p {port} -c listen_addresses=127.0.0.1 -c unix_socket_directories={folder} -c fsync=off"
    control = [*become, str(POSTGRES / "pg_ctl"), "-D", str(folder / "data"), "-w"]
    try:
        init = [*become, str(POSTGRES / "initdb"), "-D", str(folder / "data"), "-U", "mlflow", "-A", "trust"]
        subprocess.run(init, check=True, capture_output=True, cwd=folder)
        start = [*control, "-o", options, "-l", str(folder / "log"), "start"]
        subprocess.run(start, check=True, stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL, cwd=folder)
        try:
            create = [
                str(POSTGRES / "createdb"),
                "-h",
                "127.0.0.1",
                "-p",
                str(port),
                "-U",
                "mlflow",
                "mlflow",
            ]
            subprocess.run(create, check=True, capture_output=True, cwd=folder)
            yield f"postgresql://mlflow@127.0.0.1:{port}/mlflow"
        finally:
            subprocess.run([*control, "-m", "immediate", "stop"], check=True, capture_output=True, cwd=folder)
    finally:
        shutil.rmtree(folder, ignore_errors=True)


def run(cwd: Path, *command: str, **variables: str) -> str:
    """Run it with the programs of .venv-scale first; what it said."""
    given: Mapping[str, str] = environment() | {
        "PATH": f"{BIN}{os.pathsep}{os.environ['PATH']}",
        "DVC_NO_ANALYTICS": "1",
        "GIT_AUTHOR_NAME": "A test",
        "GIT_AUTHOR_EMAIL": "test@example.org",
        "GIT_COMMITTER_NAME": "A test",
        "GIT_COMMITTER_EMAIL": "test@example.org",
    }
    done = subprocess.run(
        command, cwd=cwd, env={**given, **KEYS, **variables}, stdout=subprocess.PIPE, stderr=subprocess.STDOUT,
        text=True, check=False,
    )  # fmt: skip
    assert done.returncode == 0, f"{' '.join(command)}: {done.stdout}"
    return done.stdout


def test_photos_go_to_s3_and_come_to_the_training_from_there(s3: str, tmp_path: Path) -> None:
    """As docs/scale.md says on the one side, and the Job's own program on the other."""
    laptop, job = tmp_path / "laptop", tmp_path / "job"
    (laptop / "data").mkdir(parents=True)
    (laptop / "data" / "photo.jpg").write_bytes(b"a photo")
    remote = "s3://art-text-plant/dvc"
    run(laptop, "git", "init", "--quiet", "--initial-branch", "main")
    run(laptop, "dvc", "init", "-q")
    run(laptop, "dvc", "remote", "add", "-q", "--default", "bundled", "../nowhere")
    run(laptop, "dvc", "add", "-q", "data")
    run(laptop, "git", "add", "--all")
    run(laptop, "git", "commit", "--quiet", "-m", "with photos")
    run(laptop, "dvc", "remote", "add", "-q", "--local", "--default", "shared", remote)
    run(laptop, "dvc", "remote", "modify", "-q", "--local", "shared", "endpointurl", s3)
    run(laptop, "dvc", "push", "data.dvc")
    assert not run(laptop, "git", "status", "--porcelain")  # nobody else's remote is changed
    job.mkdir()
    variables = {"REPOSITORY": str(laptop), "REVISION": "main", "DVC_REMOTE": remote, "S3_ENDPOINT": s3}
    assert f"photos from {remote}" in run(job, "sh", str(CHECKOUT), **variables)
    run(job, "dvc", "pull", "data.dvc")
    assert (job / "data" / "photo.jpg").read_bytes() == b"a photo"


def test_a_champion_goes_through_postgresql_and_s3_to_a_service(
    s3: str, postgres: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    project = promotion_project.make(tmp_path, monkeypatch)
    port = free_port()
    command = [
        str(BIN / "mlflow"), "server", "--host", "127.0.0.1", "--port", str(port), "--workers", "1",
        "--backend-store-uri", postgres, "--serve-artifacts", "--artifacts-destination", "s3://art-text-plant/mlflow",
    ]  # fmt: skip
    quiet = {"MLFLOW_DISABLE_TELEMETRY": "true", "MLFLOW_SERVER_ENABLE_JOB_EXECUTION": "false"}
    health = f"http://127.0.0.1:{port}/health"
    with running(command, health, tmp_path, MLFLOW_S3_ENDPOINT_URL=s3, **KEYS, **quiet):
        address = health.removesuffix("/health")
        monkeypatch.setenv("MLFLOW_TRACKING_URI", address)
        first = project.candidate(GOOD)
        assert promote.main([]) == 0
        given = {
            "model": "models:/art-text-plant@champion",
            "mlflow_tracking_uri": address,
            "cache": tmp_path / "cache",
        }
        source = RegistrySource(Settings.model_validate(given))
        (tmp_path / "fetched").mkdir()
        source.fetch(source.look(), tmp_path / "fetched")
        fetched = bundle.load(tmp_path / "fetched")
    assert bundle.fingerprint(fetched.manifest) == first
    with urllib.request.urlopen(f"{s3}/art-text-plant?list-type=2&prefix=mlflow/", timeout=30) as answer:
        assert b"model.onnx" in answer.read()  # it is there that the models lie
