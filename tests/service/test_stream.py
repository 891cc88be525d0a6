"""What a page that sends frames over `WS /stream` can rely on."""

import json
import socket
import struct
import threading
import time
from collections.abc import Iterator
from contextlib import ExitStack, suppress
from pathlib import Path
from typing import Any

import httpx
import pytest
from websockets.exceptions import ConnectionClosed
from websockets.sync.client import ClientConnection, connect

from tests.load import Load
from tests.service.corpus import PICTURES
from tests.service.running import HOLDING, Running, eventually, held, running
from tests.service.test_bad_input import unharmed
from tests.service.test_serving import ANSWERS, KEYS
from tests.service.test_slow_clients import CLOSES_S, read_all
from tests.tiny_bundle import COLOURS, make_bundle, picture

PINGS = "from service.cli import serve; serve.PING_S = 0.4"
SLOW = 1_400  # input size of a model that takes some 50 ms an answer


def open_stream(service: Running, **options: Any) -> ClientConnection:
    stream: ClientConnection = connect(f"ws://127.0.0.1:{service.port}/stream", compression=None, **options)
    return stream


def hear(stream: ClientConnection, timeout: float = CLOSES_S) -> dict[str, Any]:
    values: dict[str, Any] = json.loads(stream.recv(timeout))
    return values


def closed(stream: ClientConnection, timeout: float = CLOSES_S) -> tuple[int, str]:
    """Code and reason with which the service closes."""
    with suppress(ConnectionClosed):
        while True:
            stream.recv(timeout)
    assert stream.close_code is not None
    return stream.close_code, stream.close_reason or ""


@pytest.fixture
def stream(service: Running) -> Iterator[ClientConnection]:
    with open_stream(service) as one:
        yield one


def test_each_frame_gets_one_answer_that_says_which_it_is_for(stream: ClientConnection) -> None:
    for number, colour in enumerate(list(COLOURS) * 3):
        stream.send(picture(colour, fmt="JPEG"))
        answer = hear(stream)
        assert list(answer) == [*KEYS, "frame", "dropped"]
        assert (answer["label"], answer["frame"], answer["dropped"]) == (ANSWERS[colour], number, 0)


def test_a_frame_in_fragments_is_one_frame(stream: ClientConnection) -> None:
    data = picture("blue")
    stream.send([data[:10], data[10:20], data[20:]])
    assert hear(stream)["label"] == "text"


def test_a_bad_frame_is_a_problem_and_the_stream_goes_on(service: Running, stream: ClientConnection) -> None:
    for data, kind in PICTURES.values():
        if data and kind and len(data) < 400_000:
            stream.send(data)
            problem = hear(stream)
            assert problem["type"] == f"/docs#{kind}"
            assert {"title", "status", "detail", "request_id", "frame", "dropped"} < problem.keys()
    stream.send(b"")
    assert hear(stream)["type"] == "/docs#unsupported"
    stream.send(picture("red"))
    assert hear(stream)["label"] == "art"


@pytest.fixture(scope="module")
def slow(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Running]:
    """One worker whose answers take long, so that frames have to wait."""
    folder: Path = tmp_path_factory.mktemp("slow")
    make_bundle(folder / "promoted", size=SLOW)
    with running(
        folder, threads=1, queue=2, streams=4, address_share=1, stream_idle_s=1.5, api_key="", patch=PINGS
    ) as one:
        yield one


def test_the_newest_frame_wins_and_the_answers_say_how_many_were_dropped(tmp_path: Path) -> None:
    make_bundle(tmp_path / "promoted")
    with running(tmp_path, threads=1, patch=HOLDING) as service, open_stream(service) as stream:
        with held(tmp_path, "run") as in_work:
            stream.send(picture("red"))
            eventually(in_work)
            for _ in range(20):
                stream.send(picture("green"))
            stream.send(picture("blue"))
            eventually(lambda: service.metric("service_stream_frames_total", outcome="dropped") == 20)
        answers = [hear(stream), hear(stream)]
    assert [(answer["label"], answer["frame"]) for answer in answers] == [("art", 0), ("text", 21)]
    assert sum(answer["dropped"] for answer in answers) == 20


