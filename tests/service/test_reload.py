"""A new model takes over without anybody noticing, or does not take over at all."""

import json
import shutil
import time
from collections.abc import Callable, Iterator
from pathlib import Path

import httpx
import pytest

import bundle
from service.models.source import FolderSource
from tests.load import Load
from tests.service.running import HOLDING, Running, eventually, held, running
from tests.service.test_stream import hear, open_stream
from tests.tiny_bundle import make_bundle, make_model, picture

OLD, NEW = "tiny-00000000", "tiny-11111111"


def replace(folder: Path, version: str, **options: object) -> None:
    """Put another bundle into a served folder, as promote does: beside it, and then in its place."""
    beside, away = folder.with_name("new"), folder.with_name("away")
    make_bundle(beside, version=version, **options)  # type: ignore[arg-type]
    folder.rename(away)
    beside.rename(folder)
    shutil.rmtree(away)


def serves(service: Running) -> str:
    return str(httpx.get(f"{service.url}/readyz").json()["model"])


def all_serve(service: Running, version: str) -> bool:
    """As fp32, or as bf16 where the processor has that."""
    return 1 in [service.metric("service_model_info", version=version, variant=each) for each in ("fp32", "bf16")]


@pytest.fixture
def service(tmp_path: Path) -> Iterator[Running]:
    make_bundle(tmp_path / "promoted")
    with running(tmp_path) as one:
        yield one


def test_a_new_model_takes_over_and_a_rollback_comes_back(service: Running, tmp_path: Path) -> None:
    etag = httpx.get(f"{service.url}/model").headers["etag"]
    replace(tmp_path / "promoted", NEW, labels=("cat", "dog"))
    eventually(lambda: all_serve(service, NEW))
    answer = httpx.post(f"{service.url}/identify", content=picture("red")).json()
    assert (answer["model"], answer["label"]) == (NEW, "cat")
    assert httpx.get(f"{service.url}/model").headers["etag"] != etag
    assert httpx.get(f"{service.url}/model").json()["labels"] == ["cat", "dog"]
    assert httpx.get(f"{service.url}/model/card").text.startswith(f"# {NEW}")
    assert not all_serve(service, OLD)
    assert service.metric("service_model_swaps_total", outcome="taken") == 2
    assert service.metric("service_model_created_timestamp_seconds") == 1767323045

    replace(tmp_path / "promoted", OLD)
    eventually(lambda: all_serve(service, OLD))
    assert httpx.post(f"{service.url}/identify", content=picture("red")).json()["label"] == "art"


def test_a_swap_under_load_loses_no_request(service: Running, tmp_path: Path) -> None:
    with Load(service.url, 4, picture("red"), pause_s=0.002) as load:
        eventually(lambda: len(load.statuses) > 20)
        for version in (NEW, OLD, NEW):
            replace(tmp_path / "promoted", version)
            eventually(lambda version=version: all_serve(service, version))  # type: ignore[misc]
    assert load.broken == []
    assert set(load.statuses) == {200}
    assert set(load.models) == {OLD, NEW}


def test_the_old_model_answers_until_the_new_one_has_been_checked(tmp_path: Path) -> None:
    """So a swap delays no request."""
    make_bundle(tmp_path / "promoted")
    with running(tmp_path, patch=HOLDING) as service:
        with held(tmp_path, "check_golden") as being_checked:
            replace(tmp_path / "promoted", NEW)
            eventually(being_checked)
            answer = httpx.post(f"{service.url}/identify", content=picture("red"))
            assert (answer.status_code, answer.json()["model"]) == (200, OLD)
        eventually(lambda: all_serve(service, NEW))


def test_a_stream_stays_open_over_a_swap_and_says_which_model_answers(service: Running, tmp_path: Path) -> None:
    with open_stream(service) as stream:
        stream.send(picture("red"))
        assert hear(stream)["model"] == OLD
        replace(tmp_path / "promoted", NEW)
        eventually(lambda: all_serve(service, NEW))
        stream.send(picture("red"))
        assert hear(stream)["model"] == NEW


