"""The demo that records itself: its text file, its film, and a recording of a few seconds."""

import json
import math
import re
import subprocess
import sys
from itertools import pairwise
from pathlib import Path

import numpy as np
import pytest
import yaml
from PIL import Image

from pipeline.core.errors import ConfigError, DataError, PipelineError
from scripts.demo import film, phone, recording, script
from scripts.demo.__main__ import main
from scripts.demo.hand import SETTLED_S, Hand
from scripts.gif import tool

SHORT = {
    "seed": 1,
    "rounds_before": 0,
    "screen": {"width": 360, "height": 700},
    "shown": [
        {"picture": "art/one.jpg", "called": "a painting", "seconds": 1.5},
        {"picture": "text/two.jpg", "called": "a page", "seconds": 1.5},
    ],
}


def written(folder: Path, **changed: object) -> Path:
    path = folder / "demo.yaml"
    path.write_text(yaml.safe_dump(SHORT | changed), encoding="utf-8")
    return path


def hand(seed: int = 3) -> Hand:
    return Hand([0.0, 2.0, 4.0], 6.0, seed)


@pytest.fixture
def photos(tmp_path: Path) -> Path:
    """A picture of each label of `SHORT` in a folder, and a split that calls them test."""
    random = np.random.default_rng(0)
    rows = ["file,label,group,kind,split,sha256,source"]
    for name in ("art/one.jpg", "text/two.jpg"):
        path = tmp_path / name
        path.parent.mkdir()
        Image.fromarray(random.integers(0, 255, (48, 64, 3), np.uint8)).resize((320, 240)).save(path)
        rows.append(f"{name},{path.parent.name},{name},real,test,{'0' * 64},")
    (tmp_path / "split.csv").write_text("\n".join(rows) + "\n", encoding="utf-8")
    return tmp_path


def test_the_projects_own_demo_shows_each_label_and_something_that_is_none() -> None:
    own = script.read()
    labels = json.loads(Path("models/promoted/manifest.json").read_text(encoding="utf-8"))["labels"]
    assert {each.picture.partition("/")[0] for each in own.shown} == {*labels, "other"}
    assert len(script.pictures(own)) == len(own.shown)
    assert own.shown[-1].taught
    assert 10 <= own.seconds <= 19


@pytest.mark.parametrize(
    ("changed", "said"),
    [
        ({"music": "loud"}, r"(?s)demo\.yaml .*music.*Extra inputs are not permitted"),
        ({"shown": [{**SHORT["shown"][0], "seconds": -1}] * 2}, r"(?s)shown\.0\.seconds.*input_value=-1"),  # type: ignore[index]
        ({"shown": SHORT["shown"][:1]}, r"(?s)shown.* at least 2"),  # type: ignore[index]
        ({"screen": {"width": 100, "height": 700}}, r"(?s)screen\.width.*input_value=100"),
        ({"shown": [{**SHORT["shown"][0], "taught": "me"}] * 2}, r"(?s)shown\.0.* needs 11\.1 seconds"),  # type: ignore[index]
        ({"shown": [{**SHORT["shown"][0], "taught": "me", "seconds": 12}] * 2}, r"(?s)only the last .* taught"),  # type: ignore[index]
    ],
)
def test_a_wrong_script_is_refused_with_what_is_wrong_in_it(
    tmp_path: Path, changed: dict[str, object], said: str
) -> None:
    with pytest.raises(ConfigError, match=said):
        script.read(written(tmp_path, **changed))


@pytest.mark.parametrize("text", ["shown: [", "\0", "", "just words"])
def test_what_is_no_script_is_refused_by_name(tmp_path: Path, text: str) -> None:
    path = tmp_path / "notes.yaml"
    path.write_text(text, encoding="utf-8")
    with pytest.raises(ConfigError, match=r"notes\.yaml"):
        script.read(path)
    with pytest.raises(ConfigError, match=r"nowhere\.yaml can't be used"):
        script.read(tmp_path / "nowhere.yaml")


