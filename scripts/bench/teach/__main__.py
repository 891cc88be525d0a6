"""Time what the page is taught, at three sizes of the set; rate what it then knows; and kill the studio 100 times.

Writes docs/bench/teach*.csv and the tables of docs/teach.md.
"""

import sys
import tempfile
import time
from pathlib import Path

import numpy as np
from PIL import Image

from pipeline.core.errors import PipelineError
from scripts.bench.results import circumstances, command, keep, publish, table, yes
from scripts.bench.teach import kills, latency, project, zero

PAGE, CSV = Path("docs/teach.md"), Path("docs/bench")
SIZES = {500: 2.0, 2_000: 3.0, 10_000: 6.0}  # photos, and the seconds that half of the rounds may take


def bench(rounds: int, killed: int, dry: bool) -> None:
    """Measure all of it.

    Raises:
        PipelineError: something is refused, or the studio does not start.
    """
    found = [latency.measure(photos, rounds) for photos in SIZES]
    lines = [
        (
            f"{row.photos:,}",
            f"{row.p50:.2f}",
            f"{row.p95:.2f}",
            f"{target:g}",
            yes(row.p50 <= target),
            f"{row.kept_p50:.2f}",
            f"{row.undo_p50:.2f}",
            f"{row.quiet_rate:.0f} / {row.rate:.0f}",
            f"{row.memory_mb:.0f}",
        )
        for row, target in zip(keep(CSV / "teach.csv", found, dry), SIZES.values(), strict=True)
    ]
    head = (
        "photos",
        "P50, s",
        "P95, s",
        "asked, s",
        "",
        "photos safe, s",
        "undo, s",
        "answers/s before / during",
        "RSS, MB",
    )
    times = f"{circumstances('make bench-teach')} {rounds} rounds each.\n\n{table(head, lines)}"
    labels = keep(CSV / "teach-zero.csv", zero.measure(), dry)
    shares = [
        (each.label, *(f"{value:.0%}" for value in (each.claimed, each.right, each.dense_claimed, each.dense_right)))
        for each in [*labels, zero.mean(labels)]
    ]
    knows = table(("new label", "ours claims", "ours is right", "dense claims", "dense is right"), shares)
    texts = {"times": times, "zero": knows, "keep": _keep()}
    if killed:
        ended = keep(CSV / "teach-kills.csv", kills.measure(killed), dry)
        texts["kills"] = table(
            ("killed in", "times", "consistent at the next start"),
            [(each.action, f"{each.kills}", f"{each.consistent}") for each in ended],
        )
    publish(PAGE, texts, dry)


def _keep() -> str:
    """How long Keep takes, of three sittings of a new label on the set as it is."""
    random = np.random.default_rng(0)
    with tempfile.TemporaryDirectory(prefix="bench-") as folder:
        clone = project.make(Path(folder) / "clone", 0)
        with project.studio(clone) as own:
            held = sorted((clone / project.IMAGES / "text").glob("*.jpg"))
            for path in held[:: len(held) // 3][:3]:
                with Image.open(path) as image:
                    latency.teach(own, "mug", project.burst(image.convert("RGB"), latency.FRAMES, random))
            own.client.post("/studio/keep").raise_for_status()
            while (job := own.client.get("/studio/state").json()["job"])["state"] == "running":
                time.sleep(0.5)
    if job["state"] != "done":
        raise PipelineError(f"Keep failed: {job['why']}")
    return f"Keep of three sittings of a new label took {job['seconds']:.0f} s; the policy's word: {job['outcome']}."


if __name__ == "__main__":
    sys.exit(
        command(
            bench,
            __doc__,
            "make bench-teach",
            rounds=(10, "bursts that are taught and undone at each size"),
            killed=(100, "times that the studio is killed; 0 leaves that out"),
        )
    )
