"""What a container goes through: load, a new model, a crash, its own death, a browser."""

import os
import shutil
import signal
from pathlib import Path

import httpx
import pytest
from playwright.sync_api import sync_playwright

import bundle
from scripts.dev.browser import launch
from tests.deploy.containers import HARDENED, SMALLEST, Container, docker, readable, started, wait
from tests.load import Load
from tests.tiny_bundle import make_bundle, picture

ROOT = Path(__file__).parents[2]
FRAME = picture("green", (640, 480), "JPEG")
LARGEST = picture("blue", (4_000, 3_000), "JPEG")  # what a phone sends
LIMIT = 384 * 2**20
LOOPBACK = "--publish=127.0.0.1::8000"


def highest_memory(container: Container) -> int:
    """The most that it ever used, in bytes, as its control group says (version 1 or 2); page cache included."""
    files = ("/sys/fs/cgroup/memory.peak", "/sys/fs/cgroup/memory/memory.max_usage_in_bytes")
    script = f"cat {' '.join(files)} 2>/dev/null || true"
    return int(container.run("sh", "-c", script).split()[0])


def promote(folder: Path, version: str) -> None:
    """Put the promoted model into its place again, under another name."""
    coming = folder / "coming"
    shutil.copytree(ROOT / "models" / "promoted", coming)
    bundle.seal(coming, bundle.load(coming).manifest.model_copy(update={"version": version}))
    replace(folder, coming)


def replace(folder: Path, coming: Path) -> None:
    readable(coming)
    if (folder / "promoted").exists():
        (folder / "promoted").rename(folder / "before")
    coming.rename(folder / "promoted")
    shutil.rmtree(folder / "before", ignore_errors=True)


def mounted(folder: Path) -> tuple[str, ...]:
    folder.chmod(0o755)
    return (f"--volume={folder}:/models:ro", "--env=MODEL=/models/promoted", "--env=POLL_S=0.5")


def test_a_picture_that_was_answered_wrongly_is_kept_in_a_volume(tmp_path: Path) -> None:
    """By the image's own user, which is not root; the volume gets its owner from the image."""
    make_bundle(tmp_path / "promoted")
    readable(tmp_path / "promoted")
    kept = ("--volume=/app/feedback", "--env=FEEDBACK=/app/feedback")
    with started(*HARDENED, *SMALLEST, LOOPBACK, *mounted(tmp_path), *kept) as container:
        container.await_ready()
        told = {"label": "plant", "model": "tiny-00000000", "answer": "", "score": "0.1"}
        answer = httpx.post(f"{container.address}/feedback", files={"picture": FRAME}, data=told, trust_env=False)
        assert answer.status_code == 204, answer.text
        names = container.run("python", "-c", "import os; print(*os.listdir('/app/feedback'))").split()
        assert sorted(Path(name).suffix for name in names) == [".jpg", ".json"]


@pytest.mark.skipif(not (ROOT / "models/promoted").exists(), reason="no model was promoted here")
def test_a_new_model_is_taken_over_in_the_middle_of_load_within_256_mb(tmp_path: Path) -> None:
    promote(tmp_path, "first")
    with started(*HARDENED, *SMALLEST, LOOPBACK, *mounted(tmp_path)) as container:
        container.await_ready("first")
        with Load(container.address, 4, FRAME) as load:
            wait(lambda: load.answered > 20, "answers of the first model")
            container.get("/identify", LARGEST)
            promote(tmp_path, "second")
            container.await_ready("second")
            seen = load.answered
            wait(lambda: load.answered > seen + 20, "answers of the second model")
        assert set(load.statuses) <= {200, 503}, "503: more was asked than one core answers"
        assert load.broken == []
        late = load.models[load.models.index("second") :].count("first")
        assert late <= 4, "one picture of each client may have been in work at the swap; else first, then second"
        assert not container.inspect(".State.OOMKilled")
        assert container.inspect(".RestartCount") == 0
        assert highest_memory(container) < LIMIT
        assert container.run("sh", "-c", "ls /tmp/art-text-plant-* | wc -l") == "2"  # the one served and the one before


def test_a_damaged_model_changes_nothing_but_what_readiness_says(tmp_path: Path) -> None:
    make_bundle(tmp_path / "promoted", version="sound")
    readable(tmp_path)
    with started(*HARDENED, LOOPBACK, *mounted(tmp_path)) as container:
        container.await_ready("sound")
        make_bundle(tmp_path / "coming", version="damaged")
        (tmp_path / "coming" / "model.onnx").write_bytes(b"no model")
        replace(tmp_path, tmp_path / "coming")
        wait(lambda: container.get("/readyz")[1]["trouble"], "the trouble to be seen")
        status, answer = container.get("/readyz")
        assert (status, answer["model"]) == (200, "sound")
        assert answer["trouble"] == "damaged"
        assert any("/models/promoted/model.onnx" in line for line in container.errors)
        assert container.identify(FRAME)["model"] == "sound"


@pytest.mark.skipif(os.geteuid() != 0, reason="only root may kill a container's process behind the engine's back")
def test_a_service_that_is_killed_under_load_is_back_by_the_restart_policy(tmp_path: Path) -> None:
    make_bundle(tmp_path / "promoted")
    readable(tmp_path)
    with started(*HARDENED, LOOPBACK, "--restart=unless-stopped", *mounted(tmp_path)) as container:
        container.await_ready()
        with Load(container.address, 4, FRAME) as load:
            wait(lambda: load.answered > 20, "answers")
            os.kill(container.inspect(".State.Pid"), signal.SIGKILL)
            wait(lambda: container.inspect(".RestartCount") == 1, "the restart")
        container.await_ready()
        assert container.identify(FRAME)["probabilities"]
        docker("stop", container.name)
        assert container.status == 0
        assert container.inspect(".RestartCount") == 1, "a stop is not a death"


def test_the_page_works_in_a_browser(tmp_path: Path) -> None:
    """Chromium opens it, gives it a picture, and shows the answer of the container."""
    photo = tmp_path / "green.png"
    photo.write_bytes(picture("green", (640, 480)))
    with started(*HARDENED, *SMALLEST, LOOPBACK) as container, sync_playwright() as playwright:
        container.await_ready()
        chromium = launch(playwright, camera=None)
        page = chromium.new_page()
        wrong: list[str] = []
        page.on("pageerror", lambda error: wrong.append(str(error)))
        page.on("requestfailed", lambda request: wrong.append(f"{request.url}: {request.failure}"))
        page.goto(container.address)
        page.set_input_files("[data-testid=file]", photo)
        page.locator(f'[data-testid=words][data-model="{container.model}"]').wait_for()
        chromium.close()
        assert wrong == []
