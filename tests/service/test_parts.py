"""Parts of the service that are easier to try alone: forms, screening, channels, the answer to a status."""

import asyncio
import socket
import weakref
from contextlib import suppress
from pathlib import Path

import httpx
import pytest
from hypothesis import given
from hypothesis import strategies as st
from starlette.exceptions import HTTPException

from bundle.errors import TruncatedPicture
from service import form, screening
from service.admission import Line
from service.channel import Channel, Message, PeerGone
from service.limits import Buffer
from service.metrics import Metrics
from service.problems import KINDS, Problem, of_status
from service.served import Served
from service.settings import read
from tests.service.corpus import photo, scans
from tests.tiny_bundle import make_bundle, picture


@given(st.binary(max_size=2_000), st.text(min_size=1, max_size=20), st.booleans())
def test_a_form_of_a_real_client_gives_back_its_very_bytes(data: bytes, name: str, first: bool) -> None:
    """httpx is the other side; file names may be anything, the content may look like a delimiter."""
    fields: list[tuple[str, tuple[str | None, bytes, str]]] = [
        ("image", (name, data, "image/png")),
        ("note", (None, b"hello", "text/plain")),
    ]
    request = httpx.Request("POST", "http://x/", files=fields if first else fields[::-1])
    assert form.picture(request.read(), request.headers["content-type"]) == data


@given(st.binary(max_size=500), st.text(max_size=100))
def test_whatever_comes_as_a_form_is_a_picture_or_a_problem(body: bytes, content_type: str) -> None:
    for header in (
        content_type,
        "multipart/form-data; boundary=b",
        f"multipart/form-data; boundary={content_type}",
    ):
        with suppress(Problem):
            assert isinstance(form.picture(body, header), bytes)


@pytest.mark.parametrize(
    ("header", "boundary"),
    [
        ("multipart/form-data; boundary=abc", "abc"),
        ('multipart/form-data; boundary="a b:c"', "a b:c"),
        ("multipart/form-data; charset=utf-8; BOUNDARY=abc", "abc"),
        ("multipart/form-data", None),
        ("multipart/form-data; boundary*=utf-8''abc", None),
        ("", None),
    ],
)
def test_the_boundary_is_read_as_clients_write_it(header: str, boundary: str | None) -> None:
    assert form.parameter(header, "boundary") == boundary


def test_hungry_formats_may_have_fewer_pixels() -> None:
    def limit(data: bytes, memory: int = 100_000_000) -> int:
        return screening.pixel_limit(data, pixels=25_000_000, memory=memory)

    assert limit(photo()) == 25_000_000
    assert limit(photo(progressive=True)) == 16_666_666
    assert limit(photo("PNG")) == limit(photo("WEBP")) == 8_000_000
    assert limit(b"whatever", 10_000_000) == 800_000


def test_a_jpeg_of_endless_scans_is_refused_and_an_ordinary_one_is_not() -> None:
    assert screening.pixel_limit(scans(20), pixels=1_000, memory=10_000_000) == 1_000
    with pytest.raises(TruncatedPicture, match=r"has 2\d\d scans"):
        screening.pixel_limit(scans(200), pixels=1_000, memory=10_000_000)


def test_a_channel_hands_over_messages_and_sockets_in_order() -> None:
    ours, theirs = Channel.pair()
    one, other = socket.socketpair()
    with one, other:
        assert ours.send({"n": 1})
        assert ours.send({"n": 2, "socket": True}, one)
        assert ours.send({"n": 3})
        got: list[tuple[Message, int | None]] = []
        while len(got) < 3:
            got += theirs.receive()
        assert [message["n"] for message, _ in got] == [1, 2, 3]
        assert [number is not None for _, number in got] == [False, True, False]
        handed = got[1][1]
        assert handed is not None
        with socket.socket(fileno=handed) as copy:
            copy.sendall(b"hello")
            assert other.recv(5) == b"hello"
    assert theirs.receive() == []
    ours.close()
    with pytest.raises(PeerGone):
        theirs.receive()
    with pytest.raises(PeerGone):
        theirs.send({})
    theirs.close()


def test_a_channel_never_blocks_and_never_tears_a_message() -> None:
    ours, theirs = Channel.pair()
    sent = 0
    while ours.send({"n": sent}):
        sent += 1
    got: list[int] = []
    while messages := theirs.receive():
        got += [message["n"] for message, _ in messages]
    assert got == list(range(sent))
    ours.close()
    theirs.close()


def test_a_buffer_gives_no_more_than_it_has() -> None:
    buffer = Buffer(10)
    assert buffer.take(7)
    assert not buffer.take(4)
    assert buffer.take(3)
    buffer.give(7)
    assert buffer.take(7)


def test_every_kind_of_problem_has_a_name_of_its_own() -> None:
    assert len({kind.name for kind in KINDS}) == len(KINDS)


@pytest.mark.parametrize(
    ("status", "name"), [(404, "not-found"), (405, "method-not-allowed"), (418, "bad-request")]
)
def test_a_status_of_the_framework_becomes_a_problem(status: int, name: str) -> None:
    assert of_status(HTTPException(status)).kind.name == name


def test_a_model_that_was_replaced_is_let_go_at_once(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """Not only when the next picture comes: it is 50 MB, and its place could not be used again."""
    monkeypatch.setenv("PROMETHEUS_MULTIPROC_DIR", str(tmp_path))
    monkeypatch.setattr("prometheus_client.values.ValueClass", None)
    make_bundle(tmp_path / "promoted")

    async def answer_and_replace() -> weakref.ref[Served]:
        line = Line(read(), Metrics(tmp_path, "line"))
        line.served = Served.load(tmp_path / "promoted", None)
        old = weakref.ref(line.served)
        assert (await line.answer(picture("red"))).label == "art"
        line.served = None
        for _ in range(200):
            if old() is None:
                break
            await asyncio.sleep(0.01)
        line.close()
        return old

    assert asyncio.run(answer_and_replace())() is None
