"""A studio that is killed again and again, in capture, draft, undo and Keep, and has to be consistent at each start."""

import os
import signal
import tempfile
import threading
import time
from collections import Counter
from contextlib import suppress
from dataclasses import dataclass
from pathlib import Path

import httpx
import numpy as np
from PIL import Image

import bundle
from pipeline.data import manifest
from scripts.bench.teach import project
from studio.journal import Journal

FRAMES = 20
LONGEST_S = {"teach": 2.5, "undo": 1.0, "keep": 20.0}  # the kill comes at a moment of this, evenly drawn


@dataclass(frozen=True)
class Kills:
    """How often it was killed in what, and how often it was consistent afterwards."""

    action: str
    kills: int
    consistent: int


def measure(kills: int, photos: int = 500) -> list[Kills]:
    """Kill it ``kills`` times.

    Raises:
        PipelineError: it does not start again.
    """
    random = np.random.default_rng(kills)
    done, well = Counter[str](), Counter[str]()
    with tempfile.TemporaryDirectory(prefix="bench-") as folder:
        clone = project.make(Path(folder) / "clone", photos)
        held = sorted((clone / project.IMAGES / "plant").glob("*.jpg"))
        for number in range(kills):
            action = ("teach", "teach", "undo", "keep")[number % 4]
            with Image.open(held[number % len(held)]) as image:
                frames = project.burst(image.convert("RGB"), FRAMES, random)
            with project.studio(clone) as own:
                asked = threading.Thread(target=_ask, args=(own, action, frames))
                asked.start()
                time.sleep(random.uniform(0, LONGEST_S[action]))
                os.kill(own.process.pid, signal.SIGKILL)
                own.process.wait()
                asked.join()
            with project.studio(clone) as own:
                own.client.get("/studio/state").raise_for_status()
            done[action] += 1
            faults = inconsistencies(clone)
            well[action] += not faults
            print(f"{number + 1}/{kills} killed in {action}: {', '.join(faults) or 'consistent'}", flush=True)
    return [Kills(action, done[action], well[action]) for action in sorted(done)]


def _ask(own: project.Studio, action: str, frames: list[bytes]) -> None:
    with suppress(httpx.HTTPError):  # it is killed meanwhile
        if action == "teach":
            sent = [("frames", (f"{i}.jpg", data, "image/jpeg")) for i, data in enumerate(frames)]
            own.client.post("/studio/teach", data={"label": "mug", "author": "a benchmark"}, files=sent)
        elif action == "undo":
            steps = own.client.get("/studio/state").json()["steps"]
            for step in [each["step"] for each in steps if each["kind"] == "teach" and each["undoable"]][:1]:
                own.client.post("/studio/undo", json={"step": step})
        else:
            own.client.post("/studio/keep")


def inconsistencies(root: Path) -> list[str]:
    """What is half there: photos without a row or rows without one, a part of a burst, a model that can't be read."""
    rows = {row.file: row for row in manifest.read(root / project.MANIFEST)}
    files = {
        path.relative_to(root / project.IMAGES).as_posix()
        for path in (root / project.IMAGES).rglob("*.*")
        if path.is_file()
    }
    found = [f"{name} has no row" for name in files - rows.keys()] + [f"{name} is gone" for name in rows.keys() - files]
    journal = Journal(root / "data/edits.jsonl")
    found += [f"step {step.step} is not carried out" for step in journal.unfinished()]
    for step in journal.steps.values():
        if step.kind == "teach" and len(journal.standing(step.step)) not in (0, step.photos):
            found.append(f"step {step.step} is half there")
    with suppress(FileNotFoundError):
        found += [f"{path} is left" for path in (root / ".studio/staging").iterdir()]
    for folder in (root / project.PROMOTED, root / "models/draft"):
        try:
            if folder.exists():
                bundle.load(folder)
        except bundle.errors.BundleError as error:
            found.append(str(error))
    return found