def flip(folder: Path) -> None:
    data = bytearray((folder / "model.onnx").read_bytes())
    data[100] ^= 1
    (folder / "model.onnx").write_bytes(data)


def drift(folder: Path) -> None:
    manifest = bundle.load(folder).manifest
    (folder / "model.onnx").write_bytes(make_model(manifest.labels, 32, bias=(3, 0, 0)).SerializeToString())
    bundle.seal(folder, manifest)


def newer(folder: Path) -> None:
    values = json.loads((folder / "manifest.json").read_text())
    (folder / "manifest.json").write_text(json.dumps(values | {"schema_version": 9}))


SPOILT: dict[str, tuple[Callable[[Path], object], str, str]] = {
    "flipped": (flip, "damaged", "model.onnx is not what manifest.json says"),
    "gone": (shutil.rmtree, "damaged", "there is no model bundle at"),
    "a file is missing": (lambda f: (f / "golden/red.png").unlink(), "damaged", "golden/red.png is missing"),
    "no manifest": (lambda f: (f / "manifest.json").unlink(), "damaged", "holds no manifest.json"),
    "of the future": (newer, "damaged", "is of schema 9"),
    "drifted": (drift, "refused", "gives other numbers here than in the pipeline"),
}


@pytest.mark.parametrize("name", SPOILT)
def test_a_damaged_new_model_leaves_the_old_one_and_is_explained(service: Running, tmp_path: Path, name: str) -> None:
    spoil, outcome, why = SPOILT[name]
    folder = tmp_path / "promoted"
    coming = tmp_path / "coming"
    make_bundle(coming, version=NEW)
    spoil(coming)
    shutil.rmtree(folder)
    if coming.exists():
        coming.rename(folder)
    eventually(lambda: service.metric("service_model_swaps_total", outcome=outcome) >= 1)
    ready = httpx.get(f"{service.url}/readyz")
    assert ready.status_code == 200
    assert ready.json()["model"] == OLD
    assert ready.json()["trouble"] == outcome  # to strangers no more than that; the log has the rest
    assert any(line["event"] == "no new model" and why in line["why"] for line in service.lines)
    answer = httpx.post(f"{service.url}/identify", content=picture("red"))
    assert (answer.status_code, answer.json()["model"]) == (200, OLD)
    assert httpx.get(f"{service.url}/model/model.onnx").status_code == 200  # what is served is a copy
    said = len(service.lines)
    time.sleep(0.3)  # three looks, POLL_S is 0.1 here
    assert len([line for line in service.lines[said:] if line["event"] == "no new model"]) == 0  # said once

    shutil.rmtree(folder, ignore_errors=True)
    make_bundle(folder.with_name("good"), version=NEW)
    folder.with_name("good").rename(folder)
    eventually(lambda: all_serve(service, NEW))
    eventually(lambda: httpx.get(f"{service.url}/readyz").json()["trouble"] is None)


def test_the_trouble_is_over_when_the_old_model_is_put_back(service: Running, tmp_path: Path) -> None:
    folder = tmp_path / "promoted"
    shutil.copytree(folder, tmp_path / "kept")
    make_bundle(tmp_path / "coming", version=NEW)
    flip(folder)  # first, else the new model could be taken over before it is damaged
    shutil.copyfile(tmp_path / "coming/manifest.json", folder / "manifest.json")
    eventually(lambda: httpx.get(f"{service.url}/readyz").json()["trouble"])
    shutil.copytree(tmp_path / "kept", folder, dirs_exist_ok=True)
    eventually(lambda: httpx.get(f"{service.url}/readyz").json()["trouble"] is None)
    assert service.metric("service_model_swaps_total", outcome="taken") == 1


