"""Keep: the pipeline runs behind the page, its policy decides, and a run that is ended leaves everything usable."""

import os
import signal
import time
from collections.abc import Callable, Iterator
from io import BytesIO
from pathlib import Path
from typing import Any

import numpy as np
import psutil
import pytest
from PIL import Image, ImageOps

import bundle
from scripts.bench.teach.latency import teach
from scripts.bench.teach.project import Studio, studio
from tests.small_project import ROOT, Project

PATIENCE_S = 300.0


@pytest.fixture(autouse=True)
def _programs(monkeypatch: pytest.MonkeyPatch, small_project: Project) -> None:
    for name in ("PATH", "DVC_NO_ANALYTICS"):
        monkeypatch.setenv(name, small_project.environment[name])


@pytest.fixture
def own(small_project: Project) -> Iterator[Studio]:
    """A studio in the small project, where a mug was shown three times."""
    with studio(small_project.root) as one:
        for sitting in sittings():
            teach(one, "mug", sitting)
        yield one


def sittings() -> list[list[bytes]]:
    """Frames of a thing that the small project does not have, before three grounds."""
    with Image.open(sorted((ROOT / "data/images/plant").glob("*.jpg"))[1]) as image:
        thing = ImageOps.invert(ImageOps.fit(image.convert("RGB"), (260, 260)))
    return [[_before(ground, thing, angle) for angle in (-9, -3, 4, 10)] for ground in (2, 5, 40)]


def _before(ground: int, thing: Image.Image, angle: float) -> bytes:
    coarse = np.random.default_rng(ground).integers(0, 256, (ground, ground, 3), dtype=np.uint8)
    picture = Image.fromarray(coarse).resize((400, 400), Image.Resampling.BICUBIC)
    picture.paste(thing.rotate(angle), (70 + round(3 * angle), 70))
    file = BytesIO()
    picture.save(file, "JPEG", quality=92)
    return file.getvalue()


def job_of(own: Studio, ready: Callable[[dict[str, Any]], object]) -> dict[str, Any]:
    """The job once ``ready`` holds for it."""
    end = time.monotonic() + PATIENCE_S
    while time.monotonic() < end:
        job: dict[str, Any] = own.client.get("/studio/state").json()["job"]
        if ready(job):
            return job
        time.sleep(0.2)
    raise AssertionError(f"it did not come to that: {job}")


def test_what_is_kept_is_promoted_and_undone_the_model_before_is_back(own: Studio, small_project: Project) -> None:
    promoted = small_project.root / "models/promoted"
    before = (promoted / "model.onnx").read_bytes()
    step = own.client.post("/studio/keep").raise_for_status().json()["id"]
    refused = own.client.post("/studio/undo", json={"step": step - 1})
    assert (refused.status_code, own.client.post("/studio/keep").status_code) == (409, 409)
    job = job_of(own, lambda job: job["state"] != "running")
    assert (job["state"], job["outcome"], job["why"]) == ("done", "promoted", ""), job
    assert any("git add" in command for command in job["git"])
    manifest = bundle.load_manifest(promoted)
    assert "mug" in manifest.labels
    assert manifest.version == job["model"]
    taught = [file.name for file in (small_project.root / "data/images/mug").glob("*.jpg")]
    assert len(taught) == 12
    own.client.post("/studio/undo", json={"step": step}).raise_for_status()
    assert (promoted / "model.onnx").read_bytes() == before
    assert sorted(file.name for file in (small_project.root / "data/images/mug").glob("*.jpg")) == sorted(taught)


def test_a_training_that_the_policy_refuses_says_why_and_the_draft_goes_on(own: Studio, small_project: Project) -> None:
    _never_promote(small_project)
    before = bundle.load_manifest(small_project.root / "models/promoted").version
    own.client.post("/studio/keep").raise_for_status()
    job = job_of(own, lambda job: job["state"] != "running")
    assert (job["state"], job["outcome"]) == ("done", "refused"), job
    assert any("size" in reason for reason in job["reasons"])
    assert bundle.load_manifest(small_project.root / "models/promoted").version == before
    assert own.client.get("/studio/state").json()["model"].startswith("draft-")


def test_cancelled_nothing_goes_on_and_it_can_be_kept_later(own: Studio, small_project: Project) -> None:
    own.client.post("/studio/keep").raise_for_status()
    job_of(own, lambda job: job["stage"] == "validate")
    own.client.post("/studio/cancel").raise_for_status()
    assert job_of(own, lambda job: job["state"] != "running")["state"] == "cancelled"
    assert _at_work(small_project.root) == []
    own.client.post("/studio/keep").raise_for_status()
    own.client.post("/studio/cancel")


def test_a_studio_that_is_killed_leaves_no_run_behind_and_the_next_one_says_so(small_project: Project) -> None:
    with studio(small_project.root) as own:
        for sitting in sittings():
            teach(own, "mug", sitting)
        own.client.post("/studio/keep").raise_for_status()
        job_of(own, lambda job: job["stage"] == "validate")
        os.kill(own.process.pid, signal.SIGKILL)
        own.process.wait()
    with studio(small_project.root) as own:
        job = own.client.get("/studio/state").json()["job"]
        assert job["state"] == "failed"
        assert "press Keep again" in job["why"]
        assert _at_work(small_project.root) == []
        own.client.post("/studio/keep").raise_for_status()
        own.client.post("/studio/cancel")


def _at_work(root: Path) -> list[str]:
    """Commands of DVC and of its stages that run in the project."""
    found = []
    for process in psutil.process_iter(["cmdline", "cwd"]):
        command = " ".join(process.info["cmdline"] or ())
        if process.info["cwd"] == str(root) and ("dvc" in command or "pipeline." in command):
            found.append(command)
    return found


def _never_promote(project: Project) -> None:
    """A policy that no model passes."""
    project.edit("conf/config.yaml", "    latency_ms: 1000.0\n", "    latency_ms: 1000.0\n    size_mb: 0.001\n")
