"""From the release of the button to the first answer of a model that learnt it; and what that costs meanwhile."""

import statistics
import tempfile
import threading
import time
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path

import numpy as np
from PIL import Image

from pipeline.core.errors import PipelineError
from scripts.bench.results import percentile
from scripts.bench.teach import project
from scripts.bench.teach.project import Studio

FRAMES = 20
PICTURE = "plant"  # of which label pictures are held before the camera
WAIT_S = 300.0  # the first burst of a large set waits until all its photos were seen
PAUSE_S = 3.0  # until the draft is measured as well
RATE_S = 3.0  # how long answers are counted while nothing is taught


@dataclass(frozen=True)
class Latency:
    """One size of the set. Times in seconds, rates in answers a second of one client that always asks."""

    photos: int
    rounds: int
    p50: float
    p95: float
    kept_p50: float  # until the photos are safe and the page shows them
    undo_p50: float  # until the model before answers
    quiet_rate: float
    rate: float  # from the release to the first new answer
    memory_mb: float


def measure(photos: int, rounds: int) -> Latency:
    """Teach and undo ``rounds`` times in a project of about ``photos`` photos.

    Raises:
        PipelineError: something is refused, or no new answer comes.
    """
    random = np.random.default_rng(photos)
    with tempfile.TemporaryDirectory(prefix="bench-") as folder:
        clone = project.make(Path(folder) / "clone", photos)
        held = sorted((clone / project.IMAGES / PICTURE).glob("*.jpg"))[: rounds + 1]
        bursts = []
        for path in held:
            with Image.open(path) as image:
                bursts.append(project.burst(image.convert("RGB"), FRAMES, random))
        with project.studio(clone) as own:
            state = _settled(own)
            count = sum(label["photos"] for label in state["labels"])
            with _asking(own, bursts[0][0]) as answers:
                time.sleep(RATE_S)
                quiet = len(answers) / RATE_S
                _, *done = [_round(own, frames, answers) for frames in bursts]  # the first one warms up
            memory = own.memory_mb()
    until, kept, undo, rates = zip(*done, strict=True)
    return Latency(
        photos=count,
        rounds=len(done),
        p50=statistics.median(until),
        p95=percentile(until, 95),
        kept_p50=statistics.median(kept),
        undo_p50=statistics.median(undo),
        quiet_rate=quiet,
        rate=statistics.median(rates),
        memory_mb=memory,
    )


def _round(own: Studio, frames: list[bytes], answers: list[tuple[float, str]]) -> tuple[float, float, float, float]:
    before = answers[-1][1]
    begun = time.monotonic()
    step, kept_s = teach(own, "mug", frames), time.monotonic() - begun
    new_s, rate = _another(answers, before, begun)
    time.sleep(PAUSE_S)
    begun, draft = time.monotonic(), answers[-1][1]
    own.client.post("/studio/undo", json={"step": step}).raise_for_status()
    undo_s, _ = _another(answers, draft, begun)
    if answers[-1][1] != before:
        raise PipelineError(f"undone, {answers[-1][1]} answers, and not {before} as before")
    time.sleep(PAUSE_S)
    return new_s, kept_s, undo_s, rate


def teach(own: Studio, label: str, frames: list[bytes]) -> int:
    """Send a burst; the number of its step.

    Raises:
        PipelineError: it is refused.
    """
    sent = [("frames", (f"{i}.jpg", data, "image/jpeg")) for i, data in enumerate(frames)]
    answer = own.client.post("/studio/teach", data={"label": label, "author": "a benchmark"}, files=sent)
    if answer.status_code != 200:
        raise PipelineError(f"the burst is refused: {answer.text}")
    return int(answer.json()["step"])


def _another(answers: list[tuple[float, str]], before: str, begun: float) -> tuple[float, float]:
    """Seconds from ``begun`` to the first answer of another model, and answers a second until then."""
    start = len(answers)
    while time.monotonic() - begun < WAIT_S:
        for when, version in answers[start:]:
            if version != before:
                count = sum(begun <= each < when for each, _ in answers)
                return when - begun, count / (when - begun)
        time.sleep(0.01)
    raise PipelineError(f"{before} still answers after {WAIT_S:g} s")


@contextmanager
def _asking(own: Studio, picture: bytes) -> Iterator[list[tuple[float, str]]]:
    """A page that asks again as soon as it has an answer: when each came, and of which model."""
    answers: list[tuple[float, str]] = []
    ended = threading.Event()

    def ask() -> None:
        while not ended.is_set():
            answer = own.client.post("/identify", content=picture, headers={"Content-Type": "image/jpeg"})
            if answer.status_code == 200:
                answers.append((time.monotonic(), answer.json()["model"]))

    thread = threading.Thread(target=ask)
    thread.start()
    try:
        while not answers:
            time.sleep(0.01)
        yield answers
    finally:
        ended.set()
        thread.join()


def _settled(own: Studio) -> dict[str, list[dict[str, int]]]:
    """The state once the photos are read."""
    until = time.monotonic() + 600  # the features of made photos are computed first
    while time.monotonic() < until:
        state: dict[str, list[dict[str, int]]] = own.client.get("/studio/state").json()
        if len(state["labels"]) > 1:
            return state
        time.sleep(0.5)
    raise PipelineError("the studio did not read its photos within 10 minutes")
