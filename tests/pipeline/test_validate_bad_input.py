"""Bad photos and bad manifests: one clear error with file and way out, data/ untouched, nothing half-written.

`PhotoFolder.refused` checks all of that but the words.
"""

import errno
import json
import os
import shutil
import subprocess
import sys
import unicodedata
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest

from tests.photo_folder import PhotoFolder, animation, encoded, huge_png, picture, seed

Capture = pytest.CaptureFixture[str]
ROOT = Path(__file__).parents[2]


@pytest.fixture
def photos(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> PhotoFolder:
    """Two labels of nine and eight photos, registered."""
    monkeypatch.chdir(tmp_path)
    folder = PhotoFolder(tmp_path)
    folder.fill({"art": 9, "plant": 8})
    folder.register()
    folder.configure()
    return folder


def reported() -> list[tuple[str, ...]]:
    """Kind and file of every error in the report, which is there although the stage failed."""
    facts = json.loads(Path("reports/validation.json").read_text(encoding="utf-8"))
    assert facts["ok"] is False
    assert Path("reports/validation.html").is_file()
    return [(f["kind"], *f["files"]) for f in facts["findings"] if f["severity"] == "error"]


@pytest.mark.parametrize(
    ("name", "data", "kind", "way_out"),
    [
        ("notes.jpg", b"this is a text file\n" * 50, "not_a_picture", "no picture that can be read"),
        ("empty.jpg", b"", "not_a_picture", "empty"),
        ("animated.gif", animation("GIF"), "unsupported_format", "save it as JPEG"),
        ("animated.jpg", animation("GIF"), "not_a_picture", "GIF"),
        ("animated.webp", animation("WEBP"), "animated", "use one frame"),
        ("huge.png", huge_png(), "too_many_pixels", "30000 x 30000 pixels, the limit is 50 million"),
        ("truncated.jpg", encoded(picture(1))[:3000], "damaged", "use an intact copy"),
        ("truncated.png", encoded(picture(1), "PNG")[:3000], "damaged", "use an intact copy"),
        ("scan.tiff", encoded(picture(1), "TIFF"), "unsupported_format", "save it as JPEG"),
    ],
)
def test_a_bad_picture(photos: PhotoFolder, capsys: Capture, name: str, data: bytes, kind: str, way_out: str) -> None:
    photos.put(f"art/{name}", data)
    photos.register()
    said = photos.refused(capsys)
    assert f"art/{name}: " in said
    assert way_out in said
    assert reported() == [(kind, f"art/{name}")]


def test_an_unreadable_picture(photos: PhotoFolder, capsys: Capture, monkeypatch: pytest.MonkeyPatch) -> None:
    read = Path.read_bytes

    def refuse(path: Path) -> bytes:
        if path.name == "003.jpg" and path.parent.name == "art" and not path.is_absolute():
            raise PermissionError(errno.EACCES, "Permission denied")  # root, as CI is, would be let through
        return read(path)

    monkeypatch.setattr(Path, "read_bytes", refuse)
    assert "art/003.jpg: Permission denied" in photos.refused(capsys)
    assert reported() == [("unreadable", "art/003.jpg")]


def test_everything_wrong_is_said_at_once(photos: PhotoFolder, capsys: Capture) -> None:
    photos.put("art/notes.jpg", b"text")
    photos.put("art/cut off.jpg", encoded(picture(1))[:3000])
    photos.put("plant/also art.jpg", encoded(picture(seed("art", 2))))
    photos.put("lonely/one.jpg", encoded(picture(700)))
    photos.register()
    photos.put("art/new.jpg", encoded(picture(701)))
    photos.put("beside.jpg", encoded(picture(702)))
    (photos.images / "void").mkdir()
    (photos.images / "plant/005.jpg").unlink()
    lines = photos.manifest.read_text(encoding="utf-8").replace("unknown (added by user)", "", 1)
    photos.manifest.write_text(lines, encoding="utf-8")
    said = photos.refused(capsys)
    assert set(reported()) == {
        ("not_a_picture", "art/notes.jpg"),
        ("damaged", "art/cut off.jpg"),
        ("label_conflict", "art/002.jpg", "plant/also art.jpg"),
        ("too_few_pictures", "lonely"),
        ("missing_row", "art/new.jpg"),
        ("no_label", "beside.jpg"),
        ("empty_label", "void"),
        ("missing_file", "plant/005.jpg"),
        ("no_licence", "art/000.jpg"),
    }
    for _, *files in reported():
        assert all(file in said for file in files)


def test_the_terminal_gets_a_few_and_the_report_all(photos: PhotoFolder, capsys: Capture) -> None:
    for index in range(12):
        photos.put(f"art/bad{index:02}.jpg", b"text")
    photos.register()
    said = photos.refused(capsys)
    assert said.count("art/bad") == 5
    assert "... and 7 more" in said
    assert "reports/validation.html" in said
    assert len(reported()) == 12


def test_an_old_split_does_not_outlive_a_failure_as_if_it_were_new(photos: PhotoFolder, capsys: Capture) -> None:
    assert photos.validate() == 0
    old = Path("build/split.csv").read_bytes()
    photos.put("art/bad.jpg", b"text")
    photos.register()
    assert photos.validate() == 1
    assert Path("build/split.csv").read_bytes() == old  # DVC removes it before it runs the stage


def test_a_folder_without_a_picture(photos: PhotoFolder, capsys: Capture) -> None:
    shutil.rmtree(photos.images)
    photos.images.mkdir()
    said = photos.refused(capsys)
    assert "data/images holds no picture; put a folder of photos for each label there" in said
    assert reported() == [("too_few_labels",)]


def test_no_folder_at_all(photos: PhotoFolder, capsys: Capture) -> None:
    shutil.rmtree(photos.images)
    assert "data/images is missing; `dvc pull data.dvc`" in photos.refused(capsys)


def test_an_empty_label(photos: PhotoFolder, capsys: Capture) -> None:
    (photos.images / "void").mkdir()
    assert "void/ holds no picture; put some there or delete the folder" in photos.refused(capsys)


def test_a_single_label(photos: PhotoFolder, capsys: Capture) -> None:
    shutil.rmtree(photos.images / "art")
    photos.fill({"other": 8})  # no label
    photos.register()
    assert "there is only 'plant'; add a folder of photos" in photos.refused(capsys)
    assert ("too_few_labels",) in reported()


def test_too_few_pictures_counts_no_copies(photos: PhotoFolder, capsys: Capture) -> None:
    photos.fill({"mug": 7})
    photos.put("mug/copy.jpg", (photos.images / "mug/003.jpg").read_bytes())
    photos.register()
    said = photos.refused(capsys)
    assert "mug/ has 7 different pictures (copies: 1), it needs 8; add photos" in said


def test_none_of_these_may_be_few(photos: PhotoFolder) -> None:
    photos.fill({"other": 2})
    photos.register()
    assert photos.validate() == 0


def test_the_same_picture_under_two_labels_in_other_bytes(photos: PhotoFolder, capsys: Capture) -> None:
    photos.put("art/lossless.png", encoded(picture(800), "PNG"))
    photos.put("plant/lossless.png", encoded(picture(800), "PNG", compress_level=1))
    photos.register()
    said = photos.refused(capsys)
    assert "the same picture under art and plant: art/lossless.png, plant/lossless.png; keep the right one" in said


def test_copies_of_one_picture_are_no_label(photos: PhotoFolder, capsys: Capture) -> None:
    for index in range(8):
        photos.put(f"mug/{index}.jpg", encoded(picture(900, (640, 480)), quality=60 + index))
    photos.register()
    assert "mug/ needs 3 independent groups of photos (to learn, to choose, to measure), it has 1" in photos.refused(
        capsys
    )


@pytest.mark.parametrize(
    "label", ["../x", "/etc", "..", ".hidden", "", " art", "a\tb", "a\x1b[31m", "C:\\x", "x" * 101]
)
def test_an_illegal_label_in_the_manifest(photos: PhotoFolder, capsys: Capture, label: str) -> None:
    with photos.manifest.open("a", encoding="utf-8", newline="") as file:
        file.write(f'"{label}/evil.jpg","{label}",g,real,p,1,s,a,CC0,h,\r\n')
    outside = photos.root / "x"
    said = photos.refused(capsys)
    assert "data/manifest.csv, row 19" in said
    assert "rename it" in said
    assert "\x1b" not in said
    assert not outside.exists()


@pytest.mark.parametrize("file", ["../../secret.jpg", "/etc/passwd", "art/../../x.jpg", "art//x.jpg", "x.jpg"])
def test_an_illegal_file_in_the_manifest(photos: PhotoFolder, capsys: Capture, file: str) -> None:
    with photos.manifest.open("a", encoding="utf-8", newline="") as stream:
        stream.write(f'"{file}",art,g,real,p,1,s,a,CC0,h,\r\n')
    assert repr(file) in photos.refused(capsys)
    assert {kind for kind, *_ in reported()} == {"illegal_name"}


def test_an_illegal_name_on_the_disk(photos: PhotoFolder, capsys: Capture) -> None:
    photos.put("art/two\nlines.jpg", encoded(picture(1000)))
    try:
        photos.put(os.fsdecode(b"art/latin-1-\xfc.jpg"), encoded(picture(1001)))
    except OSError:
        pytest.skip("this file system takes UTF-8 names only")
    photos.register()
    said = photos.refused(capsys)
    assert said.count("control characters or broken UTF-8; rename it") == 2


def test_one_name_in_two_spellings(photos: PhotoFolder, capsys: Capture) -> None:
    photos.put("art/Blüte.jpg", encoded(picture(1100)))
    photos.register()
    photos.put(unicodedata.normalize("NFD", "art/Blüte.jpg"), encoded(picture(1101)))
    if len(list((photos.images / "art").iterdir())) == 10:
        pytest.skip("this file system makes no difference")
    assert "spelt in two ways (NFC and NFD); rename one of them" in photos.refused(capsys)


def edit(change: Callable[[list[str]], Any]) -> Callable[[Path], None]:
    """Change the lines of a manifest."""

    def apply(path: Path) -> None:
        lines = path.read_text(encoding="utf-8").splitlines()
        changed = change(lines)
        path.write_text("\n".join(lines if changed is None else changed) + "\n", encoding="utf-8")

    return apply


@pytest.mark.parametrize(
    ("spoil", "says"),
    [
        (Path.unlink, "data/manifest.csv is missing; `python -m pipeline.data adopt`"),
        (lambda path: path.write_bytes(b""), "has no column file, label, group"),
        (lambda path: path.write_bytes(b"\xff\xfe\x00"), "is no CSV in UTF-8"),
        (edit(lambda lines: [line.replace("licence", "license") for line in lines]), "has no column licence"),
        (edit(lambda lines: lines.__setitem__(0, lines[0] + ",camera")), "has 'camera'"),
        (edit(lambda lines: lines.__setitem__(3, lines[3] + ',"open')), "is no CSV in UTF-8"),
        (edit(lambda lines: lines.__setitem__(3, lines[3] + ",surplus")), "row 4: 12 values for 11 columns"),
        (edit(lambda lines: lines.append(lines[1])), "'art/000.jpg' is there twice"),
        (
            edit(lambda lines: lines.__setitem__(1, lines[1].replace(",art,", ",plant,"))),
            "lies in another folder",
        ),
        (edit(lambda lines: lines.__setitem__(1, lines[1].replace(",real,", ",fake,"))), "kind 'fake'"),
    ],
)
def test_a_bad_manifest(photos: PhotoFolder, capsys: Capture, spoil: Callable[[Path], object], says: str) -> None:
    spoil(photos.manifest)
    said = photos.refused(capsys)
    assert says in said
    assert "data/manifest.csv" in said


def test_a_bad_manifest_hides_no_bad_picture(photos: PhotoFolder, capsys: Capture) -> None:
    photos.put("art/bad.jpg", b"text")
    photos.manifest.unlink()
    photos.refused(capsys)
    assert [kind for kind, *_ in reported()] == ["manifest_unusable", "not_a_picture"]


@pytest.mark.parametrize("name", ["measures", ".npz", "validation.json", "validation.html", "split.csv"])
def test_a_full_disk(photos: PhotoFolder, capsys: Capture, monkeypatch: pytest.MonkeyPatch, name: str) -> None:
    written = Path.write_bytes

    def full(path: Path, data: bytes) -> int:
        if name in path.name:
            written(path, data[: len(data) // 2])
            raise OSError(errno.ENOSPC, "No space left on device")
        return written(path, data)

    monkeypatch.setattr(Path, "write_bytes", full)
    said = photos.refused(capsys)
    assert "the disk is full" in said
    assert name in said


def test_the_program_itself_fails_with_status_1_and_one_error(photos: PhotoFolder) -> None:
    photos.put("art/huge.png", huge_png())
    photos.register()
    before = photos.state()
    done = subprocess.run(
        [sys.executable, "-m", "pipeline.validate"],
        cwd=photos.root,
        env=os.environ | {"PYTHONPATH": str(ROOT)},
        capture_output=True,
        text=True,
        check=False,
    )
    assert done.returncode == 1
    assert done.stderr.startswith("error: the photos can't be used as they are (errors: 1)")
    assert "art/huge.png" in done.stderr
    assert photos.state() == before
