"""Photos come and leave as whole steps, whatever happens in between."""

import io
from contextlib import suppress
from pathlib import Path

import numpy as np
import pytest
from PIL import Image

from pipeline.core import files
from pipeline.core.errors import DataError, StorageError
from pipeline.data import manifest
from pipeline.data.settings import DataSettings
from studio import album as module
from studio.album import Album
from studio.errors import NotFoundError, StudioError

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
    from pipeline.data.adoption import row_of

    manifest.write(settings.manifest, [row_of(images, "cup/a.jpg")])
    return settings


def opened(data: DataSettings) -> Album:
    return Album(data, SIZE, data.images.parent.parent / "staging")


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
    assert [row.file for row in rows] == [photo.file for photo in step.photos]
    assert {(row.group, row.kind, row.author, row.licence) for row in rows} == {
        (rows[0].group, "captured", "Ada", "own")
    }
    assert [(data.images / row.file).read_bytes() for row in rows] == [frame(1), frame(2), frame(3)]
    assert album.labels() == {"cup": 1, "mug": 3}


def test_near_identical_neighbours_and_dark_frames_are_left_out(data: DataSettings) -> None:
    dark = io.BytesIO()
    Image.new("RGB", (96, 96)).save(dark, "JPEG")
    step = opened(data).teach("mug", [dark.getvalue(), frame(1), frame(1), frame(2)], "Ada")
    assert len(step.photos) == 2
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
    album.undo(first.step, [first.photos[0].file])
    assert [photo.file for photo in album.journal.photos(first.step)] == [first.photos[1].file]
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


@pytest.mark.parametrize("point", range(8))
def test_a_crash_at_any_point_leaves_all_of_a_burst_or_none(
    data: DataSettings, point: int, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Each write, rename and append is a point at which the process may end."""
    before = everything(data)
    done = 0

    class KilledError(BaseException):
        pass

    def counted(real):  # type: ignore[no-untyped-def]
        def call(*args, **kwargs):  # type: ignore[no-untyped-def]
            nonlocal done
            if done == point:
                raise KilledError
            done += 1
            return real(*args, **kwargs)

        return call

    album = opened(data)
    with monkeypatch.context() as patch:
        patch.setattr(files, "write_bytes", counted(files.write_bytes))
        patch.setattr(module.os, "replace", counted(module.os.replace))
        patch.setattr(album.journal, "_write", counted(album.journal._write))
        patch.setattr(module.shutil, "rmtree", lambda *_, **__: None)
        with suppress(KilledError):
            album.teach("mug", [frame(1), frame(2)], "Ada")
    again = opened(data)
    if again.journal.steps:
        assert again.labels() == {"cup": 1, "mug": 2}
        assert not again.journal.unfinished()
        assert len(list((data.images / "mug").iterdir())) == 2
    else:
        assert everything(data) == before
    assert not again.staging.exists()


def test_a_full_disk_keeps_nothing(data: DataSettings, monkeypatch: pytest.MonkeyPatch) -> None:
    before = everything(data)
    album = opened(data)

    def full(path: Path, *_: object) -> None:
        raise StorageError(f"the disk is full: {path} was not written")

    monkeypatch.setattr(manifest, "write", full)
    with pytest.raises(StorageError, match="disk is full"):
        album.teach("mug", [frame(1)], "Ada")
    monkeypatch.undo()
    assert everything(data) == before
    assert opened(data).journal.steps == {}


def test_a_line_that_a_crash_cut_off_is_taken_away(data: DataSettings) -> None:
    album = opened(data)
    album.teach("mug", [frame(1)], "Ada")
    with album.journal.path.open("ab") as file:
        file.write(b'{"step":2,"at')
    assert list(opened(data).journal.steps) == [1]
    album.journal.path.write_bytes(b"nonsense\n" + album.journal.path.read_bytes())
    with pytest.raises(DataError, match="line 1"):
        opened(data)
