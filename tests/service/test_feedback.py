"""Pictures that people call wrong: kept only where a folder is named, without metadata, within limits, out of reach."""

import io
import json
from collections.abc import Iterator
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

import httpx
import pytest
from PIL import Image

from service import settings
from service.http.app import create_app
from service.settings import Settings, SettingsError
from tests.service.corpus import PICTURES, exif_rotated
from tests.service.running import ROOT, Running, running
from tests.service.test_serving import assert_problem
from tests.tiny_bundle import make_bundle, picture

TOLD = {"model": "tiny-00000000", "answer": "art", "score": "0.75", "label": "plant"}
KEY = "correct-horse-battery"


def send(service: Running, data: bytes, *, headers: dict[str, str] | None = None, **told: str) -> httpx.Response:
    """As the page does; the key may be left out by headers of one's own."""
    headers = {"x-api-key": KEY} if headers is None else headers
    return httpx.post(f"{service.url}/feedback", files={"picture": data}, data=TOLD | told, headers=headers)


def kept(folder: Path) -> list[tuple[bytes, dict[str, Any]]]:
    """The pairs that are there, and nothing else."""
    pictures, told = sorted(folder.glob("*.jpg")), sorted(folder.glob("*.json"))
    assert [each.stem for each in pictures] == [each.stem for each in told]
    assert len(list(folder.iterdir())) == 2 * len(pictures)
    return [(one.read_bytes(), json.loads(other.read_text())) for one, other in zip(pictures, told, strict=True)]


@pytest.fixture(scope="module")
def taking(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Running]:
    folder = tmp_path_factory.mktemp("feedback")
    make_bundle(folder / "promoted")
    limits = {"feedback_rate": 1_000, "address_share": 1, "frame_bytes": 500_000, "body_bytes": 1_000_000}
    with running(folder, threads=1, feedback=folder / "wrong", api_key=KEY, **limits) as one:
        yield one


@pytest.fixture
def folder(taking: Running) -> Path:
    """Its folder, empty."""
    found = Path(str(taking.settings["feedback"]))
    for each in found.iterdir():
        each.unlink()
    return found


def test_off_there_is_no_such_address_and_no_sign_of_it(service: Running) -> None:
    assert_problem(send(service, picture("red")), 404, "not-found")
    assert "x-feedback" not in httpx.get(f"{service.url}/model").headers


def test_a_picture_is_kept_with_what_was_said_about_it(taking: Running, folder: Path) -> None:
    before = datetime.now(UTC)
    assert send(taking, picture("red")).status_code == 204
    assert send(taking, picture("green", fmt="WEBP"), label="", answer="").status_code == 204
    (red, told), (green, none) = sorted(kept(folder), key=lambda pair: pair[1]["at"])
    assert (before - datetime.fromisoformat(told.pop("at"))).total_seconds() < 1
    assert told == {"model": "tiny-00000000", "answer": "art", "score": 0.75, "label": "plant"}
    assert (none["label"], none["answer"]) == ("", None)
    for data, colour in ((red, "red"), (green, "green")):
        with Image.open(io.BytesIO(data)) as image, Image.open(io.BytesIO(picture(colour))) as original:
            assert (image.format, image.size) == ("JPEG", original.size)


def test_the_page_knows_by_a_header_of_the_model(taking: Running) -> None:
    answer = httpx.get(f"{taking.url}/model", headers={"x-api-key": KEY})
    assert answer.headers["x-feedback"] == "on"


def test_nothing_but_the_pixels_is_kept(taking: Running, folder: Path) -> None:
    """No place, no time, no thumbnail, no comment, and nothing behind the end: the file is another one."""
    comment = io.BytesIO()
    Image.new("RGB", (40, 40)).save(comment, "JPEG", comment=b"secret comment", icc_profile=b"secret profile")
    for data in (exif_rotated(), comment.getvalue(), picture("red", fmt="JPEG") + b"<script>secret</script>"):
        assert send(taking, data).status_code == 204
    for data, _ in kept(folder):
        assert b"secret" not in data
        assert b"Exif" not in data
        with Image.open(io.BytesIO(data)) as image:
            assert not image.getexif()
            assert not {"comment", "icc_profile", "exif"} & image.info.keys()


def test_a_large_picture_is_scaled_down(taking: Running, folder: Path) -> None:
    large = io.BytesIO()
    Image.new("RGB", (3_000, 2_000), (200, 10, 10)).save(large, "JPEG")
    assert send(taking, large.getvalue()).status_code == 204
    with Image.open(io.BytesIO(kept(folder)[0][0])) as image:
        assert max(image.size) == 1_280


@pytest.mark.parametrize("name", [name for name, (_, kind) in PICTURES.items() if kind not in (None, "bad-request")])
def test_what_can_not_be_decoded_is_not_kept(taking: Running, folder: Path, name: str) -> None:
    data, kind = PICTURES[name]
    answer = send(taking, data)
    assert_problem(answer, answer.status_code, str(kind))
    assert kept(folder) == []


