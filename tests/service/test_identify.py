"""What ``python -m service identify`` promises to whoever types it."""

import csv
import json
import os
import shutil
import subprocess
import sys
import tracemalloc
from collections.abc import Callable
from pathlib import Path

import numpy as np
import pytest
from PIL import Image

import bundle
from service.__main__ import main
from service.cli import identify
from tests.service.test_decode import encode, plain, png_header
from tests.tiny_bundle import COLOURS, make_bundle, make_model, picture

Run = Callable[..., tuple[int, str, str]]


@pytest.fixture
def here(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """A working folder with a promoted bundle and a photo of every colour."""
    monkeypatch.chdir(tmp_path)
    make_bundle(tmp_path / "models/promoted")
    for colour in COLOURS:
        Path(f"{colour}.png").write_bytes(picture(colour))
    return tmp_path


@pytest.fixture
def run(here: Path, capsys: pytest.CaptureFixture[str]) -> Run:
    def run(*arguments: str) -> tuple[int, str, str]:
        status = main(["identify", *arguments])
        out, err = capsys.readouterr()
        return status, out, err

    return run


def test_one_photo_as_json_is_exactly_what_the_service_answers(run: Run) -> None:
    status, out, err = run("--json", "green.png")
    answer = json.loads(out)
    assert status == 0
    assert err == ""
    assert list(answer) == ["label", "probabilities", "score", "threshold", "model", "timing_ms"]
    assert answer["label"] == "plant"
    assert list(answer["probabilities"]) == ["art", "plant", "text"]
    assert answer["model"] == "tiny-00000000"
    assert list(answer["timing_ms"]) == ["decode", "queue", "inference"]


def test_several_photos_as_json_are_a_line_each_with_the_file(run: Run) -> None:
    status, out, _ = run("--json", "red.png", "grey.png", "blue.png")
    answers = [json.loads(line) for line in out.splitlines()]
    assert status == 0
    assert [(a["file"], a["label"]) for a in answers] == [
        ("red.png", "art"),
        ("grey.png", None),
        ("blue.png", "text"),
    ]
    assert {tuple(a) for a in answers} == {
        ("file", "label", "probabilities", "score", "threshold", "model", "timing_ms")
    }


def test_without_a_form_each_photo_is_a_sentence(run: Run) -> None:
    status, out, err = run("red.png", "grey.png")
    red, grey = out.splitlines()
    assert (status, err) == (0, "")
    assert red.startswith("red.png  art  (art 0.99")
    assert grey.startswith("grey.png  none of these  (art 0.333  ")


def test_the_likeliest_come_first_and_not_a_thousand(run: Run, here: Path) -> None:
    make_bundle(here / "many", labels=[f"label {i}" for i in range(1000)])
    _, out, _ = run("blue.png", "--bundle", "many")
    assert out.count("label ") == 1 + identify.SHOWN
    assert "(label 2 0." in out


def test_names_with_spaces_and_umlauts(run: Run) -> None:
    shutil.copy("red.png", "größer als 1.png")
    status, out, _ = run("größer als 1.png", "blue.png")
    assert status == 0
    assert "größer als 1.png  art" in out
    assert json.loads(run("--json", "größer als 1.png", "red.png")[1].splitlines()[0])["file"] == "größer als 1.png"


def test_a_name_can_not_drive_the_terminal(run: Run) -> None:
    shutil.copy("red.png", "a\x1b[2Jb\n.png")
    status, out, _ = run("a\x1b[2Jb\n.png")
    assert status == 0
    assert "\x1b" not in out
    assert "\x1b" not in run("a\x1b[2J.png")[2]


def test_a_bad_photo_does_not_keep_the_others_from_an_answer(run: Run) -> None:
    Path("notes.jpg").write_text("this is a text file")
    status, out, err = run("red.png", "notes.jpg", "blue.png")
    assert status == 1
    assert [line.split()[0] for line in out.splitlines()] == ["red.png", "blue.png"]
    assert err == "error: notes.jpg: this is no picture that can be read; JPEG, PNG and WebP are taken\n"


BAD_PHOTOS: dict[str, tuple[bytes, str]] = {
    "empty": (b"", "is empty"),
    "text": (b"hello", "no picture that can be read; JPEG, PNG and WebP are taken"),
    "bomb": (png_header(30_000, 30_000), "30000 x 30000 pixels, the limit is 50 million; scale it down"),
    "gif": (
        encode(plain(), "GIF", save_all=True, append_images=[plain((0, 0, 9))]),
        "this is a GIF file; JPEG, PNG and WebP are taken",
    ),
    "animated": (encode(plain(), "WEBP", save_all=True, append_images=[plain((0, 0, 9))]), "animated"),
    "truncated": (encode(plain(), "JPEG")[:400], "breaks off or is damaged"),
}


@pytest.mark.parametrize("name", BAD_PHOTOS)
def test_bad_photo_gives_one_line_that_names_it(run: Run, name: str) -> None:
    data, why = BAD_PHOTOS[name]
    Path("photo.jpg").write_bytes(data)
    status, out, err = run("photo.jpg")
    assert status == 1
    assert out == ""
    assert err.startswith("error: photo.jpg: ")
    assert why in err
    assert err.count("\n") == 1


GOOD_PHOTOS = {
    "cmyk": (encode(plain((220, 20, 20)).convert("CMYK"), "JPEG"), "art"),
    "16-bit": (encode(Image.fromarray(np.full((40, 40), 40_000, np.uint16))), None),
    "palette": (encode(plain((20, 200, 30)).quantize(4)), "plant"),
    "1x1": (encode(plain((20, 30, 210), (1, 1))), "text"),
}


@pytest.mark.parametrize("name", GOOD_PHOTOS)
def test_unusual_photo_is_answered(run: Run, name: str) -> None:
    data, label = GOOD_PHOTOS[name]
    Path("photo").write_bytes(data)
    status, out, err = run("--json", "photo")
    assert (status, err) == (0, "")
    assert json.loads(out)["label"] == label


def test_missing_files_and_empty_folders_say_what_to_do(run: Run) -> None:
    Path("holiday").mkdir()
    status, out, err = run("nowhere.jpg", "holiday", "no*thing.jpg")
    assert status == 1
    assert out == ""
    assert err.splitlines() == [
        "error: nowhere.jpg: there is no such file; check the name",
        "error: holiday: there is no photo in this folder; .jpg, .jpeg, .png, .webp are looked for",
        "error: no*thing.jpg: nothing matches this pattern; check it",
    ]


def test_an_endless_file_is_not_read_to_its_end(run: Run, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(identify, "MAX_BYTES", 2_000_000)
    tracemalloc.start()
    try:
        status, _, err = run("/dev/zero")
        assert tracemalloc.get_traced_memory()[1] < 10_000_000
    finally:
        tracemalloc.stop()
    assert status == 1
    assert err == "error: /dev/zero: it is larger than 2 MB; scale it down\n"


def flip(folder: Path) -> None:
    data = bytearray((folder / "model.onnx").read_bytes())
    data[100] ^= 1
    (folder / "model.onnx").write_bytes(data)


def newer(folder: Path) -> None:
    values = json.loads((folder / "manifest.json").read_text())
    (folder / "manifest.json").write_text(json.dumps(values | {"schema_version": 9}))


def relabel(folder: Path) -> None:
    manifest = bundle.load(folder).manifest
    (folder / "model.onnx").write_bytes(make_model(("cat", "dog", "cow"), 32).SerializeToString())
    bundle.seal(folder, manifest)


def drift(folder: Path) -> None:
    manifest = bundle.load(folder).manifest
    (folder / "model.onnx").write_bytes(make_model(("art", "plant", "text"), 32, bias=(3, 0, 0)).SerializeToString())
    bundle.seal(folder, manifest)


BAD_BUNDLES: dict[str, tuple[Callable[[Path], object], str]] = {
    "missing": (shutil.rmtree, "no model bundle at models/promoted; `make run`"),
    "no manifest": (lambda f: (f / "manifest.json").unlink(), "holds no manifest.json; `make run`"),
    "flipped bit": (flip, "models/promoted/model.onnx is not what manifest.json says (sha256 differs)"),
    "missing file": (lambda f: (f / "model.onnx").unlink(), "models/promoted/model.onnx is missing"),
    "extra file": (lambda f: (f / "model2.onnx").touch(), "models/promoted/model2.onnx does not belong"),
    "newer schema": (newer, "schema 9, this service knows 2: update the service"),
    "other labels": (relabel, "model.onnx was made for the labels ['cat', 'dog', 'cow']"),
    "golden": (drift, "models/promoted/golden/green.png gives other numbers here than in the pipeline"),
}


@pytest.mark.parametrize("name", BAD_BUNDLES)
def test_damaged_bundle_gives_one_line_and_no_answer(run: Run, here: Path, name: str) -> None:
    damage, why = BAD_BUNDLES[name]
    damage(here / "models/promoted")
    status, out, err = run("red.png")
    assert status == 1
    assert out == ""
    assert err.startswith("error: ")
    assert why in err
    assert err.count("\n") == 1


def test_bundle_can_be_chosen(run: Run, here: Path) -> None:
    make_bundle(here / "other", labels=("cat", "dog"), version="other-1")
    assert json.loads(run("--json", "red.png", "--bundle", "other")[1])["label"] == "cat"


def test_variant_can_be_chosen(run: Run, here: Path) -> None:
    make_bundle(here / "both", variants=("fp32", "int8"))
    assert run("red.png", "--bundle", "both", "--variant", "int8")[0] == 0
    assert run("red.png", "--variant", "int8")[0::2] == (
        1,
        "error: models/promoted has no variant int8; it has fp32\n",
    )


@pytest.mark.parametrize("arguments", [["identify"], ["identify", "--what"], ["paint"], ["--what"]])
def test_wrong_usage_is_status_two(arguments: list[str], capsys: pytest.CaptureFixture[str]) -> None:
    with pytest.raises(SystemExit) as caught:
        main(arguments)
    assert caught.value.code == 2
    assert "usage: python -m service" in capsys.readouterr().err


def test_help_tells_of_the_object_the_statuses_and_examples(capsys: pytest.CaptureFixture[str]) -> None:
    with pytest.raises(SystemExit) as caught:
        main(["identify", "--help"])
    out = capsys.readouterr().out
    assert caught.value.code == 0
    for part in ("none of these", '"timing_ms"', "exit status", "examples:", "default: models/promoted"):
        assert part in out


def start(here: Path, *arguments: str) -> "subprocess.Popen[str]":
    root = Path(bundle.__file__).parents[1]
    return subprocess.Popen(
        [sys.executable, "-m", "service", "identify", *arguments, "--bundle", str(here / "models/promoted")],
        cwd=root,
        stdout=subprocess.PIPE,
        stderr=subprocess.PIPE,
        text=True,
    )


def test_the_command_line_itself(here: Path) -> None:
    process = start(here, "--json", str(here / "red.png"))
    out, err = process.communicate(timeout=60)
    assert (process.returncode, err) == (0, "")
    assert json.loads(out)["label"] == "art"


def test_a_reader_that_goes_away_brings_no_traceback(here: Path) -> None:
    process = start(here, *[str(here / "red.png")] * 500)
    assert process.stdout is not None
    assert process.stderr is not None
    process.stdout.readline()
    process.stdout.close()
    err = process.stderr.read()
    process.stderr.close()
    assert process.wait(timeout=60) == 1
    assert err == ""


def test_folders_and_patterns_stand_for_the_photos_in_them(run: Run) -> None:
    for name in ("holiday/deep/a.png", "holiday/b.PNG", "holiday/notes.txt"):
        Path(name).parent.mkdir(parents=True, exist_ok=True)
        shutil.copy("red.png", name)
    status, out, err = run("--json", "holiday", "*ee?.png", "holiday/**/a*")
    assert (status, err) == (0, "")
    files = [json.loads(line)["file"] for line in out.splitlines()]
    assert files == ["holiday/b.PNG", "holiday/deep/a.png", "green.png", "holiday/deep/a.png"]


def test_csv_has_a_row_for_each_photo_that_a_spreadsheet_reads(run: Run) -> None:
    shutil.copy("red.png", 'a, "b".png')
    status, out, _ = run("--csv", 'a, "b".png', "grey.png")
    rows = list(csv.DictReader(out.splitlines()))
    assert status == 0
    assert list(rows[0]) == ["file", "label", "score", "threshold", "art", "plant", "text"]
    assert [(row["file"], row["label"]) for row in rows] == [('a, "b".png', "art"), ("grey.png", "")]
    assert float(rows[0]["art"]) > 0.9


def test_progress_is_shown_on_a_terminal_beside_an_output_that_goes_elsewhere(here: Path) -> None:
    ours, theirs = os.openpty()
    root = Path(bundle.__file__).parents[1]
    command = [
        sys.executable,
        "-m",
        "service",
        "identify",
        "--json",
        str(here / "red.png"),
        str(here / "blue.png"),
    ]
    command += ["--bundle", str(here / "models/promoted")]
    ran = subprocess.run(command, cwd=root, stdout=subprocess.PIPE, stderr=theirs, timeout=60, check=True)
    assert os.read(ours, 1_000) == b"1 of 2\r2 of 2\r\n"
    assert len(ran.stdout.splitlines()) == 2
    os.close(ours)
    os.close(theirs)
