"""A model that knew a forgotten photo is served by nobody: not by promote, not by rollback, not by a service."""

import json
import shutil
import threading
from collections.abc import Iterator
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path
from typing import Any
from urllib.parse import parse_qs, urlsplit

import httpx
import pytest

import bundle
from pipeline.data import forgotten
from pipeline.data.settings import DataSettings
from pipeline.promote import champion
from pipeline.tracking.registry import Version
from tests import promotion_project
from tests.mlflow_template import MLFLOWS_OWN_WARNINGS
from tests.promotion_project import EQUAL, GOOD, PROMOTED, Project, error, run
from tests.service.running import Running, eventually, running, starting
from tests.studio.conftest import receipt
from tests.tiny_bundle import make_bundle

pytestmark = MLFLOWS_OWN_WARNINGS
DATA = DataSettings(images=Path("data/images"), manifest=Path("data/manifest.csv"), ood_label="other")
PHOTO = "ab" * 32
MODELS = Path("models")


@pytest.fixture
def project(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Project:
    return promotion_project.make(tmp_path, monkeypatch)


def taint(project: Project, fingerprint: str) -> Version:
    version = project.registry.find(fingerprint)
    assert version is not None
    project.registry.taint(version, "trained on a photo that was forgotten on 2026-11-25")
    return version


def test_a_rollback_skips_tainted_versions(project: Project, capsys: pytest.CaptureFixture[str]) -> None:
    prints = []
    for bias in (GOOD, EQUAL, (0.2, 0.0, 0.0)):
        prints.append(project.candidate(bias))
        run()
    taint(project, prints[1])
    assert "is tainted (trained on a photo that was forgotten" in error(capsys, "rollback", "--to", "2")
    run("rollback")
    assert project.champion() == project.promoted() == prints[0]


def test_a_rollback_to_nothing_but_tainted_versions_is_one_clear_error(
    project: Project, capsys: pytest.CaptureFixture[str]
) -> None:
    first = project.candidate(GOOD)
    run()
    second = project.candidate(EQUAL)
    run()
    taint(project, first)
    assert "no model is left to go back to" in error(capsys, "rollback")
    assert project.champion() == second


def test_a_tainted_champion_is_replaced_by_the_newest_clean_one(project: Project) -> None:
    prints = []
    for bias in (GOOD, EQUAL, (0.2, 0.0, 0.0)):
        prints.append(project.candidate(bias))
        run()
    for fingerprint in prints[1:]:
        taint(project, fingerprint)
    brought = champion.replace_tainted(project.registry, MODELS, frozenset(), "asked")
    assert brought is not None
    assert project.champion() == project.promoted() == brought.fingerprint == prints[0]
    assert project.history()[-1] == ("forget", prints[0])
    assert champion.replace_tainted(project.registry, MODELS, frozenset(), "asked") is None
    assert len(project.history()) == 4


def test_without_a_clean_one_a_word_takes_its_place_and_the_next_clean_model_is_promoted(project: Project) -> None:
    first = project.candidate(GOOD)
    run()
    taint(project, first)
    assert champion.replace_tainted(project.registry, MODELS, frozenset(), "asked") is None
    assert [path.name for path in PROMOTED.iterdir()] == [bundle.WORD]
    second = project.candidate(EQUAL)
    run()
    assert project.champion() == project.promoted() == second


def test_a_model_of_the_same_bytes_without_the_photo_is_a_version_of_its_own(project: Project) -> None:
    """A photo of the test split teaches nothing: the model without it is the same."""
    first = project.candidate(GOOD)
    run()
    taint(project, first)
    champion.replace_tainted(project.registry, MODELS, frozenset(), "asked")
    assert project.candidate(GOOD, run_id="another") == first
    run()
    present = project.registry.champion()
    assert present is not None
    assert (present.number, present.fingerprint, present.tainted) == (2, first, "")
    assert project.promoted() == first


def test_a_candidate_that_knew_a_forgotten_photo_is_promoted_by_no_decision(
    project: Project, capsys: pytest.CaptureFixture[str]
) -> None:
    good = project.candidate(GOOD)
    run()
    forgotten.append(DATA, [receipt(PHOTO)])
    project.candidate(EQUAL, taught=[PHOTO])
    run()
    assert project.report()["decision"] == "refused"
    assert "it knew 1 photos that were forgotten" in project.report()["reasons"][0]
    assert "it knew 1 photos that were forgotten" in error(capsys, "anyway", "--why", "I want it")
    assert project.champion() == project.promoted() == good


class Registry(ThreadingHTTPServer):
    """Answers the requests of a service as an MLflow server does, for bundles in folders named after versions."""

    def __init__(self, folder: Path) -> None:
        super().__init__(("127.0.0.1", 0), _Handler)
        self.folder, self.champion, self.tainted = folder, "1", set[str]()

    def version(self, number: str) -> dict[str, Any]:
        tags = {"fingerprint": bundle.fingerprint(bundle.load_manifest(self.folder / number))}
        tags |= {"tainted": "trained on it"} if number in self.tainted else {}
        return {"version": number, "tags": [{"key": key, "value": value} for key, value in tags.items()]}

    @property
    def settings(self) -> dict[str, object]:
        return {"model": "models:/m@champion", "mlflow_tracking_uri": f"http://127.0.0.1:{self.server_port}"}


class _Handler(BaseHTTPRequestHandler):
    def do_GET(self) -> None:
        registry, address = self.server, urlsplit(self.path)
        assert isinstance(registry, Registry)
        query = {name: values[0] for name, values in parse_qs(address.query).items()}
        if "path" in query:
            data = (registry.folder / query["version"] / query["path"]).read_bytes()
        elif address.path.endswith("/search"):
            assert (query["filter"], query["order_by"]) == ("name='m'", "version_number DESC")
            numbers = sorted((path.name for path in registry.folder.iterdir()), reverse=True)
            data = json.dumps({"model_versions": [registry.version(number) for number in numbers]}).encode()
        else:
            data = json.dumps({"model_version": registry.version(registry.champion)}).encode()
        self.send_response(200)
        self.send_header("Content-Length", str(len(data)))
        self.end_headers()
        self.wfile.write(data)

    def log_message(self, *_: object) -> None:
        """Nothing."""


@pytest.fixture
def registry(tmp_path: Path) -> Iterator[Registry]:
    for number in range(1, 4):
        make_bundle(tmp_path / f"registered/{number}", version=f"tiny-{number}", bias=(number / 10, 0, 0))
    with Registry(tmp_path / "registered") as server:
        thread = threading.Thread(target=server.serve_forever)
        thread.start()
        yield server
        server.shutdown()
        thread.join()


def ready(service: Running) -> tuple[int, dict[str, Any]]:
    answer = httpx.get(f"{service.url}/readyz")
    return answer.status_code, answer.json()


def serves(service: Running, version: str) -> bool:
    status, answer = ready(service)
    return status == 200 and answer["model"] == version


def refuses(service: Running) -> bool:
    status, answer = ready(service)
    return status == 503 and answer["detail"].startswith("tainted: ")


def test_a_service_takes_the_newest_clean_version_and_says_why_where_there_is_none(
    registry: Registry, tmp_path: Path
) -> None:
    registry.champion, registry.tainted = "3", {"2"}
    with running(tmp_path, **registry.settings) as service:
        assert serves(service, "tiny-3")
        registry.tainted = {"2", "3"}
        eventually(lambda: serves(service, "tiny-1"))
        registry.tainted = {"1", "2", "3"}
        eventually(lambda: refuses(service))
        assert httpx.post(f"{service.url}/identify", content=b"").status_code == 503
        registry.tainted = {"3"}
        eventually(lambda: serves(service, "tiny-2"))
        assert service.process.poll() is None


def test_a_start_does_not_serve_what_was_kept_of_a_tainted_version(registry: Registry, tmp_path: Path) -> None:
    with running(tmp_path, **registry.settings) as service:
        assert serves(service, "tiny-1")
    (kept,) = (tmp_path / "models/fetched").iterdir()
    registry.tainted = {"1", "2", "3"}
    with starting(tmp_path, **registry.settings) as service:
        eventually(lambda: any(line.get("outcome") == "tainted" for line in service.lines))
    assert not kept.exists()


def test_a_folder_whose_model_was_taken_out_is_served_by_nobody(tmp_path: Path) -> None:
    folder = tmp_path / "promoted"
    make_bundle(folder, version="tiny-1")
    with running(tmp_path) as service:
        shutil.rmtree(folder)
        folder.mkdir()
        (folder / bundle.WORD).write_text("the model before knew a photo that was forgotten\n")
        eventually(lambda: refuses(service))
        shutil.rmtree(folder)
        make_bundle(tmp_path / "new", version="tiny-2")
        (tmp_path / "new").rename(folder)
        eventually(lambda: serves(service, "tiny-2"))
