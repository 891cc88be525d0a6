"""The service follows an alias of a real `mlflow server`, with no mlflow package in it."""

import os
import shutil
import signal
import socket
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import httpx
import pytest

import bundle
from tests.load import Load
from tests.mlflow_template import MLFLOWS_OWN_WARNINGS
from tests.service.running import Running, eventually, running, starting
from tests.service.test_reload import NEW, OLD, all_serve, drift, flip
from tests.tiny_bundle import make_bundle, picture

pytestmark = MLFLOWS_OWN_WARNINGS
NAME = "art-text-plant"


class Server:
    """`mlflow server` on a sqlite file."""

    def __init__(self, folder: Path) -> None:
        self._folder = folder
        with socket.socket() as free:
            free.bind(("127.0.0.1", 0))
            self._port = free.getsockname()[1]
        self.url = f"http://127.0.0.1:{self._port}"
        self.process: subprocess.Popen[bytes] | None = None

    def start(self) -> None:
        command = [sys.executable, "-m", "mlflow", "server", "--host", "127.0.0.1", "--port", str(self._port)]
        command += ["--workers", "1", "--backend-store-uri", f"sqlite:///{self._folder / 'mlflow.db'}"]
        command += ["--serve-artifacts", "--artifacts-destination", str(self._folder / "artifacts")]
        quiet = {"MLFLOW_DISABLE_TELEMETRY": "true", "MLFLOW_SERVER_ENABLE_JOB_EXECUTION": "false"}
        with (self._folder / "server.log").open("a") as log:
            self.process = subprocess.Popen(
                command, env=os.environ | quiet, stdout=log, stderr=log, start_new_session=True
            )
        eventually(self._answers, 60)

    def _answers(self) -> bool:
        assert self.process is not None
        assert self.process.poll() is None, (self._folder / "server.log").read_text()
        try:
            return httpx.get(f"{self.url}/health", timeout=2).status_code == 200
        except httpx.TransportError:
            return False

    def stop(self) -> None:
        if self.process is not None:
            os.killpg(self.process.pid, signal.SIGKILL)  # its workers are in the session that we started for it
            self.process.wait(10)
            self.process = None


@pytest.fixture(scope="module")
def server(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Server]:
    one = Server(tmp_path_factory.mktemp("mlflow"))
    try:
        one.start()
        yield one
    finally:
        one.stop()


class Registered:
    """A model in the registry, written as `pipeline/tracking/registry.py` writes it."""

    def __init__(self, server: Server, name: str) -> None:
        os.environ.setdefault("MLFLOW_DISABLE_TELEMETRY", "true")
        from mlflow import MlflowClient

        self.name = name
        self._client: Any = MlflowClient(tracking_uri=server.url, registry_uri=server.url)
        self._experiment = self._client.create_experiment(name)
        self._client.create_registered_model(name)

    def register(self, folder: Path, fingerprint: str | None = None) -> str:
        """Make a version of a bundle; its number."""
        run = self._client.create_run(self._experiment)
        self._client.log_artifacts(run.info.run_id, str(folder), "bundle/x")
        tags = {"fingerprint": fingerprint or bundle.fingerprint(bundle.load_manifest(folder))}
        source = f"{run.info.artifact_uri}/bundle/x"
        made = self._client.create_model_version(self.name, source=source, run_id=run.info.run_id, tags=tags)
        return str(made.version)

    def crown(self, number: str) -> None:
        self._client.set_registered_model_alias(self.name, "champion", number)


@pytest.fixture
def registered(server: Server, request: pytest.FixtureRequest) -> Registered:
    return Registered(server, f"{NAME}-{request.node.name[:40]}")


def settings(server: Server, registered: Registered) -> dict[str, object]:
    return {"model": f"models:/{registered.name}@champion", "mlflow_tracking_uri": server.url}


def serves(service: Running, version: str) -> bool:
    answer = httpx.get(f"{service.url}/readyz")
    return answer.status_code == 200 and answer.json()["model"] == version


def last_trouble(service: Running) -> str:
    return str(next((line["why"] for line in reversed(service.lines) if line["event"] == "no new model"), ""))