def test_a_picture_that_is_missing_or_learnt_from_is_refused(photos: Path) -> None:
    wanted = script.read(written(photos))
    split = photos / "split.csv"
    assert [path.name for path in script.pictures(wanted, split, photos)] == ["one.jpg", "two.jpg"]
    split.write_text(split.read_text().replace("real,test", "real,train", 1), encoding="utf-8")
    with pytest.raises(DataError, match=r"art/one\.jpg is not of the test split"):
        script.pictures(wanted, split, photos)
    (photos / "art/one.jpg").unlink()
    with pytest.raises(DataError, match=r"art/one\.jpg is not of the test split in .*, or is not in"):
        script.pictures(wanted, split, photos)


def test_a_wrong_script_ends_the_program_with_a_sentence_and_no_recording(
    tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    out = tmp_path / "demo.mp4"
    assert main([str(written(tmp_path, seed=-1)), "-o", str(out)]) == 1
    assert re.match(r"(?s)error: .*demo\.yaml .*seed", capsys.readouterr().err)
    assert not out.exists()


def test_the_hand_holds_each_picture_and_its_end_meets_its_begin() -> None:
    one = hand()
    for index, begin in enumerate((0.0, 2.0, 4.0)):
        view, (x, y) = one.at(begin + 1.5 - SETTLED_S), one.places[index]
        assert (view.x, view.y) == pytest.approx((x, y), abs=0.06)
        assert 0.8 < view.size < 1.05
    end, begin_again = one.at(6.0 - 1e-6), one.at(0)
    assert (end.x, end.y, end.size, end.turned) == pytest.approx(
        (begin_again.x, begin_again.y, begin_again.size, begin_again.turned), abs=1e-4
    )


def test_the_hand_never_jumps_and_never_rests() -> None:
    one = hand()
    steps = [
        np.hypot(after.x - before.x, after.y - before.y)
        for before, after in pairwise(one.at(frame / 120) for frame in range(6 * 120))
    ]
    assert min(steps) > 0
    assert max(steps) < 0.06  # 7 pictures a second: a quick turn, and no cut


def test_another_seed_is_another_hand_and_the_same_one_the_same() -> None:
    assert hand(3).at(1.2) == hand(3).at(1.2)
    assert hand(3).at(1.2) != hand(4).at(1.2)


def test_the_same_film_is_made_twice_to_the_byte_with_its_frames_numbered(photos: Path) -> None:
    ffmpeg = tool.find(["mp4"]).path
    made = [film.Wall([photos / "art/one.jpg", photos / "text/two.jpg"], [0, 0.15], 0.3, seed=1) for _ in range(2)]
    assert len({film.write(wall, photos / "camera.mjpeg", ffmpeg).read_bytes() for wall in made}) == 1
    frames = list(made[0].frames())
    assert len(frames) == 9
    bits = (frames[5][4:16:8, 4:64:8, 0] > 127).ravel()
    assert sum(int(bit) << at for at, bit in enumerate(reversed(bits))) == 5


def test_a_picture_that_is_none_is_refused_by_name(photos: Path) -> None:
    (photos / "art/one.jpg").write_bytes(b"no picture")
    with pytest.raises(DataError, match=r"one\.jpg can't be read as a picture"):
        film.Wall([photos / "art/one.jpg", photos / "text/two.jpg"], [0, 1.5], 3, 1)


def test_each_moment_of_the_recording_has_the_picture_that_was_shown_then() -> None:
    seen = phone.Recorded(begin=10.0, pictures=[(9.9, b"a"), (10.05, b"b"), (10.06, b"c"), (10.2, b"d")])
    assert b"".join(recording.steady(seen, 0.3)) == b"aacccc" + b"ddd"


def test_too_few_pictures_are_no_recording(tmp_path: Path) -> None:
    out = tmp_path / "demo.mp4"
    seen = phone.Recorded(begin=0.5, pictures=[(1.0, b""), (1.1, b"")])
    with pytest.raises(PipelineError, match=r"the browser gave 1 pictures a second, and 20 are needed"):
        recording.write(seen, 2, out, "no ffmpeg is asked")
    assert not out.exists()


def test_the_text_alternative_says_what_the_page_said(tmp_path: Path) -> None:
    wanted = script.read(written(tmp_path))
    # The film's 0 is SETTLED_S after the camera set out for the first picture.
    said = [
        phone.Said(at, (begin + 1.2 - SETTLED_S) % 3, answer, 29.6, 8.6)
        for at, (begin, answer) in enumerate(((0, ""), (0, "art"), (0, "art"), (1.5, "")))
    ]
    text = recording.describe(wanted, phone.Recorded(said=said))
    assert "over a painting (ART) and a page (none of these);" in text
    assert "30 answers a second, 9 ms at the median" in text
    assert "taught" not in text


def test_the_text_alternative_says_what_was_taught_and_what_came_of_it(tmp_path: Path) -> None:
    taught = {**SHORT["shown"][1], "seconds": 12, "taught": "leaflet"}  # type: ignore[index]
    wanted = script.read(written(tmp_path, shown=[SHORT["shown"][0], taught]))  # type: ignore[index]
    before = [phone.Said(100 + tenth / 10, 1.5 + tenth / 10, "", 30, 9) for tenth in range(60)]
    # Teach takes the place of the charts and their numbers.
    learning = [phone.Said(106 + tenth / 10, 7.5 + tenth / 10, "", math.nan, math.nan) for tenth in range(13)]
    knows = [phone.Said(107.3 + tenth / 10, 8.8 + tenth / 10, "leaflet", math.nan, math.nan) for tenth in range(10)]
    seen = phone.Recorded(said=[*before, *learning, *knows], frames=12, released=106)
    text = recording.describe(wanted, seen)
    assert "a page (none of these);" in text
    assert 'Teach is tapped, "leaflet" is typed and a button is held for 12 frames; 1.3 s later' in text
    assert "a draft of the model says LEAFLET" in text
    assert "30 answers a second, 9 ms at the median" in text
    seen.said = [*before, *learning]
    assert "it is not recognised yet" in recording.describe(wanted, seen)


def test_a_demo_that_teaches_is_really_recorded(tmp_path: Path) -> None:
    first, *_, last = script.read().shown
    shown = [first.model_copy(update={"seconds": 1.5}), last.model_copy(update={"seconds": script.TEACHING_S})]
    photos = sorted(path.name for path in Path("data/images").iterdir())
    out = tmp_path / "demo.mp4"
    # Whether a machine that runs tests, too, gives enough pictures for a film to look at is not asked here.
    program = (
        "import sys; from scripts.demo import recording; recording.LEAST_FPS = 1; "
        "from scripts.demo.__main__ import main; sys.exit(main())"
    )
    command = [
        sys.executable,
        "-c",
        program,
        str(written(tmp_path, shown=[each.model_dump() for each in shown])),
        "-o",
        str(out),
    ]
    done = subprocess.run(command, capture_output=True, text=True, check=False)
    assert done.returncode == 0, done.stderr
    assert f"over {first.called} (" in done.stdout
    text = out.with_suffix(".txt").read_text(encoding="utf-8")
    assert re.search(rf'A hand moves its camera over .* "{last.taught}" is typed .* held for [1-9]\d* frames', text)
    assert sorted(path.name for path in Path("data/images").iterdir()) == photos  # it was taught in a copy
    frames = subprocess.run(
        [tool.find(["mp4"]).path, "-i", str(out), "-f", "rawvideo", "-pix_fmt", "rgb24", "-"],
        capture_output=True,
        check=True,
    ).stdout
    film_seen = np.frombuffer(frames, np.uint8).reshape(-1, 700, 360, 3)
    assert len(film_seen) == round((1.5 + script.TEACHING_S) * 30)
    stage = film_seen[:, 60:280, 60:300].astype(int)
    assert np.abs(stage[30] - stage[5]).mean() > 1  # the picture moves
    assert sorted(path.name for path in tmp_path.iterdir()) == ["demo.mp4", "demo.txt", "demo.yaml"]