@pytest.mark.parametrize(
    "told",
    [
        {"label": "mug"},
        {"label": "x" * 300},
        {"model": "../../etc"},
        {"model": ""},
        {"answer": "x" * 300},
        {"score": "2"},
        {"score": "nan"},
        {"score": "sure"},
    ],
)
def test_what_makes_no_sense_is_refused(taking: Running, folder: Path, told: dict[str, str]) -> None:
    answer = httpx.post(
        f"{taking.url}/feedback", files={"picture": picture("red")}, data=TOLD | told, headers={"x-api-key": KEY}
    )
    assert_problem(answer, 400, "bad-request")
    assert kept(folder) == []


def test_too_large_and_without_a_picture(taking: Running, folder: Path) -> None:
    assert_problem(send(taking, b"\0" * 600_000), 413, "too-large")
    assert_problem(send(taking, b"\0" * 3_000_000), 413, "too-large")
    answer = httpx.post(f"{taking.url}/feedback", data=TOLD, headers={"x-api-key": KEY})
    assert_problem(answer, 400, "bad-request")
    assert kept(folder) == []


def test_it_needs_the_key_where_there_is_one(taking: Running, folder: Path) -> None:
    assert_problem(send(taking, picture("red"), headers={}), 401, "unauthorized")
    assert kept(folder) == []


def test_nobody_can_list_or_read_what_is_there(taking: Running, folder: Path) -> None:
    assert send(taking, picture("red")).status_code == 204
    names = [each.name for each in folder.iterdir()]
    with httpx.Client(base_url=taking.url, headers={"x-api-key": KEY}) as client:
        assert_problem(client.get("/feedback"), 405, "method-not-allowed")
        for name in names:
            for path in (
                f"/feedback/{name}",
                f"/wrong/{name}",
                f"/model/../wrong/{name}",
                f"/model/..%2fwrong%2f{name}",
            ):
                assert client.get(path).status_code == 404, path
        for path in ("/feedback/", "/wrong/", "/wrong"):
            assert client.get(path).status_code == 404
    with pytest.raises(SettingsError, match="inside PAGE"):
        settings.read({"page": str(folder.parent), "feedback": str(folder)})


def test_who_sends_too_many_is_told_to_wait_and_others_are_not(tmp_path: Path) -> None:
    make_bundle(tmp_path / "promoted")
    limits = {"feedback_rate": 6, "address_share": 0.5, "trusted_proxies": "127.0.0.1"}
    with running(tmp_path, threads=1, feedback=tmp_path / "wrong", **limits) as service:
        statuses = [send(service, picture("red"), headers={}).status_code for _ in range(5)]
        assert statuses == [204] * 3 + [429] * 2
        answer = send(service, picture("red"), headers={})
        assert_problem(answer, 429, "too-many")
        assert answer.headers["retry-after"] == "60"
        others = [send(service, picture("red"), headers={"x-forwarded-for": f"192.0.2.{n}"}) for n in range(4)]
        assert [each.status_code for each in others] == [204] * 3 + [429]
    assert len(kept(tmp_path / "wrong")) == 6


def test_a_full_folder_takes_no_more_until_it_is_emptied(tmp_path: Path) -> None:
    make_bundle(tmp_path / "promoted")
    (tmp_path / "wrong").mkdir()
    (tmp_path / "wrong/old.jpg").write_bytes(b"x" * 1_000_000)
    with running(tmp_path, threads=1, feedback=tmp_path / "wrong", feedback_bytes=1_000_000) as service:
        assert_problem(send(service, picture("red"), headers={}), 507, "full")
        (tmp_path / "wrong/old.jpg").unlink()
        assert send(service, picture("red"), headers={}).status_code == 204
    assert len(kept(tmp_path / "wrong")) == 1


FULL = """
import errno
from service import feedback
real = feedback._write
def full(path, data):
    if path.suffix == ".json":
        raise OSError(errno.ENOSPC, "No space left on device")
    real(path, data)
feedback._write = full
"""


def test_without_room_for_both_neither_is_kept(tmp_path: Path) -> None:
    make_bundle(tmp_path / "promoted")
    with running(tmp_path, threads=1, feedback=tmp_path / "wrong", patch=FULL) as service:
        assert_problem(send(service, picture("red"), headers={}), 507, "full")
    assert kept(tmp_path / "wrong") == []


def test_a_folder_that_can_not_be_written_is_said_at_the_start(tmp_path: Path) -> None:
    (tmp_path / "file").write_text("")
    with pytest.raises(SettingsError, match=r"FEEDBACK: .*file can't be made"):
        create_app(Settings.model_validate({"feedback": tmp_path / "file"}))


def test_the_document_tells_of_it() -> None:
    document = (ROOT / "docs/service.md").read_text(encoding="utf-8")
    assert "| `POST /feedback` |" in document
    for setting in ("FEEDBACK", "FEEDBACK_BYTES", "FEEDBACK_RATE"):
        assert f"`{setting}`" in document
