"""Photos come and leave as whole steps, whatever happens in between."""

import io
import os
import re
import shutil
from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from PIL import Image

from pipeline.core.errors import DataError, StorageError
from pipeline.data import forgotten, manifest
from pipeline.data.adoption import row_of
from pipeline.data.settings import DataSettings
from studio.album import Album
from studio.errors import BusyError, NotFoundError, StudioError
from studio.journal import Done, Step
from tests.studio.conftest import receipt

SIZE = 64


def frame(seed: int, side: int = 96) -> bytes:
    coarse = np.random.default_rng(seed).integers(0, 256, (6, 6, 3), np.uint8)
    buffer = io.BytesIO()
    Image.fromarray(coarse).resize((side, side)).save(buffer, "JPEG", quality=92)
    return buffer.getvalue()


@pytest.fixture
def data(tmp_path: Path) -> DataSettings:
    images = tmp_path / "data/images"
    (images / "cup").mkdir(parents=True)
    (images / "cup/a.jpg").write_bytes(frame(0))
    settings = DataSettings(images=images, manifest=tmp_path / "data/manifest.csv", ood_label="other")
    manifest.write(settings.manifest, [row_of(images, "cup/a.jpg")])
    return settings


def opened(data: DataSettings) -> Album:
    return Album(data, SIZE, data.images.parent.parent / ".studio/staging")


def files_of(step: Step) -> list[str]:
    return [change.after.file for change in step.changes if change.after]


def row(data: DataSettings, file: str) -> manifest.Row:
    return next(each for each in manifest.read(data.manifest) if each.file == file)


def everything(data: DataSettings) -> dict[str, bytes]:
    root = data.images.parent
    return {
        str(p.relative_to(root)): p.read_bytes()
        for p in sorted(root.rglob("*"))
        if p.is_file() and p.name != "edits.jsonl"
    }


def test_a_burst_becomes_photos_with_rows_of_one_group(data: DataSettings) -> None:
    album = opened(data)
    step = album.teach("mug", [frame(1), frame(2), frame(3)], "Ada")
    rows = [row for row in manifest.read(data.manifest) if row.label == "mug"]
    assert [row.file for row in rows] == files_of(step)
    assert {(row.group, row.kind, row.author, row.licence) for row in rows} == {
        (rows[0].group, "captured", "Ada", "own")
    }
    assert [(data.images / row.file).read_bytes() for row in rows] == [frame(1), frame(2), frame(3)]
    assert album.labels() == {"cup": 1, "mug": 3}


def test_a_frame_like_one_shortly_before_is_left_out_also_when_another_came_between(data: DataSettings) -> None:
    step = opened(data).teach("mug", [frame(1), frame(2), frame(1), frame(2), frame(3)], "Ada")
    assert step.sent == (0, 1, 4)


def test_near_identical_neighbours_and_dark_frames_are_left_out(data: DataSettings) -> None:
    dark = io.BytesIO()
    Image.new("RGB", (96, 96)).save(dark, "JPEG")
    step = opened(data).teach("mug", [dark.getvalue(), frame(1), frame(1), frame(2)], "Ada")
    assert len(step.changes) == 2
    assert step.sent == (1, 3)
    with pytest.raises(StudioError, match="lens covered"):
        opened(data).teach("mug", [dark.getvalue()], "Ada")


def test_undo_brings_every_byte_back(data: DataSettings) -> None:
    before = everything(data)
    album = opened(data)
    first = album.teach("mug", [frame(1), frame(2)], "Ada")
    middle = everything(data)
    second = album.teach("cup", [frame(3)], "Ada")
    album.undo(second.step)
    assert everything(data) == middle
    album.undo(first.step, [files_of(first)[0]])
    assert album.journal.standing(first.step) == (files_of(first)[1],)
    album.undo(first.step)
    assert everything(data) == before
    with pytest.raises(NotFoundError):
        album.undo(first.step)


@pytest.mark.parametrize("label", ["", ".x", "a/b", "a\nb", "Cup"])
def test_a_label_that_can_not_be_used_is_refused(data: DataSettings, label: str) -> None:
    before = everything(data)
    with pytest.raises(StudioError):
        opened(data).teach(label, [frame(1)], "Ada")
    assert everything(data) == before


