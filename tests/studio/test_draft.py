"""A draft is the promoted model's body with a head that learnt the photos as they are; same photos, same bytes."""

from pathlib import Path

import pytest

import bundle
from bundle import engine
from bundle.errors import BundleError
from pipeline.core import config
from pipeline.core.errors import DataError
from pipeline.data.settings import DataSettings
from pipeline.data.split import SplitRow
from studio import draft
from studio.album import Album
from studio.draft import Base
from studio.errors import StudioError
from studio.measure import Measure, measure
from studio.photos import Collection
from tests.studio.conftest import Burst

REJECTED = 0.06


class Classroom:
    """An album and the base of its drafts, in the current folder."""

    def __init__(self) -> None:
        self.data = config.load("data", DataSettings)
        self.base = Base(bundle.load(Path("models/promoted")), REJECTED)
        self.album = Album(self.data, self.base.size)
        self.collection = Collection(self.data)

    def rows(self) -> list[SplitRow]:
        return self.collection.rows(self.base.split)

    def teach(self, label: str, frames: list[bytes]) -> int:
        return self.album.teach(label, frames, "Ada").step

    def draft(self) -> bytes:
        """Make a draft; its model."""
        self.base.draft(self.rows(), self.data)
        return (draft.FOLDER / "model.onnx").read_bytes()


@pytest.fixture
def room(checkout: Path, monkeypatch: pytest.MonkeyPatch) -> Classroom:
    """The classroom in a copy of the project."""
    monkeypatch.chdir(checkout)
    return Classroom()


def test_a_new_label_is_known_to_the_draft_that_the_service_loads(room: Classroom, burst: Burst) -> None:
    *taught, unseen = burst("#c02020", 3, 12)
    room.teach("mug", taught)
    room.draft()
    loaded = engine.load(bundle.load(draft.FOLDER), "fp32")  # reproduces the golden frames
    assert loaded.identify(unseen).label == "mug"
    assert loaded.bundle.manifest.labels == ("art", "mug", "plant", "text")


def test_the_head_is_the_end_of_the_model_and_the_body_that_of_the_promoted_one(room: Classroom, burst: Burst) -> None:
    room.teach("mug", burst("#c02020", 3))
    model, head = room.draft(), (draft.FOLDER / bundle.HEAD).read_bytes()
    promoted = Path("models/promoted")
    assert model.endswith(head)
    assert len(head) < 100_000
    body = (promoted / "model.onnx").read_bytes().removesuffix((promoted / bundle.HEAD).read_bytes())
    assert model.removesuffix(head) == body


def test_taken_back_the_model_before_is_there_again_bit_for_bit(room: Classroom, burst: Burst) -> None:
    room.teach("mug", burst("#c02020", 3))
    first = room.draft()
    step = room.teach("plant", burst("#2040c0", 9))
    assert room.draft() != first
    room.album.undo(step)
    assert room.draft() == first


def test_without_new_photos_there_is_nothing_to_learn(room: Classroom, burst: Burst) -> None:
    assert room.base.knows(room.rows())
    step = room.teach("mug", burst("#c02020", 3))
    assert not room.base.knows(room.rows())
    room.album.undo(step)
    assert room.base.knows(room.rows())


def test_a_photo_under_another_label_is_news(room: Classroom) -> None:
    rows = room.rows()
    room.album.relabel([next(row.file for row in rows if row.label == "art")], "text")
    assert not room.base.knows(room.rows())


def test_photos_of_the_test_split_stay_unknown(room: Classroom, burst: Burst) -> None:
    room.teach("mug", burst("#c02020", 3))
    lesson = room.base.lesson(room.rows(), room.data)
    tested = {sha256 for sha256, (_, side) in room.base.split.items() if side == "test"}
    assert tested
    assert not tested & {row.sha256 for row in lesson.photos.rows}


def test_a_label_of_one_sitting_is_not_measured_and_one_of_two_is(room: Classroom, burst: Burst) -> None:
    room.teach("mug", burst("#c02020", 3))
    assert next(each for each in _measured(room).labels if each.name == "mug").verdict == "not measured"
    room.teach("mug", burst("#c02020", 9))
    mug = next(each for each in _measured(room).labels if each.name == "mug")
    assert (mug.sittings, mug.before) == (2, 0.0)
    assert mug.right is not None
    assert "mug" in mug.said


