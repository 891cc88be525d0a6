"""The queue asks about the right photos, and what a person decides holds, and can be taken back."""

import csv
import io
import json
import shutil
from datetime import UTC, datetime, timedelta
from pathlib import Path

import numpy as np
import pytest
from numpy.typing import NDArray
from PIL import Image, ImageOps

from pipeline.core.errors import DataError
from pipeline.data import forgotten, manifest
from pipeline.data.adoption import row_of
from pipeline.data.settings import DataSettings
from pipeline.models.features import Photo
from studio.album import Album
from studio.errors import StudioError
from studio.review import compare, decisions, thumbs
from studio.review.decisions import Decision, decide
from studio.review.inbox import Feedback, Inbox, pull
from studio.review.queue import Item, Queue
from tests.studio.conftest import receipt

ROOT = Path(__file__).parents[2]
SIZE, EACH = 96, 12
LABELS = {"blue": (0, 0, 1), "green": (0, 1, 0), "other": (1, 1, 0), "red": (1, 0, 0)}
NOON = datetime(2026, 11, 25, 12, tzinfo=UTC)
WRONG = "red/05.jpg"  # shows what is blue


def picture(label: str, seed: int) -> bytes:
    """Coarse noise in the colour of a label."""
    noise = np.random.default_rng(seed).integers(0, 256, (6, 6, 1))
    pixels = (noise * (0.35 + 0.65 * np.array(LABELS[label]))).astype(np.uint8)
    buffer = io.BytesIO()
    Image.fromarray(pixels).resize((SIZE * 2, SIZE * 2)).save(buffer, "JPEG", quality=92)
    return buffer.getvalue()


def look(photos: list[Photo]) -> NDArray[np.float32]:
    """Features that stand for a network's: colours and coarse shapes, about their mean."""
    seen = []
    for photo in photos:
        small = np.asarray(Image.open(photo.path).convert("RGB").resize((6, 6), Image.Resampling.BOX), np.float32)
        grey = small.mean(2)
        colour = 12 * (small.mean((0, 1)) / small.mean() - 1)
        seen.append([*((grey - grey.mean()) / (grey.std() + 1)).ravel(), *colour])
    return np.array(seen, np.float32)