ACTIONS: dict[str, Callable[[Album], Step]] = {
    "teach": lambda album: album.teach("mug", [frame(1), frame(2)], "Ada"),
    "relabel": lambda album: album.relabel(["cup/a.jpg", "cup/b.jpg"], "mug"),
    "remove": lambda album: album.remove(["cup/a.jpg", "cup/b.jpg"]),
    "describe": lambda album: album.describe(["cup/a.jpg", "cup/b.jpg"], licence="CC0"),
    "group": lambda album: album.group(["cup/a.jpg", "cup/b.jpg"]),
    "undo": lambda album: album.undo(1),
}


@pytest.mark.parametrize("action", ACTIONS)
def test_a_crash_at_any_point_leaves_all_of_a_step_or_none(
    data: DataSettings, action: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Each write, rename and append is a point at which the process may end."""
    (data.images / "cup/b.jpg").write_bytes(frame(9))
    manifest.write(data.manifest, [row_of(data.images, f"cup/{name}.jpg") for name in "ab"])
    if action == "undo":
        opened(data).remove(["cup/a.jpg", "cup/b.jpg"])
    root, saved = data.images.parent.parent, data.images.parent.parent.parent / f"saved-{action}"
    shutil.copytree(root, saved)
    before = everything(data)
    ACTIONS[action](opened(data))
    after = everything(data)
    seen = set()

    class KilledError(BaseException):
        pass

    def killed(point: int) -> bool:
        done = 0

        def counted(real: Callable[..., Any]) -> Callable[..., Any]:
            def call(*args: Any, **kwargs: Any) -> Any:
                nonlocal done
                if done == point:
                    raise KilledError
                done += 1
                return real(*args, **kwargs)

            return call

        album = opened(data)
        with monkeypatch.context() as patch:
            patch.setattr(os, "replace", counted(os.replace))
            patch.setattr(Path, "replace", counted(Path.replace))
            patch.setattr(album.journal, "_write", counted(album.journal._write))
            patch.setattr(album.store, "clear", lambda: None)
            try:
                ACTIONS[action](album)
            except KilledError:
                return True
        return False

    for point in range(30):
        shutil.rmtree(root)
        shutil.copytree(saved, root)
        was_killed = killed(point)
        again = opened(data)
        now = timeless(everything(data))
        assert now in (timeless(before), timeless(after)), f"half a step after point {point}"
        assert not again.journal.unfinished()
        assert not again.store.staging.exists()
        seen.add(now == timeless(after))
        if not was_killed:
            break
    assert seen == {True, False}
    assert not was_killed


def timeless(found: dict[str, bytes]) -> dict[str, bytes]:
    """Without the times that names and notes of captures hold."""

    def without(text: bytes) -> bytes:
        return re.sub(rb"\d{8}-\d{6}|taken [^\r]*", b"T", text)

    return {
        without(name.encode()).decode(): without(data) if name == "manifest.csv" else data
        for name, data in found.items()
    }


@pytest.mark.parametrize("action", ACTIONS)
@pytest.mark.parametrize("full", ["journal", "manifest"])
def test_a_full_disk_leaves_everything_as_it_was(
    data: DataSettings, action: str, full: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    (data.images / "cup/b.jpg").write_bytes(frame(9))
    manifest.write(data.manifest, [row_of(data.images, f"cup/{name}.jpg") for name in "ab"])
    album = opened(data)
    first = album.remove(["cup/a.jpg"]) if action == "undo" else album.settle({"0" * 64: ["outlier"]})
    before = everything(data)

    def refuse(*_: object) -> None:
        raise StorageError("the disk is full")

    with monkeypatch.context() as patch:
        target, name = (manifest, "write") if full == "manifest" else (album.journal, "_write")
        patch.setattr(target, name, refuse)
        with pytest.raises(StorageError, match="disk is full"):
            ACTIONS[action](album)
    assert everything(data) == before
    assert list(album.journal.steps) == list(opened(data).journal.steps) == [first.step]
    ACTIONS[action](album)
    assert everything(data) != before


def test_a_step_whose_end_could_not_be_noted_counts_and_is_not_done_twice(
    data: DataSettings, monkeypatch: pytest.MonkeyPatch
) -> None:
    album = opened(data)
    write = album.journal._write

    def full(line: object) -> None:
        if isinstance(line, Done):
            raise StorageError("the disk is full")
        write(line)  # type: ignore[arg-type]

    with monkeypatch.context() as patch:
        patch.setattr(album.journal, "_write", full)
        first = album.relabel(["cup/a.jpg"], "mug")
    album.undo(first.step)
    assert album.labels() == opened(data).labels() == {"cup": 1}


EDITS: dict[str, Callable[[Album], Step]] = {
    "relabel": lambda album: album.relabel(["cup/a.jpg"], "mug"),
    "remove": lambda album: album.remove(["cup/a.jpg"], "blurred"),
    "describe": lambda album: album.describe(["cup/a.jpg"], author="Ada", licence="CC0"),
    "group": lambda album: album.group(["cup/a.jpg", "cup/c.jpg"]),
    "teach": lambda album: album.teach("mug", [frame(5)], "Ada"),
}


@pytest.fixture
def three(data: DataSettings) -> DataSettings:
    for number, name in enumerate("bc", start=20):
        (data.images / f"cup/{name}.jpg").write_bytes(frame(number))
    manifest.write(data.manifest, [row_of(data.images, f"cup/{name}.jpg") for name in "abc"])
    return data


@pytest.mark.parametrize("edit", EDITS)
def test_each_action_its_undo_and_the_undo_of_that_give_the_same_bytes(three: DataSettings, edit: str) -> None:
    before = everything(three)
    album = opened(three)
    step = EDITS[edit](album)
    after = everything(three)
    assert after != before
    undone = album.undo(step.step)
    assert everything(three) == before
    assert opened(three).journal.standing(step.step) == ()
    again = opened(three).undo(undone.step)
    assert everything(three) == after
    assert opened(three).journal.standing(step.step)
    opened(three).undo(again.step)
    assert everything(three) == before


def test_a_photo_that_is_removed_waits_outside_the_photos_under_its_hash(data: DataSettings) -> None:
    album = opened(data)
    step = album.remove(["cup/a.jpg"])
    assert (album.store.removed / step.changes[0].sha256).read_bytes() == frame(0)
    assert not (data.images / "cup").exists()


def test_equal_photos_that_left_together_come_back_apart(three: DataSettings) -> None:
    (three.images / "cup/b.jpg").write_bytes(frame(0))
    before = everything(three)
    album = opened(three)
    step = album.remove(["cup/a.jpg", "cup/b.jpg"])
    album.undo(step.step, ["cup/b.jpg"])
    assert (three.images / "cup/b.jpg").read_bytes() == frame(0)
    album.undo(step.step)
    assert {name: data for name, data in everything(three).items() if name != "manifest.csv"} == {
        name: data for name, data in before.items() if name != "manifest.csv"
    }
    assert len(manifest.read(three.manifest)) == 3


def test_an_undo_leaves_what_later_steps_did(three: DataSettings) -> None:
    album = opened(three)
    taught = album.teach("mug", [frame(1), frame(2), frame(3)], "Ada")
    one, two, _ = files_of(taught)
    moved = album.relabel([one], "cup")
    album.remove([two])
    undone = album.undo(taught.step)
    assert undone.why == "not undone: 2 changed by later steps"
    assert album.labels() == {"cup": 4}
    with pytest.raises(NotFoundError, match="2 changed by later steps"):
        album.undo(taught.step)
    album.undo(moved.step)
    album.undo(taught.step)
    assert album.labels() == {"cup": 3}


def test_the_undo_of_a_description_keeps_the_label_that_came_later(three: DataSettings) -> None:
    album = opened(three)
    described = album.describe(["cup/a.jpg", "cup/b.jpg"], author="Ada", licence="CC0")
    moved = album.relabel(["cup/a.jpg"], "mug")
    album.describe(["cup/b.jpg"], author="Grace")
    album.undo(described.step)
    assert (row(three, "mug/a.jpg").author, row(three, "mug/a.jpg").licence) == ("unknown", "unknown (added by user)")
    assert (row(three, "cup/b.jpg").author, row(three, "cup/b.jpg").licence) == ("Grace", "unknown (added by user)")
    album.undo(moved.step)
    assert row(three, "cup/a.jpg").author == "unknown"


def test_a_photo_keeps_clear_of_another_with_its_name(three: DataSettings) -> None:
    (three.images / "mug").mkdir()
    (three.images / "mug/A.jpg").write_bytes(frame(30))
    (three.images / "mug/b.jpg").write_bytes(frame(31))  # has no row
    manifest.write(three.manifest, [*manifest.read(three.manifest), row_of(three.images, "mug/A.jpg")])
    before = everything(three)
    album = opened(three)
    step = album.relabel(["cup/a.jpg", "cup/b.jpg"], "mug")
    assert files_of(step) == ["mug/a-2.jpg", "mug/b-2.jpg"]
    album.undo(step.step)
    assert everything(three) == before


def test_a_photo_that_was_edited_on_the_disk_comes_back_as_it_was_edited(data: DataSettings) -> None:
    album = opened(data)
    step = album.teach("mug", [frame(1)], "Ada")
    (data.images / files_of(step)[0]).write_bytes(frame(2))
    undone = album.undo(step.step)
    album.undo(undone.step)
    assert (data.images / files_of(step)[0]).read_bytes() == frame(2)


def test_what_somebody_deleted_by_hand_is_said_and_the_rest_undone(data: DataSettings) -> None:
    album = opened(data)
    step = album.teach("mug", [frame(1), frame(2)], "Ada")
    (data.images / files_of(step)[0]).unlink()
    manifest.write(data.manifest, [each for each in manifest.read(data.manifest) if each.file != files_of(step)[0]])
    assert album.undo(step.step).why == "not undone: 1 not there any more"
    assert album.labels() == {"cup": 1}


def test_a_forgotten_photo_can_not_come_back(data: DataSettings) -> None:
    album = opened(data)
    taught = album.teach("mug", [frame(1), frame(2)], "Ada")
    removed = album.remove(files_of(taught))
    forgotten.append(data, [receipt(taught.changes[0].sha256)])
    with pytest.raises(StudioError, match="picture 2 was forgotten"):
        album.teach("mug", [frame(3), frame(1)], "Ada")
    assert album.undo(removed.step).why == "not undone: 1 forgotten"
    assert album.labels() == {"cup": 1, "mug": 1}


def test_what_was_settled_stays_settled_until_that_is_undone(data: DataSettings) -> None:
    flag = ("0" * 64, "outlier")
    step = opened(data).settle({flag[0]: [flag[1]]})
    album = opened(data)
    assert album.journal.settled() == {flag}
    album.undo(step.step)
    assert opened(data).journal.settled() == set()


def test_a_keep_is_a_step_without_photos(data: DataSettings) -> None:
    album = opened(data)
    keep = album.journal.append_keep()
    album.journal.append_rollback(keep.step, "07a5c4206b14")
    assert [album.journal.said(step) for step in opened(data).journal.steps] == [
        "kept",
        "went back to model 07a5c4206b14",
    ]
    with pytest.raises(NotFoundError):
        album.undo(keep.step)


def test_a_command_beside_the_studio_is_noticed_and_nothing_is_numbered_twice(three: DataSettings) -> None:
    studio, command = opened(three), opened(three)
    command.remove(["cup/a.jpg"])
    with pytest.raises(BusyError, match="another program"):
        studio.relabel(["cup/b.jpg"], "mug")
    studio.relabel(["cup/b.jpg"], "mug")
    assert [step.kind for step in opened(three).journal.steps.values()] == ["remove", "relabel"]


def test_an_action_that_can_not_be_done_changes_nothing(three: DataSettings) -> None:
    before = everything(three)
    album = opened(three)
    actions: list[Callable[[], Step]] = [
        lambda: album.relabel(["cup/a.jpg", "cup/gone.jpg"], "mug"),
        lambda: album.relabel(["cup/a.jpg"], "cup"),
        lambda: album.relabel(["cup/a.jpg"], "CUP"),
        lambda: album.remove([]),
        lambda: album.describe(["cup/a.jpg"], author=" "),
    ]
    for refused in actions:
        with pytest.raises(StudioError):
            refused()
    assert everything(three) == before
    assert not album.journal.steps


def test_a_line_that_a_crash_cut_off_is_taken_away(data: DataSettings) -> None:
    album = opened(data)
    album.teach("mug", [frame(1)], "Ada")
    with album.journal.path.open("ab") as file:
        file.write(b'{"step":2,"at')
    assert list(opened(data).journal.steps) == [1]
    album.journal.path.write_bytes(b"nonsense\n" + album.journal.path.read_bytes())
    with pytest.raises(DataError, match="line 1"):
        opened(data)
