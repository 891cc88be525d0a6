"""What validate promises: a sound set passes with a report and a split, and the same photos always give the same."""

import csv
import json
import re
from collections import Counter
from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest
from numpy.typing import NDArray
from PIL import Image, ImageOps
from sklearn.datasets import load_sample_image

from pipeline.data import manifest
from pipeline.data.split import read_split
from pipeline.validate import inspection
from pipeline.validate.stage import MOST_CLOSEST
from tests.photo_folder import PhotoFolder, encoded, picture, seed

SPLIT = Path("build/split.csv")
REPORT, PAGE = Path("reports/validation.json"), Path("reports/validation.html")


@pytest.fixture
def photos(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> PhotoFolder:
    """Two labels of ten photos each, registered."""
    monkeypatch.chdir(tmp_path)
    folder = PhotoFolder(tmp_path)
    folder.fill({"art": 10, "plant": 10})
    folder.register()
    folder.configure()
    return folder


def sides(*files: str) -> set[str]:
    return {row.split for row in read_split(SPLIT) if row.file in files}


def kinds() -> list[str]:
    return [finding["kind"] for finding in json.loads(REPORT.read_text(encoding="utf-8"))["findings"]]


def test_a_sound_set_gets_a_split_and_both_reports(photos: PhotoFolder) -> None:
    before = photos.state()
    assert photos.validate() == 0
    rows = read_split(SPLIT)
    assert {row.file for row in rows} == {row.file for row in photos.rows()}
    assert {(row.label, row.split) for row in rows} == {
        (label, side) for label in ("art", "plant") for side in ("train", "valid", "test")
    }
    facts = json.loads(REPORT.read_text(encoding="utf-8"))
    assert (facts["ok"], facts["pictures"], facts["labels"]) == (True, 20, {"art": 10, "plant": 10})
    assert photos.state() == before
    assert photos.leftovers() == []


def test_eight_photos_a_label_are_enough(photos: PhotoFolder) -> None:
    photos.fill({"mug": 8})
    photos.register()
    assert photos.validate() == 0
    mug = [row.split for row in read_split(SPLIT) if row.label == "mug"]
    assert set(mug) == {"train", "valid", "test"}
    assert mug.count("train") >= 4


def test_the_same_photos_give_the_same_bytes(photos: PhotoFolder) -> None:
    outputs = []
    for _ in range(2):
        assert photos.validate() == 0
        outputs.append([path.read_bytes() for path in (SPLIT, REPORT, PAGE)])
    assert outputs[0] == outputs[1]


def test_one_new_photo_costs_one_decoding(photos: PhotoFolder, monkeypatch: pytest.MonkeyPatch) -> None:
    assert photos.validate() == 0
    before = PAGE.read_bytes()
    decoded: list[str] = []

    def counted(values: NDArray[np.uint8]) -> float:
        decoded.append("one")
        return measured(values)

    measured = inspection._sharpness
    monkeypatch.setattr(inspection, "_sharpness", counted)
    photos.put("art/new.jpg", encoded(picture(3000)))
    photos.register()
    assert photos.validate() == 0
    assert len(decoded) == 1
    (photos.images / "art/new.jpg").unlink()
    photos.register()
    assert photos.validate() == 0
    assert len(decoded) == 1
    assert PAGE.read_bytes() == before


@pytest.mark.parametrize("text", ["", "[1]", '{"00": {"sha256": 1}}'])
def test_damaged_measures_are_made_anew(photos: PhotoFolder, text: str) -> None:
    assert photos.validate() == 0
    (cache,) = Path("build/features").glob("measures-*.json")
    before = cache.read_bytes()
    cache.write_text(text)
    assert photos.validate() == 0
    assert cache.read_bytes() == before


@pytest.mark.parametrize(
    ("name", "data"),
    [
        ("cmyk.jpg", encoded(picture(1).convert("CMYK"))),
        (
            "16-bit.png",
            encoded(Image.fromarray(np.asarray(picture(2))[..., 0].astype(np.uint16) * 257), "PNG"),
        ),
        ("grey.jpg", encoded(picture(3).convert("L"))),
        ("palette.png", encoded(picture(4).convert("P"), "PNG")),
        ("alpha.webp", encoded(picture(5).convert("RGBA"), "WEBP")),
        ("phone.heic", None),
        ("Blüten im März.JPG", encoded(picture(6))),
        ("Blu\u0308te (NFD).jpeg", encoded(picture(7))),
    ],
)
def test_what_cameras_and_people_make_is_taken(photos: PhotoFolder, name: str, data: bytes | None) -> None:
    photos.put(f"plant/{name}", data or encoded(picture(8), "HEIF"))
    photos.register()
    assert photos.validate() == 0
    assert f"plant/{name}" in {row.file for row in read_split(SPLIT)}


def test_a_rotated_photo_is_measured_upright(photos: PhotoFolder) -> None:
    exif = Image.Exif()
    exif[0x0112] = 6  # turn clockwise by 90 degrees to look at it
    photos.put("plant/upright.jpg", encoded(picture(99), quality=95))
    photos.put("plant/turned.jpg", encoded(picture(99).transpose(Image.Transpose.ROTATE_90), exif=exif, quality=95))
    photos.register()
    assert photos.validate() == 0
    assert kinds() == ["near_duplicate"]


def test_warnings_do_not_fail_and_name_their_file(photos: PhotoFolder) -> None:
    sharp = picture(50, (640, 480))
    photos.put("art/tiny.jpg", encoded(picture(51, (40, 30))))
    photos.put("art/blurred.jpg", encoded(sharp.resize((20, 15)).resize((640, 480), Image.Resampling.BICUBIC)))
    photos.put("art/dark.jpg", encoded(picture(53).point(lambda value: value // 8)))
    photos.put("art/bright.jpg", encoded(picture(52).point(lambda value: 200 + value // 5)))
    photos.put("art/flat.jpg", encoded(Image.new("RGB", (200, 200), (90, 120, 60))))
    photos.register()
    photos.put("art/notes.txt", b"taken in March")
    photos.put("art/.DS_Store", b"")
    photos.put("art/Thumbs.db", b"")
    assert photos.validate() == 0
    findings = json.loads(REPORT.read_text(encoding="utf-8"))["findings"]
    assert {(f["kind"], f["severity"], *f["files"]) for f in findings} == {
        ("stray_file", "warning", "art/notes.txt"),
        ("tiny", "warning", "art/tiny.jpg"),
        ("blurred", "warning", "art/blurred.jpg"),
        ("dark", "warning", "art/dark.jpg"),
        ("bright", "warning", "art/bright.jpg"),
        ("flat", "warning", "art/flat.jpg"),
    }


def test_copies_and_near_copies_stay_on_one_side(photos: PhotoFolder) -> None:
    original = picture(77, (640, 480))
    photos.put("art/original.jpg", encoded(original))
    photos.put("art/copy.jpg", encoded(original))
    photos.put("art/small.png", encoded(original.resize((320, 240)), "PNG"))
    photos.put("art/cut.jpg", encoded(original.crop((4, 4, 636, 476)), quality=60))
    photos.register()
    assert photos.validate() == 0
    assert kinds() == ["duplicate", "near_duplicate"]
    files = ("art/original.jpg", "art/copy.jpg", "art/small.png", "art/cut.jpg")
    assert len(sides(*files)) == 1
    assert len({row.group for row in read_split(SPLIT) if row.file in files}) == 1


def test_a_burst_stays_on_one_side(photos: PhotoFolder) -> None:
    for index in range(6):
        exif = Image.Exif()
        exif[0x0110] = "Pocket 3"
        exif.get_ifd(0x8769)[0x9003] = f"2026:03:01 12:00:{8 * index:02}"
        photos.put(f"art/exif{index}.jpg", encoded(picture(200 + index), exif=exif))
        photos.put(f"plant/PXL_20260301_1300{8 * index:02}123.jpg", encoded(picture(300 + index)))
    photos.register()
    assert photos.validate() == 0
    groups = {row.file: row.group for row in read_split(SPLIT)}
    assert len({group for file, group in groups.items() if "exif" in file}) == 1
    assert len({group for file, group in groups.items() if "PXL" in file}) == 1
    assert len(set(groups.values())) == 22


def views(number: int) -> list[Image.Image]:
    """A photo as a hand-held camera sees it ``number`` times."""
    photo = Image.fromarray(load_sample_image("china.jpg"))  # 640 x 427
    random = np.random.default_rng(1)
    corners = random.integers(0, (128, 85), (number, 2)).tolist()
    return [photo.crop((x, y, x + 512, y + 342)).rotate(int(random.integers(-5, 6))) for x, y in corners]


def parts() -> list[Image.Image]:
    """The same photo cut into twelve: nothing in two of them is the same."""
    photo = Image.fromarray(load_sample_image("china.jpg"))
    return [photo.crop((x, y, x + 160, y + 140)) for x in range(0, 640, 160) for y in range(0, 420, 140)]


def describe(photos: PhotoFolder, *labels: str) -> None:
    """Write into the manifest that each photo of ``labels`` is a group of its own."""
    rows = [replace(row, group=row.file) if row.label in labels else row for row in photos.rows()]
    manifest.write(photos.manifest, rows)


def test_photos_of_one_sitting_count_as_one_group_and_validate_says_so(photos: PhotoFolder) -> None:
    for index, photo in enumerate(views(6)):
        photos.put(f"roof/IMG_{8 + index}.jpg", encoded(photo))
    for index, photo in enumerate(parts()):
        photos.put(f"roof/part {index}.jpg", encoded(photo))
    photos.register()
    describe(photos, "art", "plant")
    ignored = dict.fromkeys(("bright", "flat", "near_duplicate"), "ignore")
    photos.configure(size=224, sitting_similarity=0.75, severity=ignored)
    assert photos.validate() == 0
    groups = [row.group for row in read_split(SPLIT) if row.label == "roof"]
    assert sorted(Counter(groups).values()) == [1] * 12 + [6]
    (finding,) = json.loads(REPORT.read_text(encoding="utf-8"))["findings"]
    assert (finding["kind"], finding["severity"]) == ("sitting", "warning")
    assert set(finding["files"]) == {f"roof/IMG_{8 + index}.jpg" for index in range(6)}
    describe(photos, "art", "plant", "roof")
    assert photos.validate() == 0
    assert kinds() == []


def test_a_label_of_one_sitting_is_divided_with_a_warning(photos: PhotoFolder) -> None:
    for index, photo in enumerate(views(8)):
        photos.put(f"mug/{index}.jpg", encoded(photo))
    photos.register()
    describe(photos, "art", "plant")
    photos.configure(size=224, sitting_similarity=0.75, near_duplicate_similarity=0.94)
    assert photos.validate() == 0
    assert "one_burst" in kinds()
    assert {row.split for row in read_split(SPLIT) if row.label == "mug"} == {"train", "valid", "test"}


def test_a_mirrored_copy_stays_on_the_side_of_its_original(photos: PhotoFolder) -> None:
    for index, photo in enumerate(parts()):
        photos.put(f"roof/{index}.jpg", encoded(photo))
    photos.put("other/turned.jpg", encoded(ImageOps.mirror(parts()[4])))
    photos.register()
    photos.configure(size=224, near_duplicate_similarity=0.9, severity={"near_duplicate": "ignore"})
    describe(photos, "art")
    assert photos.validate() == 0
    findings = json.loads(REPORT.read_text(encoding="utf-8"))["findings"]
    assert [(f["kind"], sorted(f["files"])) for f in findings if "roof/4.jpg" in f["files"]] == [
        ("near_label_conflict", ["other/turned.jpg", "roof/4.jpg"])
    ]
    assert len(sides("other/turned.jpg", "roof/4.jpg")) == 1


def test_a_label_photographed_in_one_go_is_divided_with_a_warning(photos: PhotoFolder) -> None:
    for index in range(8):
        photos.put(f"mug/IMG_20260301_12000{index}.jpg", encoded(picture(400 + index)))
    photos.register()
    assert photos.validate() == 0
    assert kinds() == ["one_burst"]
    assert {row.split for row in read_split(SPLIT) if row.label == "mug"} == {"train", "valid", "test"}


def test_severities_stand_in_conf(photos: PhotoFolder, capsys: pytest.CaptureFixture[str]) -> None:
    photos.put("art/again.jpg", encoded(picture(seed("art", 3))))
    photos.register()
    photos.configure(severity={"duplicate": "error"})
    assert "art/again.jpg" in photos.refused(capsys)
    photos.configure(severity={"duplicate": "ignore"})
    assert photos.validate() == 0
    assert kinds() == []


def test_what_can_not_be_used_is_left_out_if_that_is_no_error(photos: PhotoFolder) -> None:
    photos.put("art/damaged.jpg", encoded(picture(1))[:2000])
    photos.register()
    photos.put("art/unknown.jpg", encoded(picture(500)))
    photos.configure(severity={"damaged": "warning", "missing_row": "warning"})
    assert photos.validate() == 0
    assert {"art/damaged.jpg", "art/unknown.jpg"}.isdisjoint(row.file for row in read_split(SPLIT))


def test_unknown_settings_are_refused_by_name(photos: PhotoFolder, capsys: pytest.CaptureFixture[str]) -> None:
    photos.configure(severity={"blury": "error"})
    assert "validate.severity: Value error, blury: unknown" in photos.refused(capsys)
    photos.configure(min_side=0)
    assert "validate.min_side" in photos.refused(capsys)


def test_the_page_needs_nothing_else_and_runs_nothing(photos: PhotoFolder) -> None:
    photos.put("art/<img src=x onerror=alert(1)>.jpg", encoded(picture(600, (30, 30))))
    photos.register()
    assert photos.validate() == 0
    page = PAGE.read_text(encoding="utf-8")
    assert set(re.findall(r'\b(?:src|href)="([^",]*)', page)) == {"data:image/jpeg;base64"}
    assert not re.search(r"<script|<link|@import|url\(|https?:", page)
    assert "<img src=x" not in page
    assert "&lt;img src=x onerror=alert(1)&gt;.jpg" in page


def test_the_page_stays_small_however_many_pictures(photos: PhotoFolder) -> None:
    photos.fill({"art": 130})
    photos.register()
    photos.configure(sheet_pictures=40, severity={"duplicate": "ignore", "near_duplicate": "ignore"})
    assert photos.validate() == 0
    assert PAGE.read_text(encoding="utf-8").count("<img ") <= 40 + 2 * MOST_CLOSEST


def test_split_csv_has_the_columns_that_training_reads(photos: PhotoFolder) -> None:
    assert photos.validate() == 0
    with SPLIT.open(encoding="utf-8", newline="") as file:
        reader = csv.DictReader(file)
        files = [row["file"] for row in reader]
        assert reader.fieldnames == ["file", "label", "group", "kind", "split", "sha256", "source"]
    assert files == sorted(files)
