"""The benchmark draws the same clips everywhere, and its tables say what the rows say."""

import csv
import hashlib
import itertools

import pytest

from scripts.bench_gif import clips, contenders, interface, looks, report
from scripts.bench_gif.measure import Row, Times, to_csv
from scripts.gif.settings import Crop
from tests.small_project import ROOT


def row(contender: str, size: int, ssim: float, clip: str = "interface") -> Row:
    return Row(clip, contender, size, 1.0, ssim, ssim, 30.0)


def test_clips_move_and_are_the_same_each_time() -> None:
    for clip in (
        clips.Clip("interface", interface.interface),
        clips.Clip("gradient", clips.gradient),
        clips.Clip("text", clips.text()),
        clips.Clip("map", clips.street_map()),
    ):
        one, again, later = (hashlib.sha256(clip.draw(at).tobytes()).hexdigest() for at in (1.0, 1.0, 1.3))
        assert one == again
        assert one != later, clip.name


def test_bytes_at_equal_ssim_lie_between_the_two_nearest() -> None:
    rows = [row("gifski q90", 400, 0.99), row("gifski q70", 100, 0.97)]
    assert report.at_equal_ssim(rows, 0.98) == pytest.approx(200)
    assert report.at_equal_ssim(rows, 0.5) == 100
    assert report.at_equal_ssim(rows, 0.999) is None


@pytest.mark.parametrize(("size", "ssim", "verdict"), [(90, 0.96, "yes"), (110, 0.96, "**no**"), (90, 0.94, "**no**")])
def test_screen_must_win_in_bytes_and_in_ssim(size: int, ssim: float, verdict: str) -> None:
    rows = [row("screen", size, ssim), row(report.BARE, 100, 0.95)]
    found = list(report.expectations(rows, Times(1.0, 1.05, 1.3), []))
    assert [verdict for _, _, verdict in found] == ["yes", verdict]


def test_siblings_of_all_clips_are_added_up() -> None:
    rows = [
        row("screen", 1_000_000, 0.97),
        row("screen.mp4", 60_000, 0.98),
        row("screen.avif", 40_000, 0.98),
        row("screen.webp", 500_000, 0.97),
        row("camera", 3_000_000, 0.96, clip="camera"),
        row("camera.mp4", 300_000, 0.97, clip="camera"),
        row("camera.avif", 500_000, 0.97, clip="camera"),
        row("camera.webp", 1_500_000, 0.96, clip="camera"),
    ]
    assert [cells[0] for cells in report.beside(rows)] == ["interface", "camera"]
    assert report.beside(rows)[1][2] == "300 kB, 10%, 0.9700, 1.0 s"
    bare = [row(report.BARE, 4_000_000, 0.9), row(report.BARE, 4_000_000, 0.9, clip="camera")]
    found = list(report.expectations(rows + bare, Times(1.0, 1.05, 1.3), []))
    assert [told[1:] for told in found[-2:]] == [
        ("360 of 4000 kB = 9%", "yes"),
        ("540 of 4000 kB = 14%", "**no**"),
    ]


def test_slower_than_the_bare_command_is_said() -> None:
    (found,) = report.expectations([], Times(1.0, 1.2, 1.3), [])
    assert found[2] == "**no**"


def test_table_in_the_documents_is_of_the_figures_in_the_csv() -> None:
    text = (ROOT / "docs" / "bench" / "gif.csv").read_text(encoding="utf-8")
    page = (ROOT / "docs" / "bench-gif.md").read_text(encoding="utf-8")
    rows = [
        Row(line[0], line[1], int(line[2]), *map(float, line[3:])) for line in list(csv.reader(text.splitlines()))[1:]
    ]
    assert to_csv(rows) == text
    for clip in {row.clip for row in rows}:
        recipe = next(row for row in rows if row.clip == clip and row.contender == report.BARE)
        assert f"| {report.BARE} | {recipe.bytes / 1e3:.0f} |" in page


def test_recipe_of_the_benchmark_is_that_of_the_preset() -> None:
    settings = contenders.preset("blog")
    assert (settings.fps, settings.width, settings.colours) == (contenders.FPS, contenders.WIDTH, 37)
    assert settings.crop == Crop()


def test_ways_that_looks_is_judged_by_are_the_same_each_time_and_differ() -> None:
    start = contenders.preset("screen")
    ways = looks.ways(start, 337)
    assert ways == looks.ways(start, 337)
    assert len(ways) == looks.WAYS
    assert all(one != other for one, other in itertools.combinations(ways, 2))
    assert {way.settings.fps for way in ways} == {start.fps}


def test_ranks_that_are_alike_correlate_fully_and_reversed_ones_do_not() -> None:
    alike = {"looks": [1.0, 2, 3], "SSIM": [3.0, 2, 1], "VMAF": [10.0, 20, 90], "FLIP": [-0.3, -0.2, -0.1]}
    (clip, *cells), mean = looks.rows({"map": alike})
    assert [clip, *cells] == ["map", "1.00", "1.00", "-1.00", "-1.00", "1.00"]
    assert mean == ("mean", *cells)
