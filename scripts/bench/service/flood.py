"""Cheap hostile requests, bounded in number and time: mutated heads, bodies, forms and WebSocket frames.

Starts the service with the promoted model on 127.0.0.1 and asks nothing else. Schemathesis, which `make test` uses,
sends a few hundred well-formed requests a second, and none with a broken head.
"""

import random
import socket
import struct
import time
from collections import Counter
from concurrent.futures import ThreadPoolExecutor, wait
from contextlib import suppress

from scripts.bench import pictures
from scripts.bench.process import ask, free_port
from scripts.bench.results import counts, memory_line, sentence, yes
from scripts.bench.service.contenders import SERVED, promoted

CLIENTS = 64
PIPELINED = 4  # requests at most that go out before answers are read: a reset by a broken one loses the answers before
SILENCE_S = 0.3  # without an answer, after which a connection is given up
SENT = "sent"
HEADERS = (
    b"Host", b"Content-Type", b"Content-Length", b"Transfer-Encoding", b"Connection", b"X-Request-ID", b"Expect",
)  # fmt: skip
WORDS = (
    b"localhost", b"image/jpeg", b"multipart/form-data; boundary=b", b"0", b"7", b"-1", b"9" * 30, b"chunked",
    b"close", b"keep-alive, Upgrade", b"100-continue", b";" * 900, b"\xff\xfe", b"",
)  # fmt: skip
PATHS = (
    b"/identify", b"/stream", b"/model", b"/model/../x", b"/v2/models/promoted/infer", b"/%00", b"/" + b"a" * 2_000,
    b"*",
)  # fmt: skip
METHODS = (b"GET", b"POST", b"HEAD", b"PUT", b"BREW", b"")
UPGRADE = (
    b"GET /stream HTTP/1.1\r\nHost: localhost\r\nConnection: Upgrade\r\nUpgrade: websocket\r\n"
    b"Sec-WebSocket-Version: 13\r\nSec-WebSocket-Key: dGhlIHNhbXBsZSBub25jZQ==\r\n\r\n"
)


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
    if kind == 1:  # a stream, and then noise
        noise = [chance.randbytes(chance.randint(0, 120)) for _ in range(3)]
        first = (0x82, 0x02, 0x81, 0x89, 0x00, 0xFF)
        frames = (struct.pack(">BB", chance.choice(first), 0x80 | len(each)) + b"\0" * 4 + each for each in noise)
        return UPGRADE + b"".join(frames)
    wrap = pictures.raw if kind == 2 else pictures.multipart  # a picture, or a form with one, with some bytes changed
    body, media = _mutated(chance, wrap(photo)), pictures.CONTENT_TYPES[wrap].encode()
    head = b"POST /identify HTTP/1.1\r\nHost: localhost\r\nContent-Type: %s\r\nContent-Length: %d\r\n\r\n"
    return head % (media, len(body)) + body


def _client(number: int, port: int, photo: bytes, until: float, most: int) -> Counter[str]:
    """Send ``most`` requests, or those ``until`` then; how many were `SENT`, and each status that came."""
    chance, found = random.Random(number), Counter[str]()
    while time.monotonic() < until and found[SENT] < most:
        got = b""
        try:
            with socket.create_connection(("127.0.0.1", port), timeout=2) as connection:
                connection.settimeout(SILENCE_S)
                with suppress(OSError):  # closed by the service after a broken one, whose answer may be there
                    for _ in range(chance.randint(1, PIPELINED)):
                        connection.sendall(request(chance, photo))
                        found[SENT] += 1
                while chunk := connection.recv(65_536):
                    got += chunk
        except ConnectionRefusedError:  # it has ended
            break
        except OSError:
            pass
        found.update(line[:3].decode("ascii", "replace") for line in got.split(b"HTTP/1.1 ")[1:])
    return found


def flood(most: int, seconds: float) -> str:
    """Send ``most`` hostile requests, or those of ``seconds``; what came, in one line.

    Raises:
        PipelineError: the service does not start.
    """
    probes, photo = free_port(), pictures.small()
    ready, memory = Counter[str](), [0.0]
    options = ("--probe-port", str(probes), "--log-level", "error")
    with promoted(photos=()) as run, SERVED.started(run, *options, PYTHONUNBUFFERED="1") as (server, _):
        begun = time.monotonic()
        arguments = (server.port, photo, begun + seconds, -(-most // CLIENTS))
        with ThreadPoolExecutor(CLIENTS) as pool:
            clients = [pool.submit(_client, number, *arguments) for number in range(CLIENTS)]
            while wait(clients, timeout=1).not_done:
                ready[ask(probes, "/readyz")[0]] += 1
                memory.append(server.memory_mb())
        statuses = sum((client.result() for client in clients), Counter[str]())
        took, sent, status = time.monotonic() - begun, statuses.pop(SENT), server.process.poll()
        afterwards = ask(server.port, "/identify", photo)[0]
        log = server.log.read_text(encoding="utf-8", errors="replace").splitlines()
        errors = [line for line in log if " serves " not in line]
    wrong = [name for name in statuses if name.startswith("5") and name != "503"]
    rows = [
        ("requests sent", f"{sent:,} in {took:.0f} s", yes(sent >= most)),
        ("statuses; the other connections were closed", counts(statuses), yes(not wrong)),
        ("the service ended", "no" if status is None else f"with status {status}", yes(status is None)),
        ("a picture right after it", afterwards, yes(afterwards == "200")),
        ("/readyz on the probe port, once a second", counts(ready), yes(set(ready) == {"200"})),
        memory_line(memory),
        ("lines of errors in the log", f"{len(errors)} {errors[0][-300:] if errors else ''}".strip(), yes(not errors)),
    ]
    return sentence(rows)