def test_the_service_follows_the_alias_there_and_back(server: Server, registered: Registered, tmp_path: Path) -> None:
    """Before there is a champion, at the first, at the next under load, and at a rollback."""
    make_bundle(tmp_path / "old", version=OLD)
    make_bundle(tmp_path / "new", version=NEW, bias=(0.1, 0, 0))
    with starting(tmp_path, **settings(server, registered)) as service:
        eventually(lambda: any(line["event"] == "no new model" for line in service.lines))
        (line,) = [line for line in service.lines if line["event"] == "no new model"]
        assert line["outcome"] == "absent"
        assert "promote a model there" in line["why"]

        first = registered.register(tmp_path / "old")
        registered.crown(first)
        service.await_address()
        assert serves(service, OLD)

        second = registered.register(tmp_path / "new")
        with Load(service.url, 2, picture("red"), pause_s=0.005) as load:
            registered.crown(second)
            eventually(lambda: all_serve(service, NEW))
            registered.crown(first)
            eventually(lambda: all_serve(service, OLD))
        assert load.broken == []
        assert set(load.statuses) == {200}
        assert set(load.models) == {OLD, NEW}
        assert service.metric("service_model_swaps_total", outcome="taken") == 3
    (kept,) = (tmp_path / "models/fetched").iterdir()
    assert kept.name == f"{registered.name}@champion.tar"


def test_a_damaged_version_is_not_taken_and_the_next_good_one_is(
    server: Server, registered: Registered, tmp_path: Path
) -> None:
    make_bundle(tmp_path / "old", version=OLD)
    registered.crown(registered.register(tmp_path / "old"))
    with running(tmp_path, **settings(server, registered)) as service:
        for number, (spoil, outcome, why) in enumerate(
            [
                (flip, "damaged", "sha256 differs"),
                (drift, "refused", "gives other numbers here"),
                (lambda f: (f / "golden/red.png").unlink(), "damaged", "golden/red.png is missing"),
            ]
        ):
            folder = tmp_path / f"bad{number}"
            make_bundle(folder, version=NEW, bias=(number, 0, 0))
            fingerprint = bundle.fingerprint(bundle.load_manifest(folder))
            spoil(folder)
            registered.crown(registered.register(folder, fingerprint if spoil is not drift else None))
            eventually(lambda why=why: why in last_trouble(service))  # type: ignore[misc]
            assert serves(service, OLD)
            assert service.metric("service_model_swaps_total", outcome=outcome) == (2 if number == 2 else 1)
        make_bundle(tmp_path / "new", version=NEW)
        registered.crown(registered.register(tmp_path / "new", "0" * 64))  # not the model that the tag promises
        eventually(lambda: "another model" in last_trouble(service))
        registered.crown(registered.register(tmp_path / "new"))
        eventually(lambda: all_serve(service, NEW))
        assert httpx.get(f"{service.url}/readyz").json()["trouble"] is None
        assert httpx.post(f"{service.url}/identify", content=picture("red")).json()["model"] == NEW


def test_a_cache_that_can_not_be_written_is_one_clear_line(
    server: Server, registered: Registered, tmp_path: Path
) -> None:
    make_bundle(tmp_path / "old", version=OLD)
    registered.crown(registered.register(tmp_path / "old"))
    (tmp_path / "file").touch()
    options = settings(server, registered) | {"cache": tmp_path / "file/cache"}
    with starting(tmp_path, **options) as service:
        eventually(lambda: any(line.get("outcome") == "unwritable" for line in service.lines))
        (line,) = [line for line in service.lines if line.get("outcome") == "unwritable"]
        assert "Not a directory; check space and permissions" in line["why"]


def test_a_registry_that_goes_away_changes_nothing_and_a_start_without_it_serves_what_was_served_last(
    server: Server, registered: Registered, tmp_path: Path
) -> None:
    """Last in this module: it stops the server, and starts it again."""
    make_bundle(tmp_path / "old", version=OLD)
    registered.crown(registered.register(tmp_path / "old"))
    with running(tmp_path, **settings(server, registered)) as service:
        server.stop()
        eventually(lambda: service.metric("service_model_swaps_total", outcome="unreachable") >= 1)
        assert serves(service, OLD)
        assert "can't be reached" in last_trouble(service)
        assert httpx.get(f"{service.url}/readyz").json()["trouble"] == "unreachable"  # and no address
    with running(tmp_path, **settings(server, registered)) as service:
        assert serves(service, OLD)
        assert any("served last" in line["event"] for line in service.lines)
        server.start()
        make_bundle(tmp_path / "new", version=NEW)
        registered.crown(registered.register(tmp_path / "new"))
        eventually(lambda: all_serve(service, NEW))
    shutil.rmtree(tmp_path / "models")
    server.stop()
    with starting(tmp_path, **settings(server, registered)) as service:
        eventually(lambda: any(line.get("outcome") == "unreachable" for line in service.lines))
        assert service.process.poll() is None  # it waits, and is not ready
