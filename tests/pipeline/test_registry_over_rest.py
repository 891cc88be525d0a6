"""What a service with no MLflow package relies on: the champion over plain HTTP from a real `mlflow server`.

Both ways that a store may be set up are read alike: .mlflow/ that promote wrote as files and the server
serves, and a server that promote itself wrote through (MLFLOW_TRACKING_URI, artifacts proxied).
"""

import json
import os
import signal
import socket
import subprocess
import sys
import time
from collections.abc import Iterator
from pathlib import Path
from typing import Any
from urllib.parse import urlencode
from urllib.request import urlopen

import pytest

import bundle
from bundle.engine import Engine
from pipeline.promote import stage as promote
from pipeline.tracking import store
from pipeline.tracking.registry import Registry
from tests import measured, promotion_project
from tests.mlflow_template import MLFLOWS_OWN_WARNINGS, SETTINGS
from tests.promotion_project import EQUAL, GOOD, PROMOTED, Project

pytestmark = MLFLOWS_OWN_WARNINGS


def get(address: str, route: str, /, **query: str) -> bytes:
    with urlopen(f"{address}{route}?{urlencode(query)}", timeout=10) as answer:
        body: bytes = answer.read()
        return body


@pytest.fixture
def project(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Project:
    return promotion_project.make(tmp_path, monkeypatch)


@pytest.fixture
def server(project: Project) -> Iterator[str]:
    """`mlflow server` on the project's own store, as `make runs` starts it."""
    with socket.socket() as free:
        free.bind(("127.0.0.1", 0))
        port = free.getsockname()[1]
    store = project.root / ".mlflow"
    command = [
        sys.executable,
        "-m",
        "mlflow",
        "server",
        "--host",
        "127.0.0.1",
        "--port",
        str(port),
        "--workers",
        "1",
    ]
    command += ["--backend-store-uri", f"sqlite:///{store / 'mlflow.db'}", "--serve-artifacts"]
    command += ["--artifacts-destination", str(store / "artifacts")]
    environment = os.environ | {
        "MLFLOW_DISABLE_TELEMETRY": "true",
        "MLFLOW_SERVER_ENABLE_JOB_EXECUTION": "false",
    }
    log = project.root / "server.log"
    with log.open("w") as out:
        process = subprocess.Popen(command, env=environment, stdout=out, stderr=out, start_new_session=True)
    address = f"http://127.0.0.1:{port}"
    try:
        for _ in range(600):
            assert process.poll() is None, log.read_text()
            try:
                get(address, "/health")
                break
            except OSError:
                time.sleep(0.1)
        yield address
    finally:
        os.killpg(process.pid, signal.SIGTERM)  # its workers are in the session that we started for it
        try:
            process.wait(10)
        except subprocess.TimeoutExpired:
            os.killpg(process.pid, signal.SIGKILL)
            process.wait(10)


def fetch_champion(address: str, model: str, folder: Path) -> bundle.Bundle:
    """All that a service does to get `models:/MODEL@champion`."""
    answer = get(address, "/api/2.0/mlflow/registered-models/alias", name=model, alias="champion")
    version: dict[str, Any] = json.loads(answer)["model_version"]
    tags = {tag["key"]: tag["value"] for tag in version["tags"]}

    def file(path: str) -> bytes:
        return get(address, "/model-versions/get-artifact", name=model, version=version["version"], path=path)

    folder.mkdir()
    (folder / "manifest.json").write_bytes(file("manifest.json"))
    for name in json.loads((folder / "manifest.json").read_bytes())["files"]:
        (folder / name).parent.mkdir(exist_ok=True)
        (folder / name).write_bytes(file(name))
    fetched = bundle.load(folder)
    assert bundle.fingerprint(fetched.manifest) == tags["fingerprint"]
    return fetched


def test_a_service_gets_the_champion_over_rest_from_either_kind_of_store(
    project: Project, server: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    first = project.candidate(GOOD)
    assert promote.main([]) == 0
    fetched = fetch_champion(server, "art-text-plant", project.root / "fetched1")
    assert bundle.fingerprint(fetched.manifest) == first
    assert {p.relative_to(fetched.folder): p.read_bytes() for p in fetched.folder.rglob("*.*") if p.is_file()} == {
        p.relative_to(PROMOTED): p.read_bytes() for p in PROMOTED.rglob("*.*") if p.is_file()
    }

    monkeypatch.setenv("MLFLOW_TRACKING_URI", server)
    project.params["promote"]["model"] = project.params["tracking"]["experiment"] = "over-rest"
    project.write_params()
    second = project.candidate(EQUAL)
    assert promote.main([]) == 0
    fetched = fetch_champion(server, "over-rest", project.root / "fetched2")
    assert bundle.fingerprint(fetched.manifest) == second
    Engine(fetched).check_golden()

    registry = Registry(store.open_store(SETTINGS), "over-rest")
    version = registry.find(second)
    assert version is not None
    assert registry.predictions(version) == sorted(measured.answers())

    assert promote.main(["rollback", "--why", "over REST"]) == 0
    fetched = fetch_champion(server, "over-rest", project.root / "fetched3")
    assert bundle.fingerprint(fetched.manifest) == first
