"""Parts of the service that are easier to try alone: forms, screening, the answer to a status."""

import asyncio
import time
import weakref
from contextlib import suppress
from functools import partial
from pathlib import Path

import httpx
import pytest
from hypothesis import given
from hypothesis import strategies as st
from starlette.exceptions import HTTPException
from starlette.requests import Request
from starlette.types import Message

import bundle
from bundle.engine import Engine, load
from bundle.errors import TruncatedPicture
from service import settings
from service.http import body
from service.http.auth import is_our_name
from service.http.state import Buffer
from service.inference.identify import identify, pixel_limit
from service.inference.queue import InferenceQueue
from service.metrics import Metrics
from service.problems import KINDS, Problem, of
from tests.service.corpus import photo, scans
from tests.tiny_bundle import make_bundle, picture


def read_form(form: bytes, content_type: str) -> bytes:
    """The picture of a form, as `/identify` reads it."""

    async def receive() -> Message:
        return {"type": "http.request", "body": form}

    headers = [(b"content-type", content_type.encode("latin-1", "replace"))]
    return asyncio.run(body.picture(Request({"type": "http", "app": None, "headers": headers}, receive)))


@given(st.binary(max_size=2_000), st.text(min_size=1, max_size=20), st.booleans())
def test_a_form_of_a_real_client_gives_back_its_very_bytes(data: bytes, name: str, first: bool) -> None:
    """httpx is the other side; file names may be anything, the content may look like a delimiter."""
    fields: list[tuple[str, tuple[str | None, bytes, str]]] = [
        ("image", (name, data, "image/png")),
        ("note", (None, b"hello", "text/plain")),
    ]
    request = httpx.Request("POST", "http://x/", files=fields if first else fields[::-1])
    assert read_form(request.read(), request.headers["content-type"]) == data


@pytest.mark.filterwarnings("ignore:Unclosed file")  # as `service.log` does
@given(st.binary(min_size=1, max_size=500), st.text(max_size=100))
def test_whatever_comes_as_a_form_is_a_picture_or_a_problem(form: bytes, content_type: str) -> None:
    for header in (
        content_type,
        "multipart/form-data; boundary=b",
        f"multipart/form-data; boundary={content_type}",
    ):
        with suppress(Problem):
            assert isinstance(read_form(form, header), bytes)


@pytest.mark.parametrize(
    "header",
    ['multipart/form-data; boundary="a b:c"', "multipart/form-data; charset=utf-8; BOUNDARY=a b:c"],
)
def test_the_boundary_is_read_as_clients_write_it(header: str) -> None:
    form = b'--a b:c\r\nContent-Disposition: form-data; name="image"; filename="x"\r\n\r\nx\r\n--a b:c--\r\n'
    assert read_form(form, header) == b"x"
    with pytest.raises(Problem, match="curl -F image"):
        read_form(form, "multipart/form-data")


@pytest.mark.parametrize("bomb", [";", "a=b;", '\\"', " =", "x*0=y;"])
def test_headers_that_take_long_to_read_are_refused_before_they_are_read(bomb: str) -> None:
    """120 KB of them held the event loop for seconds."""
    header = f'multipart/form-data; boundary=b; x="{bomb * 120_000}"'
    part = f'--b\r\nContent-Disposition: form-data; name="image"; x="{bomb * 120_000}"\r\n\r\nx\r\n--b--'
    begun = time.process_time()
    with pytest.raises(Problem, match="longer than"):
        read_form(b"", header)
    with pytest.raises(Problem, match="can't be read"):
        read_form(part.encode(), "multipart/form-data; boundary=b")
    assert time.process_time() - begun < 0.5


def test_hungry_formats_may_have_fewer_pixels() -> None:
    def limit(data: bytes, memory: int = 100_000_000) -> int:
        return pixel_limit(data, memory)

    assert limit(photo()) == 25_000_000
    assert limit(photo(progressive=True)) == 16_666_666
    assert limit(photo("PNG")) == limit(photo("WEBP")) == 8_000_000
    assert limit(b"whatever", 10_000_000) == 800_000


def test_a_jpeg_of_endless_scans_is_refused_and_an_ordinary_one_is_not() -> None:
    assert pixel_limit(scans(20), 10_000_000) > 1_000_000
    with pytest.raises(TruncatedPicture, match=r"has 2\d\d scans"):
        pixel_limit(scans(200), 10_000_000)


def test_a_buffer_gives_no_more_than_it_has() -> None:
    buffer = Buffer(10)
    assert buffer.take(7)
    assert not buffer.take(4)
    assert buffer.take(3)
    buffer.give(7)
    assert buffer.take(7)


def test_every_kind_of_problem_has_a_name_of_its_own() -> None:
    assert len({kind.name for kind in KINDS}) == len(KINDS)


@pytest.mark.parametrize(("status", "name"), [(404, "not-found"), (405, "method-not-allowed"), (418, "bad-request")])
def test_a_status_of_the_framework_becomes_a_problem(status: int, name: str) -> None:
    assert of(HTTPException(status)).kind.name == name


def test_a_model_that_was_replaced_is_let_go_at_once(tmp_path: Path) -> None:
    """Not only when the next picture comes: it is 50 MB, and its place could not be used again."""
    make_bundle(tmp_path / "promoted")

    async def answer_and_replace() -> weakref.ref[Engine]:
        queue = InferenceQueue(settings.read({"threads": "2"}), Metrics())
        queue.model = load(bundle.load(tmp_path / "promoted"), None, 2)
        old = weakref.ref(queue.model)
        job = partial(identify, picture("red"), memory=10_000_000, metrics=Metrics())
        assert (await queue.run(job, "a client")).label == "art"
        queue.model = None
        for _ in range(200):
            if old() is None:
                break
            await asyncio.sleep(0.01)
        queue.close()
        return old

    assert asyncio.run(answer_and_replace())() is None


@pytest.mark.parametrize(
    ("host", "ours"),
    [
        ("localhost:8000", True),
        ("127.0.0.1", True),
        ("192.168.1.7:8000", True),
        ("[::1]:8000", True),
        ("shop.example", True),
        ("SHOP.example:443", True),
        ("a.b.example.org", True),
        ("example.org", False),
        ("rebound.attacker.example", False),
        ("127.0.0.1.attacker.example", False),
        ("notexample.org", False),
        ("", False),
        ("[::1", False),
    ],
)
def test_only_our_own_names_and_addresses_are_answered(host: str, ours: bool) -> None:
    assert is_our_name(host, ("shop.example", "*.example.org")) is ours
    assert is_our_name(host, ("*",)) is (host != "[::1")
