"""The benchmark makes the same clips everywhere, and its tables say what the rows say."""

import itertools
from dataclasses import replace
from pathlib import Path

import pytest

from scripts.bench.gif import clips, contenders, looks, measure
from scripts.bench.gif.measure import Row
from scripts.gif import recording, tool
from scripts.gif.budget import Way
from scripts.gif.settings import Crop


def row(contender: str, size: int, ssim: float, clip: str = "interface", seconds: float = 1.0) -> Row:
    return Row(clip, contender, size, seconds, ssim, 90.0)


def of_a_clip(clip: str, own: Row) -> list[Row]:
    """What a run measures of a ``clip`` for which this project makes ``own``."""
    siblings = [row("sibling .mp4", own.bytes // 11, 0.9), row("sibling .avif", own.bytes // 20, 0.9)]
    half = row(measure.HALF, own.bytes // 2, 0.9)
    rows = [own, row("blog", 100, 0.95), row(contenders.BARE, 100, 0.95), *siblings, half]
    return [replace(each, clip=clip) for each in rows]


def verdicts(rows: list[Row]) -> dict[str, str]:
    return {expected: verdict for expected, _, verdict in measure.expectations(rows)}


@pytest.mark.parametrize("clip", [clips.interface, clips.gradient, clips.text, clips.street_map])
def test_what_a_clip_shows_is_the_same_each_time(clip: object) -> None:
    assert callable(clip)
    one, again = clip(), clip()
    assert one.graph == again.graph
    assert [picture.tobytes() for picture in one.pictures] == [picture.tobytes() for picture in again.pictures]


def test_a_clip_is_a_film_of_its_size_and_length(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(clips, "SECONDS", 0.5)
    ffmpeg = tool.find()
    for clip, size in ((clips.interface(), clips.PHONE), (clips.street_map(), clips.WIDE)):
        found = recording.read(clip.make(tmp_path, ffmpeg.path), ffmpeg)
        assert (found.width, found.height, found.seconds) == (*size, 0.5)


def test_bytes_at_equal_ssim_lie_between_the_two_nearest() -> None:
    rows = [row("gifski q90", 400, 0.99), row("gifski q70", 100, 0.97)]
    assert measure.at_equal_ssim(rows, 0.98) == pytest.approx(200)
    assert measure.at_equal_ssim(rows, 0.5) == pytest.approx(100)
    assert measure.at_equal_ssim(rows, 0.999) is None


@pytest.mark.parametrize(("size", "ssim", "verdict"), [(90, 0.96, "yes"), (110, 0.96, "**no**"), (90, 0.94, "**no**")])
def test_screen_must_win_in_bytes_and_in_ssim(size: int, ssim: float, verdict: str) -> None:
    found = verdicts(of_a_clip("map", row("screen", size, ssim)))
    assert found["`screen` on map: fewer bytes and a higher SSIM than the recipe"] == verdict


def test_siblings_of_all_clips_are_added_up() -> None:
    rows = of_a_clip("interface", row("screen", 1100, 0.97)) + of_a_clip("camera", row("camera", 3300, 0.96))
    found = {expected: said for expected, said, _ in measure.expectations(rows)}
    assert found["the `.mp4` beside the GIFs of all clips: at most a tenth of their bytes"] == "0 of 4 kB = 9%"


def test_slower_than_the_bare_command_is_said() -> None:
    rows = of_a_clip("map", row("screen", 90, 0.96))
    rows = [replace(each, seconds=1.2) if each.contender == "blog" else each for each in rows]
    assert next(iter(verdicts(rows).values())) == "**no**"


@pytest.mark.parametrize(("size", "verdict"), [(950, "yes"), (890, "**no**"), (1001, "**no**")])
def test_a_budget_must_be_kept_and_nearly_filled(size: int, verdict: str) -> None:
    rows = of_a_clip("map", row("screen", 2000, 0.96))
    rows = [replace(each, bytes=size) if each.contender == measure.HALF else each for each in rows]
    assert list(verdicts(rows).values())[-1] == verdict


def test_recipe_of_the_benchmark_is_that_of_the_preset() -> None:
    settings = contenders.preset("blog")
    assert (settings.fps, settings.width, settings.colours) == (contenders.FPS, contenders.WIDTH, 37)
    assert settings.crop == Crop()


def test_ways_that_looks_is_judged_by_are_the_same_each_time_and_differ() -> None:
    start = Way.model_validate(contenders.preset("screen").model_dump())
    ways = looks.ways(start)
    assert ways == looks.ways(start)
    assert len(ways) == looks.WAYS
    assert all(one != other for one, other in itertools.combinations(ways, 2))
    assert {way.fps for way in ways} == {start.fps}


def test_ranks_that_are_alike_correlate_fully_and_reversed_ones_do_not() -> None:
    alike = {"looks": [1.0, 2, 3], "SSIM": [3.0, 2, 1], "VMAF": [10.0, 20, 90]}
    (clip, *cells), mean = looks.correlations({"map": alike})
    assert [clip, *cells] == ["map", "1.00", "-1.00"]
    assert mean == ("mean", *cells)
