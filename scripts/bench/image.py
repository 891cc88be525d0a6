"""What the image weighs, and how it starts, stops and uses memory: `python -m scripts.bench.image [IMAGE]`.

Hardened, with one core and 256 MB. A start counts from the engine's own note of when the process began to the line
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

from scripts.release.image import ROOT, TAG

TIMES: Final = 10
PICTURES: Final = 500  # that memory is looked at after
PATIENCE_S: Final = 60.0
NAME: Final = "art-text-plant-bench"
OPTIONS: Final = (
    *(
        "--read-only",
        "--tmpfs=/tmp:size=128m,mode=1777",
        "--cap-drop=ALL",
        "--security-opt=no-new-privileges",
    ),
    *(
        "--memory=384m",
        "--memory-swap=384m",
        "--cpus=1",
        "--env=DECODE_BYTES=30000000",
        "--env=BUFFER_BYTES=20000000",
        "--env=STREAMS=8",
        "--env=CONNECTIONS=64",
    ),
    "--publish=127.0.0.1::8000",
)


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
    began = docker("inspect", "--format", "{{.State.StartedAt}}", NAME)
    return _seconds(serves[1]) - _seconds(began)


def stop() -> float:
    """Stop the container and remove it; seconds from SIGTERM to the end."""
    began = time.time()
    docker("kill", "--signal=TERM", NAME)
    docker("wait", NAME)
    ended = docker("inspect", "--format", "{{.State.FinishedAt}}", NAME)
    docker("rm", "--force", NAME)
    return _seconds(ended) - began


def memory() -> float:
    """What the container uses now without what the kernel could drop, in MB, as `docker stats` counts."""
    value, unit = re.match(r"([\d.]+)(\w+)", docker("stats", "--no-stream", "--format", "{{.MemUsage}}", NAME)).groups()  # type: ignore[union-attr]
    return float(value) * {"KiB": 1_024, "MiB": 1_024**2, "GiB": 1_024**3}[unit] / 1e6


def ask(picture: bytes) -> None:
    """Have a picture answered."""
    port = json.loads(docker("inspect", "--format", "{{json .NetworkSettings.Ports}}", NAME))["8000/tcp"][0]["HostPort"]
    url = f"http://127.0.0.1:{port}/identify"
    opener = urllib.request.build_opener(urllib.request.ProxyHandler({}))
    for _ in range(PICTURES):
        opener.open(urllib.request.Request(url, picture, {"Content-Type": "image/png"}), timeout=10).read()


def layers(image: str) -> list[tuple[str, float]]:
    """What each layer with bytes was made by, and its size in MB; newest first."""
    found = []
    for line in docker(
        "history", "--no-trunc", "--human=false", "--format", "{{.Size}} {{.CreatedBy}}", image
    ).splitlines():
        size, _, made_by = line.partition(" ")
        if int(size) >= 50_000:
            found.append(((made_by or "the base system").split(" # ")[0][:60], int(size) / 1e6))
    return found


def _seconds(stamp: str) -> float:
    text = re.sub(r"(\.\d{6})\d*", r"\1", stamp)  # Python reads microseconds
    return datetime.fromisoformat(text.replace("Z", "+00:00")).timestamp()


def main(arguments: list[str]) -> int:
    """Measure and print; the exit status."""
    image = arguments[0] if arguments else TAG
    starts, stops = [], []
    for _ in range(TIMES):
        starts.append(start(image))
        stops.append(stop())
    start(image)
    fresh = memory()
    ask(next(iter(sorted((ROOT / "models/promoted/golden").glob("*.png")))).read_bytes())
    used = memory()
    stop()
    size = int(docker("image", "inspect", "--format", "{{.Size}}", image)) / 1e6
    rows = [
        ("size", f"{size:.0f} MB"),
        (
            "from the start of the process to serving",
            f"{statistics.median(starts):.2f} s ({max(starts):.2f} at most)",
        ),
        ("from SIGTERM to the end", f"{statistics.median(stops):.2f} s ({max(stops):.2f} at most)"),
        ("memory, ready", f"{fresh:.0f} MB"),
        (f"memory, after {PICTURES} pictures", f"{used:.0f} MB"),
    ]
    print("| | |", "| --- | ---: |", *(f"| {name} | {value} |" for name, value in rows), sep="\n")
    print(
        "\n| layer | MB |",
        "| --- | ---: |",
        *(f"| `{by}` | {mb:.1f} |" for by, mb in layers(image)),
        sep="\n",
    )
    return 0


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