def test_frames_beyond_the_rate_are_dropped_not_queued(tmp_path: Path) -> None:
    make_bundle(tmp_path / "promoted")
    with running(tmp_path, threads=1, stream_fps=10) as service, open_stream(service) as stream:
        begun = time.monotonic()
        sent = 0
        answers: list[dict[str, Any]] = []
        while len(answers) < 6:
            for _ in range(5):  # of which one is answered
                stream.send(picture("red"))
                sent += 1
            answers.append(hear(stream))
        while answers[-1]["frame"] < sent - 1:
            answers.append(hear(stream))
        assert len(answers) <= 1 + 10 * (time.monotonic() - begun)
        assert len(answers) + sum(answer["dropped"] for answer in answers) == sent


def test_streams_take_turns_for_their_newest_frames_and_none_is_refused(slow: Running) -> None:
    """Four streams at one worker: each sends all the time, and is answered a fourth of the time."""
    answered: list[list[dict[str, Any]]] = []
    together = threading.Barrier(4)

    def send() -> None:
        with open_stream(slow) as stream:
            sent = 0
            answers: list[dict[str, Any]] = []
            together.wait()
            while len(answers) < 10 and not answered:  # the first that has ten ends it
                for _ in range(3):
                    stream.send(picture("red"))
                    sent += 1
                answers.append(hear(stream))
            while answers[-1]["frame"] < sent - 1:
                answers.append(hear(stream))
            assert len(answers) + sum(answer["dropped"] for answer in answers) == sent
            answered.append(answers)

    threads = [threading.Thread(target=send) for _ in range(4)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert len(answered) == 4
    assert not [answer for answers in answered for answer in answers if "status" in answer]
    counts = sorted(map(len, answered))
    assert counts[0] >= counts[-1] / 2


def test_a_shed_frame_says_when_to_come_back(slow: Running) -> None:
    """Other clients fill the line of the one worker."""
    problems: list[dict[str, Any]] = []
    with Load(slow.url, 6, picture("red")), open_stream(slow) as stream:
        while not problems:
            stream.send(picture("red"))
            if "status" in (answer := hear(stream)):
                problems.append(answer)
    for problem in problems:
        assert (problem["status"], problem["type"], problem["retry_after_s"]) == (503, "/docs#overloaded", 1)


def test_text_is_closed_with_1003(service: Running) -> None:
    with unharmed(service), open_stream(service) as stream:
        stream.send("hello")
        assert closed(stream) == (1003, "send each picture as a binary message (JPEG, PNG or WebP)")


def raw(service: Running) -> socket.socket:
    """A WebSocket of which only the handshake was made."""
    connection = service.socket()
    connection.sendall(
        b"GET /stream HTTP/1.1\r\nHost: localhost\r\nConnection: Upgrade\r\nUpgrade: websocket\r\n"
        b"Sec-WebSocket-Version: 13\r\nSec-WebSocket-Key: dGhlIHNhbXBsZSBub25jZQ==\r\n\r\n"
    )
    got = b""
    while b"\r\n\r\n" not in got:
        got += connection.recv(4_096)
    assert got.startswith(b"HTTP/1.1 101 ")
    return connection


def frame(opcode: int, data: bytes, fin: bool = True) -> bytes:
    """A masked frame of a client; the mask is zero."""
    length = struct.pack(">B", 0x80 | len(data)) if len(data) < 126 else struct.pack(">BH", 0x80 | 126, len(data))
    return struct.pack(">B", (0x80 if fin else 0) | opcode) + length + b"\0" * 4 + data


def test_a_huge_frame_is_closed_with_1009(service: Running) -> None:
    """Its size is enough: a client that were still sending might find the connection reset before it reads the code."""
    with unharmed(service), raw(service) as connection:
        connection.sendall(b"\x82" + struct.pack(">BQ", 0x80 | 127, 5_000_000) + b"\0" * 4)
        connection.settimeout(CLOSES_S)
        opcode, length = connection.recv(2)
        assert opcode == 0x88
        assert length >= 2
        assert struct.unpack(">H", connection.recv(2)) == (1009,)


def until_closed(connection: socket.socket, send: bytes = b"") -> None:
    """Send the same again and again until the service closes, which it must."""
    end = time.monotonic() + CLOSES_S
    connection.settimeout(CLOSES_S)
    with suppress(ConnectionError):
        while send:
            connection.sendall(send)
            assert time.monotonic() < end, "it takes all of it"
        while connection.recv(65_536):
            pass


def test_fragments_without_end_are_closed(service: Running) -> None:
    with unharmed(service), raw(service) as connection:
        connection.sendall(frame(2, b"", fin=False))
        until_closed(connection, frame(0, b"", fin=False) * 100)


def test_pings_whose_pongs_nobody_reads_fill_no_memory(tmp_path: Path) -> None:
    make_bundle(tmp_path / "promoted")
    with running(tmp_path, threads=1, timeout_s=0.5) as service, raw(service) as connection:
        connection.setsockopt(socket.SOL_SOCKET, socket.SO_RCVBUF, 4_096)
        before = service.memory()
        until_closed(connection, frame(9, b"x" * 125) * 1_000)
        assert service.memory() - before < 20_000_000


@pytest.mark.parametrize(
    "noise",
    [
        b"\xff" * 100,
        b"\x82\x05hello",
        frame(3, b"x"),
        frame(2, b"x")[:3] + b"\xff" * 20,
        b"GET / HTTP/1.1\r\n\r\n",
    ],
)
def test_what_is_no_frame_is_closed(service: Running, noise: bytes) -> None:
    with unharmed(service), raw(service) as connection:
        connection.sendall(noise)
        connection.shutdown(socket.SHUT_WR)
        until_closed(connection)


def test_a_peer_that_vanished_is_noticed(slow: Running) -> None:
    """Half open: it answers no ping any more."""
    with raw(slow) as connection:
        eventually(lambda: slow.metric("service_streams") == 1)
        assert b"no frame for" not in read_all(connection)  # what is said after STREAM_IDLE_S
    eventually(lambda: slow.metric("service_streams") == 0)


def test_a_stream_without_frames_is_closed_with_3008(slow: Running) -> None:
    with open_stream(slow) as stream:
        assert closed(stream) == (3008, "no frame for 1.5 s; connect again when there is one")


def test_streams_beyond_the_limit_are_closed_with_1013(slow: Running) -> None:
    with ExitStack() as four:
        for _ in range(4):
            four.enter_context(open_stream(slow))
        eventually(lambda: slow.metric("service_streams") == 4)
        with open_stream(slow) as fifth:
            assert closed(fifth) == (1013, "too many streams of all clients are open; try again later")
    eventually(lambda: slow.metric("service_streams") == 0)


def test_disconnects_in_the_middle_leave_nothing(service: Running) -> None:
    with unharmed(service):
        for number in range(60):
            connection = raw(service)
            data = frame(2, picture("red") + b"\0" * 5_000)
            connection.sendall(data if number % 2 else data[: len(data) // 2])
            if number % 3 == 0:
                connection.setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, struct.pack("ii", 1, 0))  # a reset
            connection.close()
        eventually(lambda: service.metric("service_streams") == 0)


def test_a_foreign_page_can_not_open_a_stream(service: Running) -> None:
    with open_stream(service, origin="https://stranger.example") as stream:
        assert closed(stream)[0] == 1008
    for origin in ("https://friend.example", f"http://127.0.0.1:{service.port}"):
        with open_stream(service, origin=origin) as stream:
            stream.send(picture("red"))
            assert hear(stream)["label"] == "art"


def test_a_stream_needs_the_key_where_there_is_one(tmp_path: Path) -> None:
    make_bundle(tmp_path / "promoted")
    key = "correct-horse-battery"
    with running(tmp_path, threads=1, api_key=key) as service:
        for options in ({}, {"subprotocols": ["identify.v1", "key.wrong"]}):
            with open_stream(service, **options) as stream:
                assert closed(stream)[0] == 3000
        with open_stream(service, subprotocols=["identify.v1", f"key.{key}"]) as stream:
            assert stream.subprotocol == "identify.v1"
            stream.send(picture("red"))
            assert hear(stream)["label"] == "art"
        with open_stream(service, additional_headers={"x-api-key": key}) as stream:
            stream.send(picture("red"))
            assert hear(stream)["label"] == "art"


def test_a_websocket_anywhere_else_is_refused(service: Running) -> None:
    answer = httpx.get(
        f"{service.url}/elsewhere",
        headers={
            "connection": "Upgrade",
            "upgrade": "websocket",
            "sec-websocket-version": "13",
            "sec-websocket-key": "dGhlIHNhbXBsZSBub25jZQ==",
        },
    )
    assert answer.status_code == 403


def test_the_log_has_a_line_for_a_stream_and_none_for_a_frame(service: Running) -> None:
    with open_stream(service, additional_headers={"x-request-id": "a-stream"}) as stream:
        for _ in range(5):
            stream.send(picture("red"))
            hear(stream)
    eventually(lambda: any(line.get("request_id") == "a-stream" for line in service.lines))
    (line,) = [line for line in service.lines if line.get("request_id") == "a-stream"]
    assert (line["event"], line["frames"], line["answered"], line["dropped"]) == ("stream", 5, 5, 0)
