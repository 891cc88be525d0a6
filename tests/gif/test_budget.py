"""--max-bytes: the best-looking GIF that fits, always under it, or a refusal that says what the smallest was."""

import contextlib
import io
import re
from dataclasses import dataclass
from pathlib import Path

import pytest

from scripts.gif import tool
from scripts.gif.__main__ import main
from scripts.gif.convert import Result, convert
from scripts.gif.run import tell
from scripts.gif.settings import load
from tests.gif import blocks
from tests.gif.conftest import MP4, Film, encoded

BUSY = "testsrc2=s=160x120:r=10:d=1"


@dataclass
class Searched:
    """A search that was made once for the tests that look at it: what came out, and what was said meanwhile."""

    result: Result
    budget: int
    said: str


def search(recording: Path, gif: Path, part: float, preset: str = "screen", *overrides: str) -> Searched:
    """Convert with ``part`` of the bytes that the preset's own settings take."""
    settings = load(preset, ["fps=10", "crop={top:0,bottom:0,left:0,right:0}", *overrides])
    ffmpeg = tool.find()
    budget = round(part * convert(recording, gif.with_stem("own"), settings, ffmpeg).gif.bytes)
    with contextlib.redirect_stderr(io.StringIO()) as said:
        held = settings.model_copy(update={"max_bytes": budget})
        result = convert(recording, gif, held, ffmpeg, tell)
    return Searched(result, budget, said.getvalue())


@pytest.fixture(scope="module")
def searched(tmp_path_factory: pytest.TempPathFactory) -> Searched:
    folder = tmp_path_factory.mktemp("searched")
    (folder / "film.mp4").write_bytes(encoded(".mp4", MP4, BUSY))
    return search(folder / "film.mp4", folder / "a.gif", 0.75)


def test_gif_is_under_the_budget_and_the_best_looking_that_fits(searched: Searched) -> None:
    result, budget = searched.result, searched.budget
    assert result.gif.path.stat().st_size == result.gif.bytes <= budget
    assert blocks.read(result.gif.path).size == (result.gif.width, result.gif.height)
    fitting = [tried.looks for tried in result.tries if tried.whole and 0.9 * budget <= tried.bytes <= budget]
    kept = re.search(r" looks (0\.\d+), the best of", searched.said)
    assert kept
    assert float(kept[1]) == pytest.approx(max(fitting), abs=0.001)


def test_each_try_is_logged_and_the_winner_explained(searched: Searched) -> None:
    pattern = r"try (\d+): \d+ colours \(\w+\), dither .*? fps, \d+ px.*?: [\d.]+ [kM]B.*, looks 0\.\d+"
    tries = re.findall(pattern, searched.said)
    assert [int(number) for number in tries] == list(range(1, len(searched.result.tries) + 1))
    assert len(tries) > 5
    assert ("gifsicle lossy" in searched.said) == (tool.gifsicle() is not None), "it is used where it is there"
    assert re.search(r"kept: .* the best of \d+ that fit", searched.said)


def test_a_palette_for_each_frame_gives_way_to_one_of_what_changes(film: Film, out: Path) -> None:
    found = search(film(picture=BUSY), out / "a.gif", 0.66, "per_frame", "width=140")
    assert found.result.gif.bytes <= found.budget
    assert found.result.settings.palette == "diff"


def test_nine_tenths_of_the_budget_are_used(searched: Searched) -> None:
    assert 0.9 * searched.budget <= searched.result.gif.bytes <= searched.budget


@pytest.mark.parametrize(
    ("picture", "part"),
    [
        ("testsrc2=s=128x96:r=10:d=9.2", 0.5),  # ranked by a sample; the others by the whole film
        ("mandelbrot=s=160x120:r=10:end_pts=10,trim=end=1", 0.6),
    ],
)
def test_nine_tenths_of_other_budgets_are_used(picture: str, part: float, film: Film, out: Path) -> None:
    found = search(film(picture=picture), out / "a.gif", part)
    assert 0.9 * found.budget <= found.result.gif.bytes <= found.budget


@pytest.mark.parametrize("failing", ["*", "*--lossy=40*"])
def test_a_failing_gifsicle_ends_its_own_axis_and_no_search(
    failing: str, film: Film, out: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    program = tmp_path / "gifsicle"
    program.write_text(f'#!/bin/sh\ncase "$*" in {failing}) echo "no memory" >&2; exit 1;; esac\n', encoding="utf-8")
    program.chmod(0o755)
    monkeypatch.setattr(tool, "gifsicle", lambda: str(program))
    found = search(film(picture=BUSY), out / "a.gif", 0.75)
    assert found.result.gif.bytes <= found.budget
    assert "gifsicle fails: no memory; the search goes on without it" in found.said
    assert not getattr(found.result.settings, "lossy", 0)


def test_preset_that_fits_is_left_as_it_is(film: Film, out: Path) -> None:
    found = search(film(picture=BUSY), out / "a.gif", 1)
    assert not found.result.tries
    assert (out / "a.gif").read_bytes() == (out / "own.gif").read_bytes()
    assert found.result.settings.max_bytes == found.budget


def test_it_fits_without_gifsicle(film: Film, out: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(tool, "gifsicle", lambda: None)
    found = search(film(picture=BUSY), out / "a.gif", 0.75)
    assert found.result.gif.bytes <= found.budget
    assert not any("gifsicle" in str(tried.way) for tried in found.result.tries)


def test_refusal_says_what_the_smallest_was_and_leaves_nothing(
    film: Film, out: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    least = ("fps=6", "colours=16", "width=120")  # nothing is left to be saved there, so that the search is short
    assert main([str(film(picture=BUSY)), "-o", str(out / "a.gif"), "--max-bytes", "500", *least]) == 1
    said = capsys.readouterr().err
    smallest = re.search(r"fits into 500 bytes; the smallest was (\d+) bytes", said)
    assert smallest
    assert int(smallest[1]) > 500
    assert not list(out.iterdir())


@pytest.mark.parametrize(
    ("text", "size"), [("3MB", 3_000_000), ("800 kB", 800_000), ("1.5MiB", 1_572_864), ("900", 900)]
)
def test_sizes_are_read_as_hosts_count_them(text: str, size: int) -> None:
    assert load("screen", options={"max_bytes": text}).max_bytes == size
