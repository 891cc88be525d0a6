"""What the image weighs, and how it starts, stops and uses memory: `python -m scripts.bench.image [IMAGE]`.

Hardened, with one core and 384 MB. A start counts from the engine's own note of when the process began to the line
that says it serves; a stop from SIGTERM to the end. Prints the table that docs/deploy.md holds.
"""

import json
import re
import statistics
import subprocess
import sys
import time
import urllib.request
from datetime import datetime
from typing import Final

from scripts.bench.results import table
from scripts.release.image import ROOT, TAG

TIMES: Final = 10
PICTURES: Final = 500  # that memory is looked at after
PATIENCE_S: Final = 60.0
NAME: Final = "art-text-plant-bench"
OPTIONS: Final = (
    "--read-only", "--tmpfs=/tmp:size=128m,mode=1777", "--cap-drop=ALL", "--security-opt=no-new-privileges",
    "--memory=384m", "--memory-swap=384m", "--cpus=1", "--env=DECODE_BYTES=30000000", "--env=BUFFER_BYTES=20000000",
    "--env=STREAMS=8", "--env=CONNECTIONS=64", "--publish=127.0.0.1::8000",
)  # fmt: skip


def docker(*words: str) -> str:
    """What `docker` prints, both streams."""
    done = subprocess.run(["docker", *words], stdout=subprocess.PIPE, stderr=subprocess.STDOUT, text=True, check=False)
    if done.returncode:
        raise SystemExit(f"error: docker {words[0]}: {done.stdout.strip()}")
    return done.stdout.strip()


def start(image: str) -> float:
    """Start a container and wait until it serves; seconds."""
    docker("run", "--detach", "--name", NAME, *OPTIONS, image)
    end = time.monotonic() + PATIENCE_S
    while not (serves := re.search(r"^(\S+) http\S+ serves ", docker("logs", "--timestamps", NAME), re.MULTILINE)):
        if time.monotonic() > end:
            raise SystemExit(f"error: {image} does not come to serve:\n{docker('logs', NAME)}")
        time.sleep(0.05)
    return _seconds(serves[1]) - _seconds(docker("inspect", "--format", "{{.State.StartedAt}}", NAME))


def stop() -> float:
    """Stop the container and remove it; seconds from SIGTERM to the end."""
    began = time.time()
    docker("kill", "--signal=TERM", NAME)
    docker("wait", NAME)
    ended = docker("inspect", "--format", "{{.State.FinishedAt}}", NAME)
    docker("rm", "--force", NAME)
    return _seconds(ended) - began


def memory() -> str:
    """What the container uses now without what the kernel could drop, as `docker stats` counts."""
    return docker("stats", "--no-stream", "--format", "{{.MemUsage}}", NAME).partition(" ")[0]


def ask(picture: bytes) -> None:
    """Have a picture answered, many times."""
    port = docker("port", NAME, "8000/tcp").splitlines()[0].rpartition(":")[2]
    request = urllib.request.Request(f"http://127.0.0.1:{port}/identify", picture, {"Content-Type": "image/png"})
    opener = urllib.request.build_opener(urllib.request.ProxyHandler({}))
    for _ in range(PICTURES):
        json.loads(opener.open(request, timeout=10).read())


def _seconds(stamp: str) -> float:
    text = re.sub(r"(\.\d{6})\d*", r"\1", stamp)  # Python reads microseconds
    return datetime.fromisoformat(text.replace("Z", "+00:00")).timestamp()


def main(arguments: list[str]) -> int:
    """Measure and print; the exit status. `docker history IMAGE` says what each layer weighs."""
    image = arguments[0] if arguments else TAG
    size = int(docker("image", "inspect", "--format", "{{.Size}}", image)) / 1e6
    starts, stops = zip(*((start(image), stop()) for _ in range(TIMES)), strict=True)
    start(image)
    fresh = memory()
    ask(next(iter(sorted((ROOT / "models/promoted/golden").glob("*.png")))).read_bytes())
    used = memory()
    stop()
    rows = [
        ("size", f"{size:.0f} MB"),
        ("from the start of the process to serving", f"{statistics.median(starts):.2f} s ({max(starts):.2f} at most)"),
        ("from SIGTERM to the end", f"{statistics.median(stops):.2f} s ({max(stops):.2f} at most)"),
        ("memory, ready", fresh),
        (f"memory, after {PICTURES} pictures", used),
    ]
    print(table(("", ""), rows))
    return 0


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