def test_a_burst_is_judged_by_heads_that_saw_nothing_of_it(room: Classroom, burst: Burst) -> None:
    room.teach("mug", burst("#c02020", 3))
    room.teach("mug", burst("#2040c0", 9))
    lesson = room.base.lesson(room.rows(), room.data)
    judged = room.base.judge(lesson)
    for group in {row.group for row in judged.photos.rows if row.label == "mug"}:
        own = [part for row, part in zip(judged.photos.rows, judged.parts, strict=True) if row.group == group]
        assert len(set(own)) == 1


def test_a_label_with_one_frame_can_be_taught(room: Classroom, burst: Burst) -> None:
    room.teach("mug", burst("#c02020", 3, 1))
    room.draft()
    assert "mug" in bundle.load(draft.FOLDER).manifest.labels


def test_forty_labels_can_be_taught(room: Classroom, burst: Burst) -> None:
    for number in range(40):
        room.teach(f"thing {number}", burst(f"#{number * 5:02x}{255 - number * 5:02x}40", 3 + number, 2))
    room.draft()
    assert len(engine.load(bundle.load(draft.FOLDER), "fp32").labels) == 43


def test_none_of_these_can_be_taught(room: Classroom, burst: Burst) -> None:
    *taught, unseen = burst("#c02020", 3, 12)
    room.teach(room.data.ood_label, taught)
    room.draft()
    assert engine.load(bundle.load(draft.FOLDER), "fp32").identify(unseen).label is None


def test_fewer_than_two_labels_are_refused_and_the_draft_before_stays(room: Classroom, burst: Burst) -> None:
    room.teach("mug", burst("#c02020", 3))
    before = room.draft()
    with pytest.raises(DataError, match="two labels"):
        room.base.draft([row for row in room.rows() if row.label == "mug"], room.data)
    assert (draft.FOLDER / "model.onnx").read_bytes() == before


def test_a_photo_that_is_edited_on_the_disk_is_seen_anew(room: Classroom, burst: Burst) -> None:
    room.teach("mug", burst("#c02020", 3))
    first = room.draft()
    taken = sorted((room.data.images / "mug").glob("*.jpg"))[0]
    taken.write_bytes(burst("#20c020", 5, 1)[0])
    assert room.draft() != first


def test_a_damaged_photo_is_named(room: Classroom, burst: Burst) -> None:
    room.teach("mug", burst("#c02020", 3))
    taken = sorted((room.data.images / "mug").glob("*.jpg"))[0]
    taken.write_bytes(b"no picture")
    with pytest.raises(DataError, match=taken.name):
        room.draft()


def test_a_model_of_an_older_version_says_how_to_get_one_that_can_be_taught(room: Classroom) -> None:
    folder = Path("models/promoted")
    (folder / bundle.HEAD).unlink()
    bundle.seal(folder, bundle.load_manifest(folder))
    with pytest.raises(StudioError, match="dvc repro"):
        Base(bundle.load(folder), REJECTED)


def test_of_a_large_set_a_sample_is_judged_with_new_photos_in_it(
    room: Classroom, burst: Burst, monkeypatch: pytest.MonkeyPatch
) -> None:
    for ground in (3, 9):
        room.teach("mug", burst("#c02020", ground))
    monkeypatch.setattr(draft, "MOST_JUDGED", 200)
    judged = room.base.judge(room.base.lesson(room.rows(), room.data))
    assert len(judged.photos.rows) == 200
    assert sum(row.label == "mug" for row in judged.photos.rows) > 10


def test_golden_answers_are_those_of_the_head_alone(room: Classroom, burst: Burst) -> None:
    """They are computed without the graph, so that a fault in the graph shows as soon as it is loaded."""
    room.teach("mug", burst("#c02020", 3))
    room.draft()
    made = bundle.load(draft.FOLDER)
    wrong = made.manifest.golden[0].model_copy(update={"id_score": {"fp32": 0.0}})
    assert made.manifest.golden[0].id_score["fp32"] > made.manifest.golden_tolerance
    bundle.seal(draft.FOLDER, made.manifest.model_copy(update={"golden": (wrong, *made.manifest.golden[1:])}))
    with pytest.raises(BundleError):
        engine.load(bundle.load(draft.FOLDER), "fp32")


def _measured(room: Classroom) -> Measure:
    made = room.base.draft(room.rows(), room.data)
    return measure(room.rows(), made.judged, room.base.judge(made.lesson, as_before=True), room.data.ood_label)


def test_the_draft_leaves_without_a_trace(room: Classroom, burst: Burst) -> None:
    room.teach("mug", burst("#c02020", 3))
    room.draft()
    draft.remove()
    assert not draft.FOLDER.exists()
    assert not list(draft.FOLDER.parent.glob(".draft*"))
