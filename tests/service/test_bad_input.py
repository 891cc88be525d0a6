"""No picture and no request brings the service down, gets a stack trace, or costs it memory for good."""

import re
import subprocess
import sys
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

import httpx
import pytest
from hypothesis import HealthCheck, Phase, given, settings
from hypothesis import strategies as st

from tests.service.corpus import FORMS, PICTURES, photo
from tests.service.running import Running
from tests.service.test_serving import assert_problem

MUTATIONS = 1_500  # for each way of sending; thousands in all, in seconds
JPEG, PNG, WEBP = photo(), photo("PNG", (24, 24)), photo("WEBP", (48, 48))


@contextmanager
def unharmed(service: Running) -> Iterator[None]:
    """The block does not end the service."""
    yield
    assert service.process.poll() is None
    assert httpx.get(f"{service.url}/readyz").status_code == 200


def check(answer: httpx.Response, kind: str | None) -> None:
    if kind is None:
        assert answer.status_code == 200, answer.text
    else:
        assert_problem(answer, answer.status_code, kind)
        assert 400 <= answer.status_code < 500


@pytest.mark.parametrize("name", PICTURES)
def test_each_picture_of_the_corpus_is_answered_or_explained(service: Running, name: str) -> None:
    data, kind = PICTURES[name]
    with unharmed(service), httpx.Client(base_url=service.url) as client:
        check(client.post("/identify", content=data, headers={"content-type": "image/jpeg"}), kind)
        in_form = "unsupported" if name == "empty" else kind  # the form is not empty
        check(client.post("/identify", files={"image": ("x", data)}), in_form)


@pytest.mark.parametrize("name", FORMS)
def test_each_form_of_the_corpus_is_answered_or_explained(service: Running, name: str) -> None:
    data, content_type, kind = FORMS[name]
    with unharmed(service):
        check(httpx.post(f"{service.url}/identify", content=data, headers={"content-type": content_type}), kind)


def test_an_error_says_what_to_do(service: Running) -> None:
    def detail(data: bytes, content_type: str = "image/png") -> str:
        answer = httpx.post(f"{service.url}/identify", content=data, headers={"content-type": content_type})
        return str(answer.json()["detail"])

    assert "JPEG, PNG and WebP are taken" in detail(PICTURES["animated GIF"][0])
    assert "the limit is 8 million; scale it down" in detail(PICTURES["PNG bomb"][0])
    assert "use an intact copy" in detail(PICTURES["truncated JPEG"][0])
    assert "use one frame of it" in detail(PICTURES["animated WebP"][0])
    assert "curl -F image=@photo.jpg" in detail(*FORMS["wrong name"][:2])
    assert "its fields are 'photo'" in detail(*FORMS["wrong name"][:2])
    assert "2 files `image`" in detail(*FORMS["two pictures"][:2])
    assert "JPEG, PNG and WebP are taken" in detail(*FORMS["JSON"][:2])


def fuzz(examples: int) -> settings:
    return settings(
        max_examples=examples,
        deadline=None,
        derandomize=True,
        database=None,
        phases=(Phase.generate,),
        suppress_health_check=list(HealthCheck),
    )


@st.composite
def mutated(draw: st.DrawFn) -> bytes:
    """A picture with some bytes changed, cut out or repeated."""
    data = bytearray(draw(st.sampled_from((JPEG, PNG, WEBP))))
    for _ in range(draw(st.integers(1, 5))):
        at = draw(st.integers(0, len(data) - 1))
        match draw(st.sampled_from(["flip", "set", "cut", "repeat", "insert"])):
            case "flip":
                data[at] ^= 1 << draw(st.integers(0, 7))
            case "set":
                data[at] = draw(st.sampled_from((0, 1, 0x7F, 0x80, 0xFE, 0xFF)))
            case "cut":
                del data[at : at + draw(st.integers(1, 200))]
            case "repeat":
                data[at:at] = data[at : at + draw(st.integers(1, 200))]
            case "insert":
                data[at:at] = draw(st.binary(max_size=20))
        if not data:
            break
    return bytes(data)


def test_thousands_of_mutated_pictures(service: Running) -> None:
    """Each is answered, or refused as the client's fault."""
    seen: dict[int, int] = {}
    with unharmed(service), httpx.Client(base_url=service.url) as client:

        @fuzz(MUTATIONS)
        @given(mutated(), st.booleans())
        def send(data: bytes, as_form: bool) -> None:
            if as_form:
                answer = client.post("/identify", files={"image": ("x", data)})
            else:
                answer = client.post("/identify", content=data, headers={"content-type": "image/jpeg"})
            seen[answer.status_code] = seen.get(answer.status_code, 0) + 1
            assert answer.status_code in (200, 400, 413, 415, 422), answer.text
            assert "Traceback" not in answer.text

        send()
    assert seen[200] > MUTATIONS / 20  # some are still pictures, and some are not
    assert seen[422] > MUTATIONS / 20


def test_thousands_of_mutated_forms(service: Running) -> None:
    form, content_type, _ = FORMS["another field, too"]
    with unharmed(service), httpx.Client(base_url=service.url) as client:

        @fuzz(MUTATIONS)
        @given(st.data())
        def send(data: st.DataObject) -> None:
            body = bytearray(form)
            for _ in range(data.draw(st.integers(1, 4))):
                at = data.draw(st.integers(0, len(body) - 1))
                body[at : at + data.draw(st.integers(0, 3))] = data.draw(st.binary(max_size=4))
            answer = client.post("/identify", content=bytes(body), headers={"content-type": content_type})
            assert answer.status_code in (200, 400, 413, 415, 422), answer.text

        send()


def test_every_address_of_the_openapi_document_holds_what_it_says(service: Running, tmp_path: Path) -> None:
    """Schemathesis: answers, statuses and content types are the documented ones, whatever is sent.

    One check is left out, which wants all that fits the schema accepted: no schema can say what a picture is.
    """
    command = [sys.executable, "-m", "schemathesis.cli", "run", f"{service.url}/openapi.json", "--seed", "1"]
    command += ["--max-examples", "60", "--exclude-checks", "positive_data_acceptance"]
    with unharmed(service):
        ran = subprocess.run(command, cwd=tmp_path, capture_output=True, text=True, timeout=120)
    assert ran.returncode == 0, ran.stdout
    addresses = len(httpx.get(f"{service.url}/openapi.json").json()["paths"])
    assert f"Tested: {addresses}" in ran.stdout
    passed = re.search(r"(\d+) generated, (\d+) passed", ran.stdout)
    assert passed
    assert int(passed[1]) == int(passed[2]) > 150, ran.stdout


def test_memory_is_flat_after_all_of_it(service: Running) -> None:
    """Warm first; what comes after must leave nothing."""
    with httpx.Client(base_url=service.url) as client:

        def all_of_it() -> None:
            for data, _ in PICTURES.values():
                client.post("/identify", content=data, headers={"content-type": "image/jpeg"})
            for body, content_type, _ in FORMS.values():
                client.post("/identify", content=body, headers={"content-type": content_type})

        for _ in range(3):
            all_of_it()
        before = service.memory()
        for _ in range(12):
            all_of_it()
        grown = service.memory() - before
    assert grown < 8_000_000, f"{grown / 1e6:.1f} MB more, of {before / 1e6:.0f}"