def test_copies_of_models_that_are_served_no_more_are_removed(tmp_path: Path) -> None:
    make_bundle(tmp_path / "promoted")
    temporary = tmp_path / "tmp"
    temporary.mkdir()
    with running(tmp_path, tmpdir=temporary) as service:
        for number in range(4):
            version = f"tiny-{number:08d}"
            replace(tmp_path / "promoted", version, bias=(number, 0, 0), threshold=0.1)
            eventually(lambda version=version: all_serve(service, version))  # type: ignore[misc]
        (workspace,) = temporary.iterdir()
        eventually(lambda: len(list(workspace.iterdir())) <= 2)  # what is served, and what was before
    assert list(temporary.iterdir()) == []


def test_memory_is_flat_over_many_swaps(service: Running, tmp_path: Path) -> None:
    def swap(number: int) -> None:
        version = f"tiny-{number:08d}"
        replace(tmp_path / "promoted", version, bias=(number / 100, 0, 0))
        eventually(lambda: all_serve(service, version))

    for number in range(1, 5):
        swap(number)
    before = service.memory()
    for number in range(5, 25):
        swap(number)
    eventually(lambda: service.memory() - before < 8_000_000)  # the last old model is given back after the swap


def test_a_folder_that_is_still_being_copied_is_taken_over_once_it_is_whole(service: Running, tmp_path: Path) -> None:
    """The manifest came first; the model follows while the service looks."""
    make_bundle(tmp_path / "whole", version=NEW)
    shutil.copyfile(tmp_path / "whole/manifest.json", tmp_path / "promoted/manifest.json")
    eventually(lambda: httpx.get(f"{service.url}/readyz").json()["trouble"] == "damaged")
    assert serves(service) == OLD
    shutil.copytree(tmp_path / "whole", tmp_path / "promoted", dirs_exist_ok=True)
    eventually(lambda: all_serve(service, NEW))


def test_a_look_at_a_folder_tells_one_model_from_another(tmp_path: Path) -> None:
    source = FolderSource(tmp_path / "promoted")
    served = make_bundle(tmp_path / "promoted")
    first = source.look()
    (tmp_path / "copy").mkdir()
    source.fetch(first, tmp_path / "copy")
    assert bundle.load(tmp_path / "copy").manifest == served.manifest
    assert source.look() == first  # nothing changed
    make_bundle(tmp_path / "promoted", version=NEW)
    assert source.look() != first


def test_what_a_killed_service_left_behind_is_removed_and_what_a_living_one_has_is_not(
    tmp_path: Path,
) -> None:
    """In containers every service is process 1, so process ids tell nothing."""
    make_bundle(tmp_path / "promoted")
    temporary = tmp_path / "tmp"
    temporary.mkdir()
    killed = Running(tmp_path, tmpdir=temporary)
    killed.await_address()
    killed.process.kill()
    killed.process.wait()
    (left,) = temporary.iterdir()
    with running(tmp_path, tmpdir=temporary) as first:
        assert not left.exists()
        assert len(list(temporary.iterdir())) == 1
        with running(tmp_path, tmpdir=temporary):
            assert len(list(temporary.iterdir())) == 2
        assert httpx.get(f"{first.url}/model/model.onnx").status_code == 200


UNEXPECTED = """
from bundle.engine import Engine
good = Engine.check_golden
def check(engine):
    if engine.version != "tiny-00000000":
        raise RuntimeError("an error that nobody foresaw")
    good(engine)
Engine.check_golden = check
"""


def test_a_golden_check_that_fails_in_an_unforeseen_way_leaves_the_old_model_and_later_swaps_work(
    tmp_path: Path,
) -> None:
    make_bundle(tmp_path / "promoted")
    with running(tmp_path, patch=UNEXPECTED) as service:
        replace(tmp_path / "promoted", NEW)
        eventually(lambda: service.metric("service_model_swaps_total", outcome="refused") == 1)
        assert any("nobody foresaw" in line.get("why", "") for line in service.lines)
        assert serves(service) == OLD
        replace(tmp_path / "promoted", OLD, labels=("cat", "dog"))
        eventually(lambda: service.metric("service_model_swaps_total", outcome="taken") == 2)
        assert httpx.post(f"{service.url}/identify", content=picture("red")).json()["label"] == "cat"
