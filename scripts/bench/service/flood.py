"""Cheap hostile requests, as many as fit in a time: mutated heads, bodies, forms and WebSocket frames.

    python -m scripts.bench.service.flood --seconds 180        # or --requests 1000000

Starts the service with the promoted model on 127.0.0.1 and asks nothing else. Prints a line of JSON: how many were
sent, which statuses came, memory over time, and how /readyz answered on the probe port meanwhile.
"""

import argparse
import json
import random
import socket
import struct
import sys
import tempfile
import threading
import time
import urllib.error
import urllib.request
from collections import Counter
from collections.abc import Sequence
from contextlib import suppress
from dataclasses import dataclass, field
from pathlib import Path

from scripts.bench.service import pictures
from scripts.bench.service.contenders import ROOT, SERVED, Task
from scripts.bench.service.server import Cores, Server, free_port, running

PROMOTED = Path("models/promoted")
CLIENTS = 8
PIPELINED = 8  # requests that go out before answers are read: a flood does not wait
HEADERS = (
    b"Host",
    b"Content-Type",
    b"Content-Length",
    b"Transfer-Encoding",
    b"Connection",
    b"X-Request-ID",
    b"Expect",
)
WORDS = (
    b"localhost", b"image/jpeg", b"multipart/form-data; boundary=b", b"0", b"7", b"-1", b"9" * 30, b"chunked",
    b"close", b"keep-alive, Upgrade", b"100-continue", b";" * 900, b"\xff\xfe", b"",
)  # fmt: skip
PATHS = (
    b"/identify",
    b"/stream",
    b"/model",
    b"/model/../x",
    b"/v2/models/promoted/infer",
    b"/%00",
    b"/" + b"a" * 2_000,
    b"*",
)
METHODS = (b"GET", b"POST", b"HEAD", b"PUT", b"BREW", b"")


@dataclass
class Seen:
    """What came of it; of all clients together."""

    sent: int = 0
    statuses: Counter[str] = field(default_factory=Counter)
    ready: Counter[str] = field(default_factory=Counter)
    memory_mb: list[float] = field(default_factory=list)
    lock: threading.Lock = field(default_factory=threading.Lock)


def _mutated(chance: random.Random, data: bytes) -> bytes:
    changed = bytearray(data)
    for _ in range(chance.randint(1, 4)):
        at = chance.randrange(len(changed) or 1)
        changed[at : at + chance.randint(0, 3)] = chance.randbytes(chance.randint(0, 3))
    return bytes(changed)


def request(chance: random.Random, photo: bytes) -> bytes:
    """One that a program would not send: a broken head, body, form or handshake."""
    kind = chance.randrange(4)
    if kind == 0:  # a head of odd headers
        lines = [chance.choice(HEADERS) + b": " + chance.choice(WORDS) for _ in range(chance.randint(0, 6))]
        head = chance.choice(METHODS) + b" " + chance.choice(PATHS) + b" HTTP/1.1"
        return _mutated(chance, b"\r\n".join([head, *lines, b"", b""]))
    if kind == 1:  # a picture with some bytes changed
        body, media = _mutated(chance, photo), b"image/jpeg"
    elif kind == 2:
        body, media = (
            _mutated(chance, pictures.multipart(photo)),
            b"multipart/form-data; boundary=" + pictures.BOUNDARY.encode(),
        )
    else:  # a stream, and then noise
        frames = b"".join(
            struct.pack(">BB", chance.choice((0x82, 0x02, 0x81, 0x89, 0x00, 0xFF)), 0x80 | len(noise))
            + b"\0" * 4
            + noise
            for noise in (chance.randbytes(chance.randint(0, 120)) for _ in range(3))
        )
        return (
            b"GET /stream HTTP/1.1\r\nHost: localhost\r\nConnection: Upgrade\r\nUpgrade: websocket\r\n"
            b"Sec-WebSocket-Version: 13\r\nSec-WebSocket-Key: dGhlIHNhbXBsZSBub25jZQ==\r\n\r\n" + frames
        )
    return b"POST /identify HTTP/1.1\r\nHost: localhost\r\nContent-Type: %s\r\nContent-Length: %d\r\n\r\n%s" % (
        media,
        len(body),
        body,
    )


def _client(number: int, port: int, photo: bytes, end: float, most: int, seen: Seen) -> None:
    chance = random.Random(number)
    while time.monotonic() < end and seen.sent < most:
        got = b""
        with suppress(OSError), socket.create_connection(("127.0.0.1", port), timeout=2) as connection:
            connection.settimeout(0.3)
            for _ in range(PIPELINED):
                connection.sendall(request(chance, photo))
                with seen.lock:
                    seen.sent += 1
            with suppress(TimeoutError):
                while chunk := connection.recv(65_536):
                    got += chunk
        with seen.lock:
            for line in got.split(b"HTTP/1.1 ")[1:]:
                seen.statuses[line[:3].decode("ascii", "replace")] += 1


def _watch(server: Server, probes: int, end: float, seen: Seen) -> None:
    while time.monotonic() < end and server.process.poll() is None:
        try:
            with urllib.request.urlopen(f"http://127.0.0.1:{probes}/readyz", timeout=5) as answer:
                seen.ready[str(answer.status)] += 1
        except urllib.error.HTTPError as error:
            seen.ready[str(error.code)] += 1
        except OSError as error:
            seen.ready[type(error).__name__] += 1
        seen.memory_mb.append(round(server.memory()[1], 1))
        time.sleep(1)


def main(argv: Sequence[str] | None = None) -> int:
    """Flood, and say what was seen; exit status 1 where the service ended or answered with an error of its own."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--seconds", type=float, default=180)
    parser.add_argument("--requests", type=int, default=1_000_000)
    given = parser.parse_args(argv)
    small = pictures.small()
    with tempfile.TemporaryDirectory(prefix="flood-") as folder:
        task = Task((ROOT / PROMOTED).resolve(), "fp32", free_port(), Path(folder), Path(folder) / "none")
        probes = free_port()
        command = [*SERVED.command(task), "--probe-port", str(probes), "--log-level", "error"]
        with running(
            command,
            ready=SERVED.ready,
            port=task.port,
            log=Path(folder, "log"),
            environment=SERVED.variables(task) | {"PYTHONUNBUFFERED": "1"},
            cores=Cores.choose().server,
        ) as server:
            seen, end = Seen(), time.monotonic() + given.seconds
            threads = [
                threading.Thread(target=_client, args=(number, task.port, small, end, given.requests, seen))
                for number in range(CLIENTS)
            ]
            threads.append(threading.Thread(target=_watch, args=(server, probes, end, seen)))
            for thread in threads:
                thread.start()
            for thread in threads:
                thread.join()
            alive = server.process.poll() is None
            errors = Path(folder, "log").read_text(encoding="utf-8", errors="replace").splitlines()
    wrong = {status: count for status, count in seen.statuses.items() if status.startswith("5") and status != "503"}
    memory = seen.memory_mb
    told = {
        "sent": seen.sent,
        "statuses": dict(sorted(seen.statuses.items())),
        "readyz": dict(seen.ready),
        "alive": alive,
        "memory_mb": {
            "after 5 s": memory[5:6],
            "middle": memory[len(memory) // 2 : len(memory) // 2 + 1],
            "end": memory[-1:],
        },
        "errors_in_log": errors[:3],
    }
    print(json.dumps(told))
    return 0 if alive and not wrong and set(seen.ready) <= {"200"} else 1


if __name__ == "__main__":
    sys.exit(main())
