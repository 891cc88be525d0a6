"""A recording becomes a GIF: the presets, what can be set, and what lies beside it."""

import subprocess
from pathlib import Path

import pytest
from PIL import Image

from scripts.gif import settings, tool
from scripts.gif.__main__ import main
from tests.gif import blocks
from tests.gif.conftest import Film

both_ffmpegs = pytest.mark.usefixtures("each_ffmpeg")

# The blog post's command, as it would be typed.
RECIPE = (
    "fps=20,crop=in_w:in_h-90:0:65,scale=337:-1:flags=lanczos,split[a][b];"
    "[a]palettegen=max_colors=37:reserve_transparent=0:stats_mode=single[p];[b][p]paletteuse=dither=sierra2"
)


def bare(ffmpeg: tool.Ffmpeg, film: Path, recipe: str = RECIPE) -> bytes:
    """The bytes that ``ffmpeg`` alone makes of ``film``."""
    made = film.with_suffix(".bare.gif")
    command = [
        ffmpeg.path,
        "-v",
        "error",
        "-i",
        str(film),
        "-filter_complex",
        recipe,
        "-map_metadata",
        "-1",
        "-loop",
        "0",
    ]
    subprocess.run([*command, str(made)], check=True, stdin=subprocess.DEVNULL)
    return made.read_bytes()


@both_ffmpegs
def test_blog_has_the_bytes_of_the_bare_command(film: Film, out: Path, ffmpeg: tool.Ffmpeg) -> None:
    recording = film(picture="testsrc=s=400x300:r=30:d=1")
    assert main([str(recording), "-o", str(out / "a.gif"), "--preset", "blog"]) == 0
    assert (out / "a.gif").read_bytes() == bare(ffmpeg, recording)


@both_ffmpegs
def test_per_frame_has_a_palette_for_each_frame_and_blog_one(film: Film, out: Path, ffmpeg: tool.Ffmpeg) -> None:
    recording = film(picture="gradients=s=400x300:r=20:d=1:speed=0.2:seed=1")
    for preset in ("blog", "per_frame"):
        assert main([str(recording), "-o", str(out / f"{preset}.gif"), "--preset", preset]) == 0
    blog, per_frame = (blocks.read(out / f"{preset}.gif") for preset in ("blog", "per_frame"))
    assert len(blog.delays) == len(per_frame.delays) == 20
    assert blog.palettes <= 1  # ffmpeg 5.1 gives the first frame a copy of its own
    assert per_frame.palettes >= 19  # the first may be the GIF's own
    assert (out / "per_frame.gif").read_bytes() == bare(ffmpeg, recording, RECIPE + ":new=1")


@both_ffmpegs
@pytest.mark.parametrize("preset", settings.presets())
def test_every_preset_makes_a_gif_of_a_film(preset: str, film: Film, out: Path) -> None:
    recording = film("film.mp4", picture="testsrc=s=160x240:r=20:d=0.4")
    assert main([str(recording), "-o", str(out), "--preset", preset]) == 0
    made = blocks.read(out / "film.gif")
    assert made.loop == 0, "it is repeated for ever"
    assert made.comments == 0


@pytest.mark.parametrize("preset", settings.presets())
def test_every_preset_says_when_to_use_it(preset: str) -> None:
    first = (settings.PRESETS / f"{preset}.yaml").read_text(encoding="utf-8").splitlines()[0]
    assert first.startswith("# ")
    assert len(first) > 30


@both_ffmpegs
def test_what_is_set_is_what_is_made(film: Film, out: Path) -> None:
    recording = film(picture="testsrc=s=160x120:r=20:d=4")
    given = [
        "width=80",
        "fps=10",
        "speed=2",
        "loop=3",
        "hold=2",
        "crop.top=20",
        "crop.left=10",
        "crop.right=30",
    ]
    assert main([str(recording), "-o", str(out / "a.gif"), "--from", "0:01", "--to", "3", *given]) == 0
    made = blocks.read(out / "a.gif")
    assert made.size == (80, 67)  # of 120 x 100
    assert made.delays == [10] * 9 + [210]  # 2 s at double speed, the last frame 2 s longer
    assert made.loop == 3


