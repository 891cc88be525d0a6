"""Loads that wrk does not have, each in a process of its own that ends with a `Load` as a line of JSON.

python -m scripts.bench.generators stream|floor OPTIONS_AS_JSON
"""

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

import bundle
from bundle import decode
from bundle.engine import Engine
from scripts.bench.load import MARK, Load, load_of

WARM_UP = 20  # pictures, of the floor


def floor(folder: str, variant: str, bodies: Sequence[str], seconds: float) -> Load:
    """No server: decode and infer in one process and one thread."""
    engine = Engine(bundle.load(Path(folder)), variant, threads=1)
    pictures = [Path(body).read_bytes() for body in bodies]
    for number in range(WARM_UP):
        engine.run(decode.decode(pictures[number % len(pictures)], engine.size)[None])
    times: list[float] = []
    begun = now = time.perf_counter()
    while now - begun < seconds:
        engine.run(decode.decode(pictures[len(times) % len(pictures)], engine.size)[None])
        before, now = now, time.perf_counter()
        times.append(now - before)
    return load_of(now - begun, {"200": len(times)}, 0, times)


def stream(url: str, bodies: Sequence[str], clients: int, seconds: float) -> Load:
    """Cameras at /stream: each connection sends the next frame when the last one is answered."""
    frames = [Path(body).read_bytes() for body in bodies]
    statuses: Counter[str] = Counter()
    times: list[float] = []

    async def camera(first: int, until: float) -> None:
        async with connect(url, compression=None, max_size=100_000) as connection:
            number = first
            while (begun := time.perf_counter()) < until:
                await connection.send(frames[number % len(frames)])
                answer = json.loads(await connection.recv())
                if "probabilities" in answer:
                    times.append(time.perf_counter() - begun)
                statuses[str(answer.get("status", 200))] += 1
                number += 1

    async def run() -> Load:
        begun = time.perf_counter()
        cameras = (camera(client, begun + seconds) for client in range(clients))
        ended = await asyncio.gather(*cameras, return_exceptions=True)
        wrong = [end for end in ended if end is not None]
        for end in wrong:
            if not isinstance(end, OSError | WebSocketException):
                raise end
        return load_of(time.perf_counter() - begun, statuses, len(wrong), times)

    return uvloop.run(run())


if __name__ == "__main__":
    options = json.loads(sys.argv[2])
    print(MARK + json.dumps(asdict(stream(**options) if sys.argv[1] == "stream" else floor(**options))))
