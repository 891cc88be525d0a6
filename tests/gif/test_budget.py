"""--max-bytes: the best-looking GIF that fits, always under it, or a refusal that says what the smallest was."""

import json
import re
from pathlib import Path
from typing import Any

import pytest

from scripts.gif import tool
from scripts.gif.__main__ import main
from tests.gif import blocks
from tests.gif.conftest import Film

BUSY = "testsrc2=s=160x120:r=10:d=1"


def convert(recording: Path, gif: Path, *more: str, capsys: pytest.CaptureFixture[str]) -> dict[str, Any]:
    """The JSON that the command line tells of it."""
    assert main([str(recording), "-o", str(gif), "--force", "--json", "fps=10", *more]) == 0
    (told,) = json.loads(capsys.readouterr().out)
    assert isinstance(told, dict)
    return told


@pytest.mark.parametrize("preset", ["screen", "per_frame"])
def test_gif_is_under_the_budget(preset: str, film: Film, out: Path, capsys: pytest.CaptureFixture[str]) -> None:
    recording, gif = film(picture=BUSY), out / "a.gif"
    how = ("--preset", preset, "crop={top:0,bottom:0}", "width=140")
    budget = convert(recording, gif, *how, capsys=capsys)["bytes"] * 2 // 3
    told = convert(recording, gif, *how, "--max-bytes", str(budget), capsys=capsys)
    assert gif.stat().st_size == told["bytes"] <= budget
    assert blocks.read(gif).size == (told["width"], told["height"])
    whole = [tried for tried in told["tries"] if tried["whole"]]
    best = max(tried["looks"] for tried in whole if tried["bytes"] <= budget)
    kept = re.search(r" looks (0\.\d+), the best of", told["why"])
    assert kept
    assert abs(float(kept[1]) - best) < 0.002, "the best-looking of those that fit is the one that is kept"


@pytest.mark.parametrize(
    ("picture", "part"),
    [
        (BUSY, 0.83),  # each try is of the whole film
        ("testsrc2=s=128x96:r=10:d=10", 0.5),  # ranked by a sample
        ("mandelbrot=s=160x120:r=10:end_pts=20,trim=end=1", 0.6),
    ],
)
def test_nine_tenths_of_the_budget_are_used(
    picture: str, part: float, film: Film, out: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    recording = film(picture=picture)
    budget = round(part * convert(recording, out / "a.gif", capsys=capsys)["bytes"])
    told = convert(recording, out / "a.gif", "--max-bytes", str(budget), capsys=capsys)
    assert 0.9 * budget <= told["bytes"] <= budget


@pytest.mark.parametrize("failing", ["*", "*--lossy=40*"])
def test_a_failing_gifsicle_ends_its_own_axis_and_no_search(
    failing: str,
    film: Film,
    out: Path,
    tmp_path: Path,
    capsys: pytest.CaptureFixture[str],
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    program = tmp_path / "gifsicle"
    program.write_text(f'#!/bin/sh\ncase "$*" in {failing}) echo "no memory" >&2; exit 1;; esac\n', encoding="utf-8")
    program.chmod(0o755)
    monkeypatch.setattr(tool, "gifsicle", lambda: str(program))
    recording = film(picture=BUSY)
    budget = convert(recording, out / "a.gif", capsys=capsys)["bytes"] * 3 // 4
    assert main([str(recording), "-o", str(out / "b.gif"), "fps=10", "--max-bytes", str(budget)]) == 0
    assert (out / "b.gif").stat().st_size <= budget
    said = capsys.readouterr().err
    assert "gifsicle fails: no memory; the search goes on without it" in said
    assert "gifsicle lossy" not in said.partition("kept: ")[2]


def test_preset_that_fits_is_left_as_it_is(film: Film, out: Path, capsys: pytest.CaptureFixture[str]) -> None:
    recording = film(picture=BUSY)
    free = convert(recording, out / "a.gif", capsys=capsys)
    told = convert(recording, out / "b.gif", "--max-bytes", "3MB", capsys=capsys)
    assert told["tries"] == []
    assert (out / "a.gif").read_bytes() == (out / "b.gif").read_bytes()
    assert free["settings"] | {"max_bytes": 3_000_000} == told["settings"]


def test_it_fits_without_gifsicle(
    film: Film, out: Path, capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(tool, "gifsicle", lambda: None)
    recording = film(picture=BUSY)
    budget = convert(recording, out / "a.gif", capsys=capsys)["bytes"] * 3 // 4
    told = convert(recording, out / "a.gif", "--max-bytes", str(budget), capsys=capsys)
    assert told["bytes"] <= budget
    assert not any("gifsicle" in tried["way"] for tried in told["tries"])


def test_refusal_says_what_the_smallest_was_and_leaves_nothing(
    film: Film, out: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    assert main([str(film(picture=BUSY)), "-o", str(out / "a.gif"), "--max-bytes", "500"]) == 1
    said = capsys.readouterr().err
    smallest = re.search(r"fits into 500 bytes; the smallest was (\d+) bytes", said)
    assert smallest
    assert int(smallest[1]) > 500
    assert not list(out.iterdir())


def test_each_try_is_logged_and_the_winner_explained(film: Film, out: Path, capsys: pytest.CaptureFixture[str]) -> None:
    recording = film(picture=BUSY)
    budget = convert(recording, out / "a.gif", capsys=capsys)["bytes"] * 3 // 4
    assert main([str(recording), "-o", str(out / "b.gif"), "fps=10", "--max-bytes", str(budget)]) == 0
    said = capsys.readouterr().err
    tries = re.findall(r"try (\d+): \d+ colours \(\w+\), dither .*? fps, \d+ px.*?: [\d.]+ [kM]B.*, looks 0\.\d+", said)
    assert [int(number) for number in tries] == list(range(1, len(tries) + 1))
    assert len(tries) > 5
    assert ("gifsicle lossy" in said) == (tool.gifsicle() is not None), "it is used where it is there"
    assert re.search(r"kept: .* the best of \d+ that fit", said)


@pytest.mark.parametrize(
    ("text", "size"), [("3MB", 3_000_000), ("800 kB", 800_000), ("1.5MiB", 1_572_864), ("900", 900)]
)
def test_sizes_are_read_as_hosts_count_them(text: str, size: int) -> None:
    from scripts.gif.settings import load

    assert load("screen", options={"max_bytes": text}).max_bytes == size