@both_ffmpegs
def test_a_gif_that_is_not_repeated_has_no_loop(film: Film, out: Path) -> None:
    assert main([str(film()), "-o", str(out / "a.gif"), "loop=-1"]) == 0
    assert blocks.read(out / "a.gif").loop is None


def test_a_narrow_recording_is_not_enlarged_unless_it_is_asked_for(film: Film, out: Path) -> None:
    recording = film()
    for name, enlarge in (("own", "false"), ("large", "true")):
        assert main([str(recording), "-o", str(out / f"{name}.gif"), "width=200", f"enlarge={enlarge}"]) == 0
    assert blocks.read(out / "own.gif").size == (160, 120)
    assert blocks.read(out / "large.gif").size == (200, 150)


def test_text_alternative_lies_beside_it(film: Film, out: Path) -> None:
    recording = film()
    assert main([str(recording), "-o", str(out / "known.gif")]) == 0
    assert (out / "known.txt").read_text(
        encoding="utf-8"
    ) == "Recording “film”, 1 seconds, 160 x 120 pixels, no sound.\n"
    recording.with_suffix(".txt").write_text("A clock runs.\n", encoding="utf-8")
    assert main([str(recording), "-o", str(out / "beside.gif")]) == 0
    assert (out / "beside.txt").read_text(encoding="utf-8") == "A clock runs.\n"
    assert main([str(recording), "-o", str(out / "told.gif"), "--alt", "Colours, and a number"]) == 0
    assert (out / "told.txt").read_text(encoding="utf-8") == "Colours, and a number\n"


def test_text_beside_a_recording_is_kept_when_the_gif_lies_there_too(film: Film) -> None:
    recording = film()
    text = recording.with_suffix(".txt")
    text.write_text("A clock runs.\n", encoding="utf-8")
    assert main([str(recording)]) == 0
    assert recording.with_suffix(".gif").exists()
    assert text.read_text(encoding="utf-8") == "A clock runs.\n"


