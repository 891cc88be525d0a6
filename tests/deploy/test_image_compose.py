"""compose.yaml, really started: the page at once, a champion from MLflow with no restart, and MLflow's absence."""

import json
import os
import subprocess
import uuid
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest

import bundle
from pipeline.promote import stage as promote
from tests import promotion_project
from tests.deploy.containers import IMAGE, MLFLOW_IMAGE, Container, docker, wait
from tests.load import Load
from tests.mlflow_template import MLFLOWS_OWN_WARNINGS
from tests.promotion_project import EQUAL, GOOD
from tests.tiny_bundle import picture

ROOT = Path(__file__).parents[2]
START_S = 120.0  # MLflow makes its tables first
pytestmark = [
    MLFLOWS_OWN_WARNINGS,
    pytest.mark.skipif(not MLFLOW_IMAGE, reason="MLFLOW_IMAGE names no image: `make image-test` builds one"),
]


class Compose:
    """A project of its own, with ports that are free."""

    def __init__(self, override: Path) -> None:
        self._project = f"test-{uuid.uuid4().hex[:8]}"
        images = {"seed": IMAGE, "service": IMAGE, "mlflow": MLFLOW_IMAGE}
        override.write_text(json.dumps({"services": {name: {"image": image} for name, image in images.items()}}))
        self._files = ["--file", str(ROOT / "compose.yaml"), "--file", str(override)]
        self._environment = os.environ | {"PUBLISH": "127.0.0.1:", "MLFLOW_PUBLISH": "127.0.0.1:"}

    def __call__(self, *words: str) -> str:
        """Run `docker compose`; what it printed."""
        command = ["docker", "compose", *self._files, "--project-name", self._project, *words]
        done = subprocess.run(command, env=self._environment, capture_output=True, text=True, check=False)
        assert done.returncode == 0, f"{' '.join(command)}: {done.stderr}"
        return done.stdout

    def container(self, service: str) -> Container:
        """The container of a service."""
        return Container(self("ps", "--all", "--quiet", service).strip())

    def published(self, service: str) -> dict[str, Any]:
        """Its ports that this machine can reach, and where."""
        ports = self.container(service).inspect(".NetworkSettings.Ports") or {}
        return {port: bound for port, bound in ports.items() if bound}

    def address(self, service: str, port: int) -> str:
        """Where a port is published."""
        return f"http://127.0.0.1:{self.published(service)[f'{port}/tcp'][0]['HostPort']}"


@pytest.fixture(scope="module")
def compose(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Compose]:
    """Service and MLflow, up and healthy."""
    one = Compose(tmp_path_factory.mktemp("compose") / "override.json")
    try:
        one("up", "--detach", "--no-build")
        for service in ("service", "mlflow"):
            health = one.container(service)
            wait(
                lambda h=health: h.inspect(".State.Health.Status") == "healthy",
                f"{service} to be healthy",
                START_S,
            )
        yield one
    finally:
        one("down", "--volumes", "--timeout", "10")


def test_nothing_is_reachable_but_the_page_and_mlflow_both_on_loopback(compose: Compose) -> None:
    for service, port in (("service", "8000/tcp"), ("mlflow", "5000/tcp")):
        published = compose.published(service)
        assert list(published) == [port]
        assert {bound["HostIp"] for bound in published[port]} == {"127.0.0.1"}


def test_everything_is_hardened_and_limited(compose: Compose) -> None:
    for service in ("seed", "service", "mlflow"):
        host = compose.container(service).inspect(".HostConfig")
        assert host["ReadonlyRootfs"]
        assert host["CapDrop"] == ["ALL"]
        assert "no-new-privileges:true" in host["SecurityOpt"]
        assert not host["Privileged"]
        if service != "seed":
            assert host["Memory"] > 0
            assert host["NanoCpus"] > 0
            assert host["PidsLimit"] > 0
            assert host["RestartPolicy"]["Name"] == "unless-stopped"


def test_the_champion_is_taken_over_with_no_restart_and_outlives_mlflow(
    compose: Compose, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """The service begins with the image's bundle; promotions and a rollback reach it, under load; MLflow may go."""
    service = compose.container("service")
    baked = json.loads(service.run("cat", "/app/models/promoted/manifest.json"))["version"]
    assert service.model == baked
    project = promotion_project.make(tmp_path, monkeypatch)
    monkeypatch.setenv("MLFLOW_TRACKING_URI", compose.address("mlflow", 5000))
    names = []
    with Load(service.address, 2, picture("green")) as load:
        for bias in (GOOD, EQUAL):
            project.candidate(bias)
            assert promote.main([]) == 0
            names.append(bundle.load(promotion_project.PROMOTED).manifest.version)
            service.await_ready(names[-1])
        assert promote.main(["rollback", "--why", "a test"]) == 0
        service.await_ready(names[0])
    assert set(load.statuses) == {200}
    assert load.broken == []
    assert service.inspect(".RestartCount") == 0

    compose("stop", "mlflow")
    wait(lambda: service.get("/readyz")[1]["trouble"] == "unreachable", "it to notice")
    docker("restart", service.name)
    service.await_ready(names[0])
    compose("start", "mlflow")
    wait(lambda: service.get("/readyz")[1]["trouble"] is None, "it to notice", START_S)
