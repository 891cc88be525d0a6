"""Cameras at `/stream`: each connection sends the next frame when the last one is answered.

    python -m scripts.bench.service.frames URL FILE… --clients 8 --seconds 10

One process on uvloop's event loop; it prints a `Load` as JSON.
"""

import argparse
import asyncio
import json
import sys
import time
from collections import Counter
from collections.abc import Sequence
from dataclasses import asdict
from pathlib import Path

import uvloop
from websockets.asyncio.client import connect
from websockets.exceptions import WebSocketException

from scripts.bench.service.figures import Load, load_of


async def camera(url: str, frames: Sequence[bytes], first: int, until: float, statuses: Counter[str]) -> list[float]:
    """Send frames until ``until``; the seconds of each that was answered."""
    times: list[float] = []
    number = first
    async with connect(url, compression=None, max_size=100_000) as connection:
        while (begun := time.perf_counter()) < until:
            await connection.send(frames[number % len(frames)])
            answer = json.loads(await connection.recv())
            if "probabilities" in answer:
                times.append(time.perf_counter() - begun)
            statuses[str(answer.get("status", 200))] += 1
            number += 1
    return times


async def run(url: str, frames: Sequence[bytes], clients: int, seconds: float) -> Load:
    """Let ``clients`` cameras send for some seconds."""
    statuses: Counter[str] = Counter()
    begun = time.perf_counter()
    cameras = (camera(url, frames, client, begun + seconds, statuses) for client in range(clients))
    ended = await asyncio.gather(*cameras, return_exceptions=True)
    took = time.perf_counter() - begun
    failures = 0
    times: list[float] = []
    for end in ended:
        if isinstance(end, list):
            times += end
        elif isinstance(end, OSError | WebSocketException):
            failures += 1
        else:
            raise end
    return load_of(took, dict(statuses), failures, times)


def main(argv: Sequence[str] | None = None) -> int:
    """Send, and print what came back."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("url")
    parser.add_argument("frames", nargs="+", type=Path)
    parser.add_argument("--clients", type=int, required=True)
    parser.add_argument("--seconds", type=float, required=True)
    given = parser.parse_args(argv)
    frames = [path.read_bytes() for path in given.frames]
    with asyncio.Runner(loop_factory=uvloop.new_event_loop) as runner:
        print(json.dumps(asdict(runner.run(run(given.url, frames, given.clients, given.seconds)))))
    return 0


if __name__ == "__main__":
    sys.exit(main())