@pytest.fixture
def data(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> DataSettings:
    """Twelve photos of four labels; one of the red ones is blue."""
    shutil.copy(ROOT / "params.yaml", tmp_path)
    monkeypatch.chdir(tmp_path)
    images = Path("data/images")
    for number, label in enumerate(LABELS):
        (images / label).mkdir(parents=True)
        for index in range(EACH):
            (images / label / f"{index:02}.jpg").write_bytes(picture(label, 100 * number + index))
    (images / WRONG).write_bytes(picture("blue", 999))
    settings = DataSettings(images=images, manifest=Path("data/manifest.csv"), ood_label="other")
    rows = [row_of(images, f"{label}/{index:02}.jpg") for label in LABELS for index in range(EACH)]
    manifest.write(settings.manifest, rows)
    album = Album(settings, SIZE)
    album.describe([row.file for row in rows], "Ada", "CC0-1.0")
    return settings


def opened(data: DataSettings) -> Queue:
    return Queue(Album(data, SIZE), look=look)


def copied(data: DataSettings, source: str, target: str) -> None:
    """The mirrored, saved again copy of a photo is one more photo."""
    with Image.open(data.images / source) as image:
        image.save(data.images / target, quality=80)
    row = row_of(data.images, target)
    manifest.write(data.manifest, [*manifest.read(data.manifest), row])
    Album(data, SIZE).describe([target], "Ada", "CC0-1.0")


def item_of(queue: Queue, file: str) -> Item:
    return next(item for item in queue.items() if item.row and item.row.file == file)


def kinds(queue: Queue) -> dict[str, set[str]]:
    return {item.row.file if item.row else item.id: {flag.kind for flag in item.why} for item in queue.items()}


def everything(data: DataSettings) -> dict[str, bytes]:
    root = data.images.parent
    return {
        str(path.relative_to(root)): path.read_bytes()
        for path in sorted(root.rglob("*"))
        if path.is_file() and path.name != "edits.jsonl"
    }


def send(queue: Queue, seed: int, label: str = "blue", shows: str = "blue") -> str:
    said = Feedback(at=NOON, model="4be1168f6996", answer="red", score=0.9, label=label)
    return queue.send(picture(shows, seed), said, "Ada").sha256


def test_a_wrong_label_comes_first_with_what_the_others_make_of_it(data: DataSettings) -> None:
    worst = opened(data).items()[0]
    assert worst.row is not None
    assert worst.row.file == WRONG
    assert worst.why[0].kind == "label-error"
    assert "rather blue" in worst.why[0].said
    assert worst.probabilities is not None
    assert max(worst.probabilities, key=lambda label: (worst.probabilities or {})[label]) == "blue"


def test_the_same_photos_give_the_same_order(data: DataSettings) -> None:
    assert opened(data).items() == opened(data).items()


def test_a_copy_under_another_label_is_flagged_with_its_twin_and_merging_keeps_one(data: DataSettings) -> None:
    copied(data, "blue/03.jpg", "green/copy.jpg")
    before, queue = everything(data), opened(data)
    item = item_of(queue, "green/copy.jpg")
    assert "near-duplicate" in {flag.kind for flag in item.why}
    assert "blue/03.jpg" in item.others
    step = decide(queue, [item.id], Decision("merge"))
    assert not (data.images / "green/copy.jpg").exists()
    assert (data.images / "blue/03.jpg").exists()
    assert "green/copy.jpg" not in kinds(queue)
    queue.album.undo(step.step)
    assert everything(data) == before


def test_of_duplicates_that_are_all_chosen_the_first_stays(data: DataSettings) -> None:
    copied(data, "blue/03.jpg", "blue/copy.jpg")
    queue = opened(data)
    twin = next(row.sha256 for row in queue.looked().rows if row.file == "blue/03.jpg")
    decide(queue, [twin, item_of(queue, "blue/copy.jpg").id], Decision("merge"))
    assert queue.album.labels()["blue"] == EACH
    assert (data.images / "blue/03.jpg").exists()
    with pytest.raises(StudioError, match="is no duplicate"):
        decide(queue, [item_of(queue, WRONG).id], Decision("merge"))


def test_photos_that_somebody_put_into_one_sitting_are_no_duplicates(data: DataSettings) -> None:
    copied(data, "blue/03.jpg", "blue/copy.jpg")
    queue = opened(data)
    twin = next(row.sha256 for row in queue.looked().rows if row.file == "blue/03.jpg")
    step = decide(queue, [twin, item_of(queue, "blue/copy.jpg").id], Decision("group"))
    assert "near-duplicate" not in kinds(queue).get("blue/copy.jpg", set())
    queue.album.undo(step.step)
    assert "near-duplicate" in kinds(queue)["blue/copy.jpg"]


def test_a_duplicate_that_is_chosen_alone_goes_into_one_sitting_with_the_other(data: DataSettings) -> None:
    copied(data, "blue/03.jpg", "blue/copy.jpg")
    queue = opened(data)
    decide(queue, [item_of(queue, "blue/copy.jpg").id], Decision("group"))
    groups = {row.file: row.group for row in queue.album.rows()}
    assert groups["blue/copy.jpg"] == groups["blue/03.jpg"]
    with pytest.raises(StudioError, match="two photos"):
        decide(queue, [item_of(queue, WRONG).id], Decision("group"))


def test_what_was_kept_is_never_asked_again_unless_that_is_undone(data: DataSettings) -> None:
    queue = opened(data)
    step = decide(queue, [item_of(queue, WRONG).id], Decision("keep"))
    assert WRONG not in kinds(queue)
    assert WRONG not in kinds(opened(data))
    again = opened(data)
    again.album.undo(step.step)
    assert WRONG in kinds(again)


def test_a_photo_without_author_or_licence_is_asked_about_until_it_is_described(data: DataSettings) -> None:
    (data.images / "blue/new.jpg").write_bytes(picture("blue", 77))
    manifest.write(data.manifest, [*manifest.read(data.manifest), row_of(data.images, "blue/new.jpg")])
    queue = opened(data)
    assert "no author and no licence" in item_of(queue, "blue/new.jpg").why[-1].said
    step = decide(queue, [item_of(queue, "blue/new.jpg").id], Decision("describe", author="Ada", licence="CC0-1.0"))
    assert "unlicensed" not in kinds(queue).get("blue/new.jpg", set())
    queue.album.undo(step.step)
    assert "unlicensed" in kinds(queue)["blue/new.jpg"]


def test_a_blurred_photo_is_asked_about(data: DataSettings) -> None:
    soft = np.linspace(0, 255, SIZE * 2).astype(np.uint8)[None, :, None].repeat(SIZE * 2, 0).repeat(3, 2)
    Image.fromarray(soft).save(data.images / "blue/soft.jpg")
    manifest.write(data.manifest, [*manifest.read(data.manifest), row_of(data.images, "blue/soft.jpg")])
    assert "blurred" in kinds(opened(data))["blue/soft.jpg"]


@pytest.mark.parametrize(
    "decision",
    [Decision("relabel", label="blue"), Decision("remove", why="blurred"), Decision("describe", author="Grace")],
)
def test_many_photos_are_one_step_and_one_undo(data: DataSettings, decision: Decision) -> None:
    before, queue = everything(data), opened(data)
    ids = [row.sha256 for row in queue.looked().rows if row.label == "red"]
    step = decide(queue, ids, decision)
    assert len(step.changes) == EACH
    assert everything(data) != before
    queue.album.undo(step.step)
    assert everything(data) == before


def test_a_picture_that_was_sent_in_comes_first_and_becomes_a_photo(data: DataSettings) -> None:
    queue = opened(data)
    before, sha = everything(data), send(queue, 501)
    first = queue.items()[0]
    assert (first.id, first.row, first.why[0].kind) == (sha, None, "wrong")
    assert first.sent is not None
    assert (first.sent.model, first.sent.answer, first.sent.score) == ("4be1168f6996", "red", 0.9)
    step = decide(queue, [sha], Decision("relabel"))  # as it was said
    new = next(row for row in manifest.read(data.manifest) if row.kind == "captured")
    assert (new.label, new.author, new.licence) == ("blue", "Ada", "own")
    assert (data.images / new.file).read_bytes() == picture("blue", 501)
    assert sha not in {item.id for item in queue.items() if item.sent}
    queue.album.undo(step.step)
    assert everything(data) == before
    assert opened(data).items()[0].id == sha


def test_among_pictures_that_were_sent_in_the_more_surprising_comes_first(data: DataSettings) -> None:
    queue = opened(data)
    known, surprising = send(queue, 501), send(queue, 502, label="blue", shows="red")
    assert [item.id for item in queue.items()[:2]] == [surprising, known]


def test_a_picture_that_should_be_none_of_these_is_taken_in_as_that(data: DataSettings) -> None:
    queue = opened(data)
    decide(queue, [send(queue, 503, label="", shows="other")], Decision("relabel"))
    assert queue.album.labels()["other"] == EACH + 1


@pytest.mark.parametrize("action", ["remove", "keep"])
def test_a_picture_that_was_sent_in_can_be_dismissed_and_that_undone(data: DataSettings, action: str) -> None:
    queue = opened(data)
    before, sha = everything(data), send(queue, 504)
    step = decide(queue, [sha], Decision("remove" if action == "remove" else "keep"))
    assert sha not in kinds(opened(data))
    queue.album.undo(step.step)
    assert sha in kinds(opened(data))
    assert everything(data) == before


def test_what_makes_no_sense_for_a_picture_that_was_sent_in_is_refused(data: DataSettings) -> None:
    queue = opened(data)
    sha = send(queue, 505)
    for decision in (Decision("group"), Decision("describe", author="Ada"), Decision("merge")):
        with pytest.raises(StudioError, match="sent in and is no photo yet"):
            decide(queue, [sha], decision)


def feedback(folder: Path, name: str, data: bytes, at: datetime, label: str = "blue") -> None:
    folder.mkdir(exist_ok=True)
    (folder / f"{name}.jpg").write_bytes(data)
    told = {"at": at.isoformat(), "model": "4be1168f6996", "answer": None, "score": 0.4, "label": label}
    (folder / f"{name}.json").write_text(json.dumps(told))


def test_pulled_feedback_is_collapsed_by_burst_and_comes_once(data: DataSettings) -> None:
    folder, queue = Path("volume"), opened(data)
    shots = [picture("blue", 601), picture("blue", 601), picture("blue", 602), picture("blue", 603)]
    for number, (shot, seconds) in enumerate(zip(shots, (0, 1, 2, 3600), strict=True)):
        feedback(folder, f"{number}", shot, NOON + timedelta(seconds=seconds))
    new, problems = pull(folder, queue.inbox, set())
    assert not problems
    assert [each.at for each in new] == [NOON, NOON + timedelta(seconds=2), NOON + timedelta(seconds=3600)]
    assert new[0].group == new[1].group != new[2].group
    assert {(each.model, each.answer, each.score) for each in new} == {("4be1168f6996", None, 0.4)}
    assert len(queue.waiting()) == 3
    assert pull(folder, queue.inbox, set()) == ([], [])
    assert len(list(folder.iterdir())) == 8


def test_a_feedback_file_that_can_not_be_used_is_named_and_the_rest_comes(data: DataSettings) -> None:
    folder = Path("volume")
    feedback(folder, "good", picture("blue", 604), NOON)
    feedback(folder, "text", b"no picture", NOON)
    feedback(folder, "alone", picture("blue", 605), NOON)
    (folder / "alone.jpg").unlink()
    feedback(folder, "odd", picture("blue", 606), NOON)
    (folder / "odd.json").write_text("{}")
    new, problems = pull(folder, Inbox(Path("inbox"), SIZE), set())
    assert len(new) == 1
    assert [problem.split(":")[0] for problem in problems] == ["alone.json", "odd.json", "text.jpg"]
    with pytest.raises(DataError, match="no folder"):
        pull(Path("nowhere"), Inbox(Path("inbox"), SIZE), set())


def test_a_forgotten_picture_can_not_be_sent_in_or_pulled_again(data: DataSettings) -> None:
    queue = opened(data)
    sha = send(queue, 607)
    forgotten.append(data, [receipt(sha)])
    assert not queue.waiting()
    with pytest.raises(StudioError, match="forgotten"):
        send(queue, 607)
    feedback(Path("volume"), "again", picture("blue", 607), NOON)
    assert pull(Path("volume"), Inbox(Path("inbox"), SIZE), queue.album.forgotten()) == ([], [])


def table(path: Path, *rows: dict[str, str]) -> Path:
    with path.open("w", encoding="utf-8", newline="") as file:
        writer = csv.DictWriter(file, ["sha256", "file", "action", "label", "author", "licence", "why"], restval="")
        writer.writeheader()
        writer.writerows(rows)
    return path


def test_decisions_of_a_file_are_carried_out_equal_ones_as_one_step(data: DataSettings) -> None:
    queue = opened(data)
    steps = decisions.apply(
        queue,
        table(
            Path("decisions.csv"),
            {"file": WRONG, "action": "relabel", "label": "blue"},
            {"file": "red/01.jpg", "action": "describe", "author": "Grace"},
            {"file": "red/02.jpg", "action": "describe", "author": "Grace"},
            {"file": "red/03.jpg"},
            {"file": "red/04.jpg", "action": "remove", "why": "blurred"},
        ),
    )
    assert [(step.kind, len(step.changes)) for step in steps] == [("relabel", 1), ("describe", 2), ("remove", 1)]
    assert queue.album.labels() == {"blue": EACH + 1, "green": EACH, "other": EACH, "red": EACH - 2}


def test_a_file_with_a_bad_row_changes_nothing_and_names_each(data: DataSettings) -> None:
    before, queue = everything(data), opened(data)
    path = table(
        Path("decisions.csv"),
        {"file": WRONG, "action": "relabel", "label": "blue"},
        {"file": "red/gone.jpg", "action": "remove"},
        {"file": "red/01.jpg", "action": "burn"},
        {"file": "red/02.jpg", "action": "relabel", "label": "a/b"},
        {"file": WRONG, "action": "remove"},
        {"file": "red/03.jpg", "action": "describe"},
    )
    with pytest.raises(DataError) as refused:
        decisions.apply(queue, path)
    assert [line.strip().split(":")[0] for line in str(refused.value).splitlines()[1:]] == [
        "row 4", "row 6", "row 3", "row 5", "row 7"
    ]  # fmt: skip
    assert everything(data) == before
    assert len(queue.album.journal.steps) == 1


def test_a_batch_that_puts_labels_right_is_better_and_the_other_way_round_worse(data: DataSettings) -> None:
    queue = opened(data)
    chosen = [row.sha256 for row in queue.looked().rows if row.label == "green"][:8]
    bad = decide(queue, chosen, Decision("relabel", label="red"))
    assert compare.since(queue, bad.step).verdict == "worse"
    good = decide(queue, chosen, Decision("relabel", label="green"))
    assert compare.since(queue, good.step).verdict == "better"
    assert compare.since(queue, bad.step).verdict == "not proven"  # nothing is left of both together


def test_the_photos_before_a_step_are_told_from_the_journal(data: DataSettings) -> None:
    before, queue = manifest.read(data.manifest), opened(data)
    first = queue.album.relabel(["red/01.jpg", "red/02.jpg"], "blue")
    queue.album.remove(["blue/02-2.jpg", "green/01.jpg"])
    queue.album.describe(["blue/01-2.jpg"], "Grace")
    queue.album.teach("red", [picture("red", 700)], "Ada")
    rows = compare.rows_before(queue.album.journal, first.step, queue.album.rows())
    assert sorted(row.file for row, _ in rows) == sorted(row.file for row in before)
    assert {row for row, _ in rows} == set(before)


def test_a_thumbnail_is_made_once_and_only_for_a_photo(data: DataSettings) -> None:
    path = data.images / WRONG
    sha, small = thumbs.picture(path, 48)
    assert max(Image.open(io.BytesIO(small)).size) == 48
    made = thumbs.FOLDER / f"{sha}-48.jpg"
    made.write_bytes(b"kept")
    assert thumbs.picture(path, 48) == (sha, b"kept")
    assert thumbs.picture(path)[1] == path.read_bytes()
    ImageOps.mirror(Image.open(path)).save(data.images / "red/new.png")
    assert thumbs.picture(data.images / "red/new.png")[1].startswith(b"\xff\xd8\xff")