@both_ffmpegs
def test_siblings_show_the_same(film: Film, out: Path) -> None:
    recording = film("film.mkv", "-c:v", "ffv1", picture="testsrc=s=161x121:r=20:d=1")
    assert main([str(recording), "-o", str(out / "a.gif"), "--siblings", "mp4,avif", "hold=1"]) == 0
    assert sorted(path.name for path in out.iterdir()) == [
        "a.avif",
        "a.gif",
        "a.mp4",
        "a.txt",
    ]
    gif = blocks.read(out / "a.gif").size
    with Image.open(out / "a.avif") as avif:
        assert avif.size == (gif[0] // 2 * 2, gif[1] // 2 * 2)
        assert getattr(avif, "n_frames", 1) > 1
    assert b"moov" in (out / "a.mp4").read_bytes()[:4096], "a player can begin before it has all of it"


@both_ffmpegs
def test_avif_is_held_as_the_gif_is(film: Film, out: Path) -> None:
    recording = film("flat.mkv", "-c:v", "ffv1", picture="testsrc=s=160x120:r=5:d=1")
    assert main([str(recording), "-o", str(out), "--siblings", "avif", "fps=5", "hold=2"]) == 0
    with Image.open(out / "flat.avif") as avif:
        assert getattr(avif, "n_frames", 1) == 5 * (1 + 2)


def test_mp4_of_an_odd_size_is_as_sharp_as_the_film(film: Film, out: Path, ffmpeg: tool.Ffmpeg) -> None:
    lines = "nullsrc=s=161x121:r=5:d=1,format=gray,geq='255*mod(X,2)'"
    recording = film("lines.mkv", "-c:v", "ffv1", picture=lines)
    assert main([str(recording), "-o", str(out), "--siblings", "mp4"]) == 0
    command = [ffmpeg.path, "-v", "error", "-i", str(out / "lines.mp4"), "-frames:v", "1", "-f", "rawvideo"]
    done = subprocess.run([*command, "-pix_fmt", "gray", "-"], capture_output=True, check=True)
    assert len(done.stdout) == 160 * 120
    assert set(done.stdout[:2]) <= {*range(10), *range(245, 256)}
    assert min(done.stdout) < 10
    assert max(done.stdout[40:120]) > 245


def test_denoising_leaves_a_scaled_film_its_colours(film: Film, out: Path) -> None:
    stripes = "color=red:s=320x240:r=5:d=1,format=yuv420p,drawgrid=w=4:h=400:t=2:c=blue"
    recording = film("stripes.mkv", "-c:v", "ffv1", "-pix_fmt", "yuv420p", picture=stripes)
    assert main([str(recording), "-o", str(out), "width=160", "denoise=0.1"]) == 0
    with Image.open(out / "stripes.gif") as gif:
        row = [gif.convert("RGB").getpixel((x, 60)) for x in (80, 81)]
    spread = [max(values) - min(values) for values in zip(*row, strict=True)]
    assert min(spread[0], spread[2]) > 150, f"red and blue are {row}"


def test_a_file_that_is_there_is_kept_unless_told_otherwise(
    film: Film, out: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    recording = film()
    (out / "a.gif").write_text("mine", encoding="utf-8")
    assert main([str(recording), "-o", str(out / "a.gif")]) == 1
    assert "--force" in capsys.readouterr().err
    assert (out / "a.gif").read_text(encoding="utf-8") == "mine"
    assert [path.name for path in out.iterdir()] == ["a.gif"]
    assert main([str(recording), "-o", str(out / "a.gif"), "--force"]) == 0
    assert len(blocks.read(out / "a.gif").delays) == 20


@pytest.mark.parametrize("there", [["a.gif", "a.mp4"], ["a.mp4"], []])
def test_what_was_replaced_before_a_failure_is_put_back_and_the_culprit_named(
    there: list[str],
    film: Film,
    out: Path,
    capsys: pytest.CaptureFixture[str],
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    for name in there:
        (out / name).write_text("mine", encoding="utf-8")
    rename = Path.replace

    def replace(path: Path, target: Path) -> Path:
        if target.name == "a.txt":  # the last one
            raise PermissionError(13, "Permission denied")
        return rename(path, target)

    recording = film()
    monkeypatch.setattr(Path, "replace", replace)
    assert main([str(recording), "-o", str(out / "a.gif"), "--siblings", "mp4", "--force"]) == 1
    assert "a.txt can't be written (Permission denied)" in capsys.readouterr().err
    assert {path.name: path.read_text(encoding="utf-8") for path in out.iterdir()} == dict.fromkeys(there, "mine")


def test_a_recording_is_never_replaced_by_what_is_made_of_it(film: Film, capsys: pytest.CaptureFixture[str]) -> None:
    recording = film()
    before = recording.read_bytes()
    assert main([str(recording), "--siblings", "mp4", "--force"]) == 1
    assert "the recording's own place" in capsys.readouterr().err
    assert recording.read_bytes() == before
    assert not recording.with_suffix(".gif").exists()


def test_progress_names_each_pass(film: Film, out: Path, capsys: pytest.CaptureFixture[str]) -> None:
    assert main([str(film()), "-o", str(out / "a.gif"), "--siblings", "mp4"]) == 0
    said = capsys.readouterr().err
    for step in ("reading the recording", "choosing the colours", "writing the GIF", "writing the mp4"):
        assert step in said


def test_help_names_every_preset_and_setting(capsys: pytest.CaptureFixture[str]) -> None:
    with pytest.raises(SystemExit) as ended:
        main(["--help"])
    assert ended.value.code == 0
    said = capsys.readouterr().out
    for name in (*settings.presets(), *settings.GifSettings.model_fields):
        assert name in said
