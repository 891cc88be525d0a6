"""The review over HTTP: a studio that runs on a copy of this project's photos."""

import shutil
from collections.abc import Iterator
from io import BytesIO
from pathlib import Path
from typing import Any

import pytest
from PIL import Image

from scripts.bench.teach.project import Studio, studio

ROOT = Path(__file__).parents[2]


@pytest.fixture(scope="module")
def own(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Studio]:
    place = tmp_path_factory.mktemp("review")
    shutil.copy2(ROOT / "params.yaml", place)
    for folder in ("data", "models/promoted", "build/features"):
        shutil.copytree(ROOT / folder, place / folder)
    with pytest.MonkeyPatch.context() as patch:
        patch.setenv("PYTHONPATH", str(ROOT))
        with studio(place) as one:
            yield one
        if one.process.stdout:
            one.process.stdout.close()


def queue(own: Studio, **query: Any) -> dict[str, Any]:
    found: dict[str, Any] = own.client.get("/studio/review", params=query).raise_for_status().json()
    return found


def decide(own: Studio, **wanted: Any) -> int:
    step: int = own.client.post("/studio/review", json=wanted).raise_for_status().json()["step"]
    return step


def photo() -> bytes:
    return next((ROOT / "data/images/plant").glob("*.jpg")).read_bytes()


def test_the_queue_is_read_in_parts_that_make_the_whole(own: Studio) -> None:
    whole = queue(own, count=1000)
    assert whole["total"] == len(whole["items"]) > 2
    assert whole["next"] is None
    parts, cursor = [], ""
    while True:
        part = queue(own, after=cursor, count=2)
        parts += part["items"]
        if not (cursor := part["next"]):
            break
    assert parts == whole["items"]
    first = parts[0]
    assert {*first} == {"id", "file", "label", "thinks", "why", "author", "licence", "group", "sent"}
    assert sum(first["thinks"]["probabilities"]) == pytest.approx(1, abs=0.01)
    assert own.client.get("/studio/review", params={"after": "nonsense"}).status_code == 400


def test_an_item_shows_its_picture_and_its_evidence(own: Studio) -> None:
    item = queue(own)["items"][0]
    small = own.client.get(f"/studio/photos/{item['file']}", params={"side": 96})
    assert small.headers["content-type"] == "image/jpeg"
    assert max(Image.open(BytesIO(small.content)).size) <= 96
    again = own.client.get(small.url, headers={"If-None-Match": small.headers["etag"]})
    assert again.status_code == 304
    assert own.client.get(f"/studio/photos/{item['id']}", params={"side": 96}).content == small.content
    found = own.client.get(f"/studio/review/{item['id']}/evidence").raise_for_status().json()
    assert len(found["values"]) == found["height"] * found["width"] > 1


def test_a_decision_takes_an_item_out_and_its_undo_brings_it_back(own: Studio) -> None:
    before = queue(own, count=1000)
    item = before["items"][0]
    step = decide(own, action="keep", ids=[item["id"]])
    assert item["id"] not in {each["id"] for each in queue(own, count=1000)["items"]}
    steps = own.client.get("/studio/state").json()["steps"]
    assert (steps[0]["step"], steps[0]["kind"], steps[0]["undoable"]) == (step, "settle", True)
    own.client.post("/studio/undo", json={"step": step}).raise_for_status()
    assert queue(own, count=1000) == before


def test_a_batch_can_be_measured(own: Studio) -> None:
    item = next(each for each in queue(own)["items"] if each["thinks"]["label"])
    step = decide(own, action="relabel", ids=[item["id"]], label=item["thinks"]["label"])
    found = own.client.get("/studio/review/measure", params={"since": step}).raise_for_status().json()
    assert found["verdict"] in ("better", "not proven", "worse")
    assert 0 < found["before"] <= 1
    own.client.post("/studio/undo", json={"step": step}).raise_for_status()


def test_what_is_wrong_is_in_the_queue_at_once_and_becomes_a_photo(own: Studio) -> None:
    form = {"label": "plant", "model": "4be1168f6996", "answer": "art", "score": "0.8"}
    sent = own.client.post("/studio/wrong", data=form, files={"picture": ("frame.jpg", photo(), "image/jpeg")})
    assert sent.status_code == 204
    first = queue(own)["items"][0]
    assert (first["file"], first["label"], first["why"][0]["kind"]) == (None, "plant", "wrong")
    assert (first["sent"]["model"], first["sent"]["label"], first["sent"]["score"]) == ("4be1168f6996", "art", 0.8)
    assert own.client.get(f"/studio/photos/{first['id']}").content == photo()
    step = decide(own, action="relabel", ids=[first["id"]], label="plant")
    assert queue(own)["items"][0]["sent"] is None
    own.client.post("/studio/undo", json={"step": step}).raise_for_status()
    assert queue(own)["items"][0]["id"] == first["id"]


@pytest.mark.parametrize(
    ("wanted", "status"),
    [
        ({"action": "relabel", "label": "a/b"}, 422),
        ({"action": "describe"}, 422),
        ({"action": "remove", "ids": ["0" * 64]}, 404),
        ({"action": "remove", "ids": []}, 400),
    ],
)
def test_a_decision_that_can_not_be_carried_out_is_refused_in_a_sentence(
    own: Studio, wanted: dict[str, Any], status: int
) -> None:
    before = queue(own, count=1000)
    ids = [next(each["id"] for each in before["items"] if each["file"])]
    refused = own.client.post("/studio/review", json={"ids": ids} | wanted)
    assert refused.status_code == status
    assert refused.json()["detail"]
    assert queue(own, count=1000) == before


def test_nobody_without_a_session_sees_or_changes_anything(own: Studio) -> None:
    nobody = {"Authorization": ""}
    for path in ("/studio/review", "/studio/photos/art/x.jpg", f"/studio/review/{'0' * 64}/evidence"):
        assert own.client.get(path, headers=nobody).status_code == 401
    assert own.client.post("/studio/review", json={"action": "keep", "ids": ["x"]}, headers=nobody).status_code == 401
    assert own.client.post("/studio/wrong", headers=nobody).status_code == 401


@pytest.mark.parametrize("file", ["%2e%2e/manifest.csv", "art/..%2f..%2fmanifest.csv", "art/none.jpg", "manifest.csv"])
def test_only_photos_are_given_out(own: Studio, file: str) -> None:
    assert own.client.get(f"/studio/photos/{file}").status_code == 404
