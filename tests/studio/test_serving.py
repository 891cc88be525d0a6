"""The studio as a process: taught over HTTP it answers by what it learnt, for every tab; killed, it is whole."""

import fcntl
import hashlib
import os
import signal
import socket
import subprocess
import sys
import threading
import time
from collections.abc import Callable, Iterator
from contextlib import suppress
from pathlib import Path
from typing import Any

import httpx
import pytest

import bundle
from scripts.bench.teach.kills import inconsistencies
from scripts.bench.teach.latency import teach
from scripts.bench.teach.project import Studio, copied, studio
from tests.studio.conftest import ROOT, Burst

PATIENCE_S = 60.0


@pytest.fixture(scope="module")
def place(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Where the studio of all tests runs."""
    return copied(tmp_path_factory.mktemp("studio"))


@pytest.fixture(scope="module")
def everybodys(place: Path) -> Iterator[Studio]:
    """It is started once."""
    with studio(place) as one:
        until(lambda now: len(now["labels"]) > 1, one)
        yield one


@pytest.fixture
def own(everybodys: Studio) -> Iterator[Studio]:
    """The studio, with nothing taught that a test before has taught."""
    yield everybodys
    for step in everybodys.client.get("/studio/state").json()["steps"]:
        if step["kind"] == "teach" and step["undoable"]:
            everybodys.client.post("/studio/undo", json={"step": step["step"]}).raise_for_status()
    until(lambda now: now["draft"] is None and not now["model"].startswith("draft"), everybodys)


def until(ready: Callable[[dict[str, Any]], object], own: Studio) -> dict[str, Any]:
    """The state once ``ready`` holds for it."""
    end, seen = time.monotonic() + PATIENCE_S, 0
    while time.monotonic() < end:
        state: dict[str, Any] = own.client.get("/studio/state", params={"seen": seen}).json()
        if ready(state):
            return state
        seen = state["seq"]
    raise AssertionError(f"it did not come to that: {state}")


def answer(own: Studio, picture: bytes) -> dict[str, Any]:
    found: dict[str, Any] = own.client.post(
        "/identify", content=picture, headers={"Content-Type": "image/jpeg"}
    ).raise_for_status().json()  # fmt: skip
    return found


def model(own: Studio) -> str:
    return hashlib.sha256(own.client.get("/model/model.onnx").content).hexdigest()


def is_draft(state: dict[str, Any]) -> bool:
    return bool(state["draft"]) and state["model"] == state["draft"]["version"]


def test_what_is_taught_answers_and_undone_the_model_before_does(own: Studio, burst: Burst) -> None:
    before, (*taught, unseen) = model(own), burst("#c02020", 3, 12)
    step = teach(own, "mug", taught)
    state = until(is_draft, own)
    assert answer(own, unseen)["label"] == "mug"
    assert {"name": "mug", "photos": state["draft"]["new"], "sittings": 1, "none": False} in state["labels"]
    assert until(lambda now: now["draft"]["measured"], own)["draft"]["measured"]["labels"]
    own.client.post("/studio/undo", json={"step": step}).raise_for_status()
    until(lambda now: now["draft"] is None and not now["model"].startswith("draft"), own)
    assert model(own) == before


def test_some_photos_of_a_burst_can_be_dropped(own: Studio, burst: Burst) -> None:
    step = teach(own, "mug", burst("#c02020", 3))
    files = until(is_draft, own)["steps"][0]["files"]
    own.client.post("/studio/undo", json={"step": step, "files": files[:2]}).raise_for_status()
    state = until(lambda now: next(each for each in now["steps"] if each["step"] == step)["files"] == files[2:], own)
    assert next(each["photos"] for each in state["labels"] if each["name"] == "mug") >= len(files) - 2


def test_another_tab_sees_each_step_and_two_that_teach_get_in_line(own: Studio, burst: Burst) -> None:
    bursts = [burst("#c02020", 3), burst("#2040c0", 9)]
    threads = [threading.Thread(target=teach, args=(own, f"thing {i}", each)) for i, each in enumerate(bursts)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    one, other = until(is_draft, own)["steps"][:2]
    assert one["step"] == other["step"] + 1
    assert {one["label"], other["label"]} == {"thing 0", "thing 1"}


@pytest.mark.parametrize(
    ("label", "said"),
    [("a/b", "must not hold /"), ("", "must not be empty"), ("ART", "there is a label 'art'"), ("x" * 200, "longer")],
)
def test_a_label_that_can_not_be_is_refused_with_a_word(own: Studio, burst: Burst, label: str, said: str) -> None:
    before = own.client.get("/studio/state").json()["steps"]
    sent = [("frames", ("0.jpg", burst("#c02020", 3, 1)[0], "image/jpeg"))]
    refused = own.client.post("/studio/teach", data={"label": label, "author": "Ada"}, files=sent)
    assert refused.status_code == 422
    assert said in refused.json()["detail"]
    assert own.client.get("/studio/state").json()["steps"] == before


def test_black_frames_show_nothing(own: Studio) -> None:
    black = _black()
    refused = own.client.post(
        "/studio/teach", data={"label": "mug", "author": "Ada"}, files=[("frames", ("0.jpg", black, "image/jpeg"))]
    )
    assert refused.status_code == 422
    assert "covered" in refused.json()["detail"]


def test_while_dvc_works_here_nothing_is_taught_and_that_is_said(own: Studio, place: Path, burst: Burst) -> None:
    (place / ".dvc/tmp").mkdir(parents=True, exist_ok=True)
    with (place / ".dvc/tmp/lock").open("w") as lock:
        fcntl.flock(lock, fcntl.LOCK_EX)
        sent = [("frames", ("0.jpg", burst("#c02020", 3, 1)[0], "image/jpeg"))]
        refused = own.client.post("/studio/teach", data={"label": "mug", "author": "Ada"}, files=sent)
        assert refused.status_code == 409
        assert "dvc" in refused.json()["detail"]
        until(lambda now: now["busy"], own)
    until(lambda now: not now["busy"], own)
    teach(own, "mug", burst("#c02020", 3))


def test_a_label_of_too_few_sittings_is_not_kept_and_how_many_are_missing_is_said(own: Studio, burst: Burst) -> None:
    teach(own, "mug", burst("#c02020", 3))
    until(is_draft, own)
    refused = own.client.post("/studio/keep")
    assert refused.status_code == 422
    assert "mug was shown once" in refused.json()["detail"]
    assert "2 times more" in refused.json()["detail"]


def test_a_label_that_is_deleted_on_the_disk_leaves_the_answers(checkout: Path, burst: Burst) -> None:
    with studio(checkout) as own:
        teach(own, "mug", burst("#c02020", 3))
        until(is_draft, own)
        for photo in (checkout / "data/images/mug").glob("*.jpg"):
            photo.unlink()
        os.utime(checkout / "data/manifest.csv")
        until(lambda now: all(each["name"] != "mug" for each in now["labels"]) and now["draft"] is None, own)


@pytest.mark.parametrize("after_s", [0.02, 0.2, 0.7])
def test_killed_while_it_is_taught_it_has_all_of_the_burst_or_nothing(
    checkout: Path, burst: Burst, after_s: float
) -> None:
    with studio(checkout) as own:
        sending = threading.Thread(target=_send, args=(own, burst("#c02020", 3)))
        sending.start()
        time.sleep(after_s)  # any moment will do
        os.kill(own.process.pid, signal.SIGKILL)
        own.process.wait()
        sending.join()
    with studio(checkout) as own:
        state = until(lambda now: len(now["labels"]) > 1, own)
        assert inconsistencies(checkout) == []
        assert len(state["steps"]) <= 1


def test_a_draft_answers_again_after_a_restart(checkout: Path, burst: Burst) -> None:
    with studio(checkout) as own:
        teach(own, "mug", burst("#c02020", 3))
        version = until(is_draft, own)["model"]
    with studio(checkout) as own:
        assert own.client.get("/studio/state").json()["model"] == version
        assert until(is_draft, own)["model"] == version


def test_a_model_that_is_promoted_meanwhile_is_what_is_taught(checkout: Path, burst: Burst) -> None:
    folder = checkout / "models/promoted"
    with studio(checkout) as own:
        teach(own, "mug", burst("#c02020", 3))
        until(is_draft, own)
        bundle.seal(folder, bundle.load_manifest(folder).model_copy(update={"version": "another"}))
        draft = checkout / "models/draft"  # there is one of the new model soon, as it does not know the mug either
        until(lambda now: is_draft(now) and bundle.load_manifest(draft).lineage.parent == "another", own)


def test_ctrl_c_ends_it_while_a_page_waits_for_news(checkout: Path) -> None:
    with studio(checkout) as own:
        seen = until(lambda now: len(now["labels"]) > 1, own)["seq"]
        waiting = threading.Thread(target=lambda: _quietly(own, seen))
        waiting.start()
        own.process.send_signal(signal.SIGINT)
        assert own.process.wait(30) == 0
        waiting.join()


def _black() -> bytes:
    from io import BytesIO

    from PIL import Image

    file = BytesIO()
    Image.new("RGB", (400, 400)).save(file, "JPEG")
    return file.getvalue()


def _send(own: Studio, frames: list[bytes]) -> None:
    with suppress(httpx.HTTPError):
        teach(own, "mug", frames)


def _quietly(own: Studio, seen: int) -> None:
    with suppress(httpx.HTTPError):
        own.client.get("/studio/state", params={"seen": seen})


class TestWhoMay:
    """Only a browser that was opened with the printed address, on this machine."""

    def test_without_the_token_nothing_is_said(self, own: Studio) -> None:
        with httpx.Client(base_url=own.client.base_url) as stranger:
            assert stranger.get("/model").headers["X-Studio"] == "locked"
            for way in ("GET state", "POST teach", "POST undo", "POST keep", "GET review", "GET photos/art/a.jpg"):
                method, path = way.split()
                assert stranger.request(method, f"/studio/{path}").status_code == 401, way
            assert stranger.post("/studio/session", json={"token": "x" * 43}).status_code == 401

    def test_the_token_becomes_a_cookie_that_scripts_can_not_read(self, own: Studio, place: Path) -> None:
        with httpx.Client(base_url=own.client.base_url) as browser:
            said = browser.post("/studio/session", json={"token": (place / ".studio/token").read_text()})
            assert said.status_code == 204
            cookies = said.headers.get_list("set-cookie")
            assert all("HttpOnly" in each and "SameSite=strict" in each for each in cookies)
            assert browser.get("/model").headers["X-Studio"] == "open"
            assert browser.get("/studio/state").status_code == 200

    def test_the_token_is_for_the_owner_of_the_files_alone(self, own: Studio, place: Path) -> None:
        assert own.client.get("/studio/state").status_code == 200
        assert (place / ".studio/token").stat().st_mode & 0o077 == 0

    @pytest.mark.parametrize(
        "headers",
        [
            {"Origin": "https://evil.example"},
            {"Origin": "null"},
            {"Sec-Fetch-Site": "cross-site"},
            {"Sec-Fetch-Site": "same-site"},
            {"Host": "10.0.0.7:8000"},
        ],
    )
    def test_other_pages_and_other_names_are_refused(self, own: Studio, headers: dict[str, str]) -> None:
        assert own.client.post("/studio/keep", headers=headers).status_code == 403

    def test_a_name_that_points_here_is_refused(self, own: Studio) -> None:
        assert own.client.get("/studio/state", headers={"Host": "evil.example"}).status_code == 400

    def test_it_listens_on_loopback_alone(self, own: Studio) -> None:
        port = httpx.URL(str(own.client.base_url)).port
        assert port is not None
        for address in {each[4][0] for each in socket.getaddrinfo(socket.gethostname(), None)} - {"127.0.0.1", "::1"}:
            with socket.socket(socket.AF_INET6 if ":" in str(address) else socket.AF_INET) as probe:
                assert probe.connect_ex((str(address), port)) != 0

    def test_another_address_is_refused_at_start(self, checkout: Path) -> None:
        done = subprocess.run(
            [sys.executable, "-m", "studio"],
            cwd=checkout,
            env={**os.environ, "BIND": "0.0.0.0", "PYTHONPATH": str(ROOT)},
            capture_output=True,
            text=True,
            check=False,
        )
        assert done.returncode == 1
        assert "--lan" in done.stderr

    def test_with_lan_other_devices_may_with_the_token_alone(self, checkout: Path) -> None:
        with studio(checkout, "--lan") as own:
            other = {"Host": "10.0.0.7:8000"}  # as a phone in the network calls it
            assert own.client.get("/studio/state", headers=other).status_code == 200
            assert own.client.get("/studio/state", headers={**other, "Authorization": "Bearer no"}).status_code == 401
            page = {**other, "Origin": "https://evil.example"}
            assert own.client.get("/studio/state", headers=page).status_code == 403
