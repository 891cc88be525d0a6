"""What the manifest promises: nothing that a person wrote is lost, and every photo has its row."""

import dataclasses
import errno
import unicodedata
from pathlib import Path
from typing import Any

import pytest

from pipeline.core.errors import DataError
from pipeline.data import manifest
from pipeline.data.__main__ import main
from pipeline.data.manifest import Row, source_of
from tests.photo_folder import PhotoFolder, encoded, picture

Capture = pytest.CaptureFixture[str]
KNOWN = Row(
    "art/lion.jpg", "art", "g1", "real", "gcompris", "3.1-2", "usr/x", "A. Dürer", "CC0-1.0", "00", 'says "Löwe", 1494'
)  # fmt: skip


@pytest.fixture
def photos(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> PhotoFolder:
    """One photo with a row that somebody wrote, and settings."""
    monkeypatch.chdir(tmp_path)
    folder = PhotoFolder(tmp_path)
    folder.put(KNOWN.file, encoded(picture(1)))
    manifest.write(folder.manifest, [KNOWN])
    folder.configure()
    return folder


def adopt() -> int:
    return main(["adopt"])


def test_what_is_written_is_read_and_written_again_to_the_same_bytes(tmp_path: Path) -> None:
    path = tmp_path / "data/manifest.csv"
    rows = [KNOWN, dataclasses.replace(KNOWN, file="art/two\u00a0words.jpg", notes="a\nline")]
    manifest.write(path, rows)
    before = path.read_bytes()
    assert manifest.read(path) == rows
    manifest.write(path, manifest.read(path))
    assert path.read_bytes() == before


def test_a_spreadsheet_s_byte_order_mark_is_no_part_of_the_first_column(tmp_path: Path) -> None:
    path = tmp_path / "manifest.csv"
    manifest.write(path, [KNOWN])
    path.write_bytes(b"\xef\xbb\xbf" + path.read_bytes())
    assert manifest.read(path) == [KNOWN]


def test_read_lists_everything_that_is_wrong(tmp_path: Path) -> None:
    path = tmp_path / "manifest.csv"
    bad = [dataclasses.replace(KNOWN, licence=" "), dataclasses.replace(KNOWN, file="../x.jpg", label="..")]
    manifest.write(path, bad)
    with pytest.raises(DataError, match=r"(?s)row 2: .*no licence.*row 3: .*'\.\./x\.jpg'"):
        manifest.read(path)


def test_a_photo_may_be_taken_in_the_page(tmp_path: Path) -> None:
    path = tmp_path / "manifest.csv"
    rows = [dataclasses.replace(KNOWN, kind="captured")]
    manifest.write(path, rows)
    assert manifest.read(path) == rows
    manifest.write(path, [dataclasses.replace(KNOWN, kind="painted")])
    with pytest.raises(DataError, match=r"'painted' .*none of real, rendered, captured"):
        manifest.read(path)


def test_the_source_is_the_package_or_unknown() -> None:
    other = dataclasses.replace(KNOWN, source_package="tuxpaint")
    own = dataclasses.replace(KNOWN, source_package="your photos")
    taken = dataclasses.replace(KNOWN, kind="captured")
    assert source_of([KNOWN, other, own, taken, KNOWN]) == ["gcompris", "tuxpaint", "", "", "gcompris"]


def test_packages_of_one_family_are_one_source() -> None:
    packages = ["wesnoth-1.16-data", "wesnoth-1.16-httt", "lomiri-wallpapers-16.04", "debian-history", "r-cran-x2"]
    sources = source_of([dataclasses.replace(KNOWN, source_package=package) for package in packages])
    assert sources == ["wesnoth", "wesnoth", "lomiri-wallpapers", "debian-history", "r-cran-x2"]


def test_one_source_alone_can_not_be_left_out() -> None:
    own = dataclasses.replace(KNOWN, source_package="your photos")
    assert source_of([KNOWN, own, KNOWN]) == ["", "", ""]
    assert source_of([]) == []


def test_adopting_adds_rows_that_say_what_is_unknown(photos: PhotoFolder, capsys: Capture) -> None:
    data = encoded(picture(2))
    photos.put("my mug/Küche im März (2).JPEG", data)
    assert adopt() == 0
    known, new = photos.rows()
    assert known == KNOWN
    assert (new.file, new.label, new.kind) == ("my mug/Küche im März (2).JPEG", "my mug", "real")
    assert (new.source_package, new.author, new.licence) == (
        "your photos",
        "unknown",
        "unknown (added by user)",
    )
    assert new.group == f"sha:{new.sha256_of_source[:16]}"
    said = capsys.readouterr().out
    assert "1 added:\n  my mug/Küche im März (2).JPEG" in said
    assert "Next: `make run`" in said


def test_adopting_makes_a_manifest_where_there_is_none(photos: PhotoFolder) -> None:
    photos.manifest.unlink()
    assert adopt() == 0
    assert [row.file for row in photos.rows()] == [KNOWN.file]


@pytest.mark.parametrize("name", ["a.jpg", "a.JPG", "a.jpeg", "a.png", "a.webp", "a.heic", "a.HEIF", "deep/er/a.jpg"])
def test_what_is_adopted(photos: PhotoFolder, name: str) -> None:
    photos.put(f"art/{name}", encoded(picture(2)))
    adopt()
    assert [row.file for row in photos.rows()] == [KNOWN.file, f"art/{name}"]


@pytest.mark.parametrize("name", ["art/.DS_Store", "art/._a.jpg", "art/Thumbs.db", "art/notes.txt", ".trash/a.jpg"])
def test_what_is_passed_over(photos: PhotoFolder, name: str) -> None:
    photos.put(name, b"x")
    adopt()
    assert photos.rows() == [KNOWN]


@pytest.mark.parametrize("name", ["a.jpg", "art/clip.gif", "art/line\nbreak.jpg", "a:b/c.jpg"])
def test_what_can_not_be_adopted_is_named(photos: PhotoFolder, capsys: Capture, name: str) -> None:
    photos.put(name, encoded(picture(2)))
    assert adopt() == 0
    assert photos.rows() == [KNOWN]
    said = capsys.readouterr().out
    assert "1 not adopted:" in said
    assert name.replace("\n", "\\n") in said


def test_adopting_again_changes_nothing(photos: PhotoFolder, capsys: Capture) -> None:
    photos.put("art/new.jpg", encoded(picture(2)))
    adopt()
    before = photos.manifest.stat()
    adopt()
    assert photos.manifest.stat() == before
    assert "nothing to do" in capsys.readouterr().out


def test_new_rows_come_last_in_the_order_of_their_names(photos: PhotoFolder) -> None:
    for name in ("b", "a"):
        photos.put(f"aaa/{name}.jpg", encoded(picture(ord(name))))
    adopt()
    assert [row.file for row in photos.rows()] == [KNOWN.file, "aaa/a.jpg", "aaa/b.jpg"]


def test_rows_of_deleted_photos_are_dropped_and_named(photos: PhotoFolder, capsys: Capture) -> None:
    photos.put("art/new.jpg", encoded(picture(2)))
    (photos.images / KNOWN.file).unlink()
    assert adopt() == 0
    assert [row.file for row in photos.rows()] == ["art/new.jpg"]
    assert "1 dropped, their files are gone:\n  art/lion.jpg" in capsys.readouterr().out


def test_a_photo_that_moves_to_another_label_keeps_its_author_and_licence(photos: PhotoFolder, capsys: Capture) -> None:
    (photos.images / "plant").mkdir()
    (photos.images / KNOWN.file).rename(photos.images / "plant/lion.jpg")
    assert adopt() == 0
    assert photos.rows() == [dataclasses.replace(KNOWN, file="plant/lion.jpg", label="plant")]
    said = capsys.readouterr().out
    assert "1 moved, with author and licence kept:\n  plant/lion.jpg" in said
    assert "dropped" not in said


def test_another_photo_of_the_same_name_is_no_move(photos: PhotoFolder) -> None:
    photos.put("art/IMG_1.jpg", encoded(picture(2)))
    adopt()
    (photos.images / "art/IMG_1.jpg").unlink()
    photos.put("plant/IMG_1.jpg", encoded(picture(3)))
    before = photos.rows()[1]
    adopt()
    assert photos.rows()[1].sha256_of_source != before.sha256_of_source


def test_a_name_is_the_same_in_both_spellings_of_its_accents(photos: PhotoFolder) -> None:
    composed, parts = (unicodedata.normalize(form, "art/Blüte.jpg") for form in ("NFC", "NFD"))
    row = dataclasses.replace(KNOWN, file=composed)
    photos.put(parts, encoded(picture(2)))
    manifest.write(photos.manifest, [KNOWN, row])
    adopt()
    assert photos.rows() == [KNOWN, row]


def test_no_photos_drop_no_rows(photos: PhotoFolder, capsys: Capture) -> None:
    before = photos.manifest.read_bytes()
    (photos.images / KNOWN.file).unlink()
    assert adopt() == 1
    assert "data/images holds no picture; put a folder" in capsys.readouterr().err
    assert photos.manifest.read_bytes() == before


def test_a_damaged_manifest_is_not_replaced(photos: PhotoFolder, capsys: Capture) -> None:
    photos.manifest.write_text("file,label\nart/lion.jpg,art\n", encoding="utf-8")
    before = photos.manifest.read_bytes()
    assert adopt() == 1
    assert "data/manifest.csv has no column group, kind" in capsys.readouterr().err
    assert photos.manifest.read_bytes() == before


def test_a_full_disk_leaves_the_old_manifest(
    photos: PhotoFolder, capsys: Capture, monkeypatch: pytest.MonkeyPatch
) -> None:
    def full(*_: Any) -> None:
        raise OSError(errno.ENOSPC, "No space left on device")

    photos.put("art/new.jpg", encoded(picture(2)))
    before = photos.state()
    monkeypatch.setattr(Path, "write_bytes", full)
    assert adopt() == 1
    assert "the disk is full: data/manifest.csv was not written" in capsys.readouterr().err
    assert photos.state() == before


def test_attribution_names_every_photo_with_its_author(photos: PhotoFolder) -> None:
    manifest.write(photos.manifest, [KNOWN, dataclasses.replace(KNOWN, file="art/x|y_z.jpg", licence="GPL-2+")])
    assert main(["attribution"]) == 0
    page = Path("ATTRIBUTION.md").read_text(encoding="utf-8")
    assert "Apache License 2.0" in page
    assert "| CC0-1.0 | 1 |\n| GPL-2+ | 1 |" in page
    assert "| art/lion.jpg | A. Dürer | gcompris 3.1-2 | usr/x |" in page
    assert r"| art/x\|y\_z.jpg |" in page


def test_attribution_is_the_same_in_any_order_of_rows(photos: PhotoFolder) -> None:
    rows = [
        KNOWN,
        dataclasses.replace(KNOWN, file="art/b.jpg"),
        dataclasses.replace(KNOWN, licence="A", file="art/c.jpg"),
    ]
    pages = []
    for order in (rows, rows[::-1]):
        manifest.write(photos.manifest, order)
        main(["attribution"])
        pages.append(Path("ATTRIBUTION.md").read_bytes())
    assert pages[0] == pages[1]


def test_attribution_check_fails_where_it_is_stale(photos: PhotoFolder, capsys: Capture) -> None:
    assert main(["attribution", "--check"]) == 1
    assert "run `python -m pipeline.data attribution`" in capsys.readouterr().err
    main(["attribution"])
    assert main(["attribution", "--check"]) == 0
    manifest.write(photos.manifest, [dataclasses.replace(KNOWN, author="somebody else")])
    assert main(["attribution", "--check"]) == 1
