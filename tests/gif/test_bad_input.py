"""What people hand in, and what machines lack: a GIF where one can be made, else one sentence and nothing left."""

import os
import re
import resource
import shutil
import stat
import subprocess
import sys
from collections.abc import Callable, Iterator
from pathlib import Path

import pytest
from PIL import Image

from scripts.gif import tool
from scripts.gif.__main__ import main
from tests.gif import blocks
from tests.gif.conftest import MP4, PACKED, Film
from tests.small_project import ROOT

Said = pytest.CaptureFixture[str]


def refused(said: Said, out: Path, *words: str) -> str:
    """Convert, which must fail; returns the one sentence, and looks that nothing was left."""
    assert main([*words, "-o", str(out / "made" / "a.gif")]) == 1
    error = said.readouterr().err
    sentences = [line for line in error.splitlines() if line.startswith("error: ")]
    assert len(sentences) == 1, error
    assert "Traceback" not in error
    assert not list(out.iterdir()), "nothing is left, not even the folder"
    return sentences[0]


# Nothing to see in it


def test_no_picture_only_sound(film: Film, out: Path, capsys: Said) -> None:
    recording = film("sound.m4a", "-c:a", "aac", picture="sine=d=0.2")
    assert re.search(
        r"no moving picture in it; ffmpeg says: Stream #0:0.* Audio: aac", refused(capsys, out, str(recording))
    )


def test_sound_with_a_cover_is_no_film(film: Film, out: Path, capsys: Said) -> None:
    sound, cover = film("sound.m4a", "-c:a", "aac", picture="sine=d=0.2"), film("cover.png", "-frames:v", "1")
    both = out.parent / "both.m4a"
    how = [
        "-map",
        "0",
        "-map",
        "1",
        "-c:a",
        "copy",
        "-c:v",
        "png",
        "-disposition:v",
        "attached_pic",
        str(both),
    ]
    subprocess.run([PACKED, "-v", "error", "-i", str(sound), "-i", str(cover), *how], check=True)
    said = refused(capsys, out, str(both))
    assert re.search("no moving picture in it; ffmpeg says: .* Audio: aac.*; .* Video: png.*attached pic", said)


def test_zero_bytes(out: Path, tmp_path: Path, capsys: Said) -> None:
    (tmp_path / "empty.mp4").touch()
    assert "empty.mp4: the file is empty" in refused(capsys, out, str(tmp_path / "empty.mp4"))


@pytest.mark.parametrize("content", [b"hello\n", bytes(range(256)) * 40, b"\x00\x00\x00\x18ftypmp42"])
def test_not_a_film(content: bytes, out: Path, tmp_path: Path, capsys: Said) -> None:
    (tmp_path / "x.mp4").write_bytes(content)
    said = refused(capsys, out, str(tmp_path / "x.mp4"))
    assert "x.mp4: this is no film, or it is cut short; ffmpeg says: " in said or "it is cut short" in said


@pytest.mark.parametrize("name", ["nothere.mp4", "."])
def test_no_such_file_or_a_folder(name: str, out: Path, tmp_path: Path, capsys: Said) -> None:
    said = refused(capsys, out, str(tmp_path / name))
    assert "there is no such file" in said or "a folder" in said


@pytest.mark.parametrize(
    ("name", "how"),
    [("begin.mp4", (*MP4, "-movflags", "+faststart")), ("end.mp4", MP4), ("film.mkv", MP4), ("film.avi", ())],
)
def test_truncated(name: str, how: tuple[str, ...], film: Film, out: Path, capsys: Said, each_ffmpeg: None) -> None:
    recording = film(name, *how, picture="testsrc=s=320x240:r=20:d=3")
    whole = recording.read_bytes()
    recording.write_bytes(whole[: len(whole) // 2])
    assert "cut short" in refused(capsys, out, str(recording))


# Unusual, and possible


@pytest.mark.parametrize("tail", [b"written by a camera\n", bytes(20), b"\xff" * 64], ids=["words", "zeros", "ones"])
@pytest.mark.parametrize("how", [(*MP4, "-movflags", "+faststart"), MP4], ids=["begin", "end"])
def test_bytes_after_the_last_box_of_an_mp4_are_left(how: tuple[str, ...], tail: bytes, film: Film, out: Path) -> None:
    recording = film("film.mp4", *how)
    recording.write_bytes(recording.read_bytes() + tail)
    assert main([str(recording), "-o", str(out / "a.gif")]) == 0
    assert len(blocks.read(out / "a.gif").delays) == 20


@pytest.mark.parametrize(
    ("aspect", "turn", "size"),
    [("2/1", 0, (320, 120)), ("1/2", 0, (160, 240)), ("2/1", 90, (120, 320))],
)
def test_pixels_that_are_no_squares_are_shown_as_a_player_does(
    aspect: str, turn: int, size: tuple[int, int], film: Film, out: Path, each_ffmpeg: None
) -> None:
    recording = film("stretched.mp4", "-vf", f"setsar={aspect}", *MP4)
    if turn:
        turned = recording.with_name("turned.mp4")
        how = ["-display_rotation", str(turn), "-i", str(recording), "-c", "copy", str(turned)]
        subprocess.run([PACKED, "-v", "error", *how], check=True)
        recording = turned
    assert main([str(recording), "-o", str(out / "a.gif"), "crop.bottom=20"]) == 0
    assert blocks.read(out / "a.gif").size == (size[0], size[1] - 20)


def test_one_frame(film: Film, out: Path, each_ffmpeg: None) -> None:
    recording = film("one.mp4", *MP4, "-frames:v", "1")
    assert main([str(recording), "-o", str(out / "a.gif")]) == 0
    assert len(blocks.read(out / "a.gif").delays) == 1


def test_a_tenth_of_a_second(film: Film, out: Path, each_ffmpeg: None) -> None:
    recording = film("short.mp4", *MP4, picture="testsrc=s=160x120:r=30:d=0.1")
    assert main([str(recording), "-o", str(out / "a.gif")]) == 0
    assert 1 <= len(blocks.read(out / "a.gif").delays) <= 3


def test_4k_at_60_frames(film: Film, out: Path, each_ffmpeg: None) -> None:
    recording = film("4k.mp4", *MP4, picture="color=red:s=3840x2160:r=60:d=0.3")
    assert main([str(recording), "-o", str(out / "a.gif")]) == 0
    made = blocks.read(out / "a.gif")
    assert made.size == (337, 190)
    assert len(made.delays) == 6


@pytest.mark.parametrize("turn", [90, -90, 180])
def test_rotation_flag_of_a_phone(turn: int, film: Film, out: Path, each_ffmpeg: None) -> None:
    lying = film(picture="color=red:s=160x120:r=20:d=0.3,drawbox=w=40:color=blue:t=fill")
    turned = lying.with_name("turned.mp4")
    how = ["-display_rotation", str(turn), "-i", str(lying), "-c", "copy", str(turned)]
    subprocess.run([PACKED, "-v", "error", *how], check=True)
    assert main([str(turned), "-o", str(out / "a.gif"), "crop.bottom=20"]) == 0
    size = blocks.read(out / "a.gif").size
    assert size == ((160, 100) if turn == 180 else (120, 140)), "20 pixels off what is the bottom when it is shown"


def test_variable_frame_rate_keeps_its_time(film: Film, out: Path, each_ffmpeg: None) -> None:
    times = "setpts='if(lt(N,10),N/20,0.5+(N-10)*0.3)/TB'"
    recording = film("vfr.mp4", "-vf", times, "-fps_mode", "vfr", *MP4, picture="testsrc=s=160x120:r=20:d=0.7")
    assert main([str(recording), "-o", str(out / "a.gif")]) == 0
    assert 140 <= sum(blocks.read(out / "a.gif").delays) <= 180


def test_10_bit_hdr_is_not_washed_out(film: Film, out: Path, each_ffmpeg: None, ffmpeg: tool.Ffmpeg) -> None:
    marks = "setparams=color_primaries=bt2020:color_trc=smpte2084:colorspace=bt2020nc"
    # A white of 100 cd/m² has the code 0.51 of the curve that HDR has (SMPTE ST 2084).
    grey = f"color=0x828282:s=160x120:r=20:d=0.3,format=yuv420p10le,{marks}"
    recording = film("hdr.mkv", "-c:v", "ffv1", picture=grey)
    assert main([str(recording), "-o", str(out / "a.gif")]) == 0
    with Image.open(out / "a.gif") as gif:
        level = gif.convert("L").resize((1, 1)).tobytes()[0]
    # Half of the light of white paper, where the curve is known to ffmpeg; its code, 128, would be a dull grey.
    assert level > 160 or not ffmpeg.tonemaps


def test_alpha_lies_on_white(film: Film, out: Path, each_ffmpeg: None) -> None:
    recording = film("alpha.mov", "-c:v", "qtrle", picture="color=red@0.0:s=160x120:r=20:d=0.3,format=rgba")
    assert main([str(recording), "-o", str(out / "a.gif")]) == 0
    with Image.open(out / "a.gif") as gif:
        assert gif.convert("RGBA").getpixel((80, 60)) == (255, 255, 255, 255)


def test_odd_sizes(film: Film, out: Path, each_ffmpeg: None) -> None:
    recording = film("odd.mkv", "-c:v", "ffv1", picture="testsrc=s=161x121:r=20:d=0.3")
    assert main([str(recording), "-o", str(out / "a.gif")]) == 0
    assert blocks.read(out / "a.gif").size == (161, 121)


def test_matroska_without_a_duration(film: Film, out: Path, each_ffmpeg: None) -> None:
    """As a recorder leaves it that was killed."""
    recording = film("live.mkv", *MP4, "-live", "1", "-f", "matroska", picture="testsrc=s=160x120:r=20:d=1")
    assert main([str(recording), "-o", str(out / "a.gif"), "--from", "0.5"]) == 0
    assert len(blocks.read(out / "a.gif").delays) == 10


@pytest.mark.parametrize(
    "name", ["two words.mp4", "Überblick größer.mp4", "-dash.mp4", "a:b%03d'c.mp4", "key=value.mp4"]
)
def test_names(name: str, film: Film, out: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    recording = film(name)
    conf = ROOT / "conf"
    monkeypatch.chdir(recording.parent)  # so that a leading dash leads
    (recording.parent / "conf").symlink_to(conf)
    assert main(["-o", f"{out}/", f"./{name}"]) == 0
    assert blocks.read(out / f"{Path(name).stem}.gif").size == (160, 120)


# Settings that can't be


@pytest.mark.parametrize(
    ("setting", "sentence"),
    [
        ("crop.top=200", "the crop (top 200, bottom 0, left 0, right 0) leaves nothing of 160 x 120 pixels"),
        ("crop={left:150}", "leaves nothing of 160 x 120"),
        ("crop.top=-5", "crop.top: Input should be greater than or equal to 0 (it is -5)"),
        ("crop=everything", "'auto'"),
        ("width=0", "width: Input should be greater than or equal to 16 (it is 0)"),
        ("width=-337", "width: "),
        ("colours=1", "colours: Input should be greater than or equal to 2 (it is 1)"),
        ("colours=257", "colours: Input should be less than or equal to 256 (it is 257)"),
        ("fps=0", "fps: "),
        ("speed=0", "speed: "),
        ("dither=ordered", "dither: Input should be 'none', 'bayer'"),
        ("siblings=[avi]", "'mp4' or 'avif'"),
        ("color=12", "'color=12' is no setting; they are start, end"),
        ("fps=[", "fps=[: can't be read ("),
    ],
)
def test_setting_out_of_range(setting: str, sentence: str, film: Film, out: Path, capsys: Said) -> None:
    assert sentence in refused(capsys, out, str(film()), setting)


@pytest.mark.parametrize(
    ("option", "value", "sentence"),
    [
        ("--preset", "best", "there is no preset 'best'; there are blog, camera"),
        ("--max-bytes", "small", "max_bytes: a size is a number of bytes"),
        ("--max-bytes", "0", "max_bytes: "),
        ("--from", "soon", "start: a time is seconds"),
        ("--from", "7", "it is 1.00 s long, so it can't start at 7 s"),
        ("--to", "0", "it ends at 0 s, before it starts at 0 s"),
        ("--siblings", "mp3", "'mp4' or 'avif'"),
    ],
)
def test_option_out_of_range(option: str, value: str, sentence: str, film: Film, out: Path, capsys: Said) -> None:
    assert sentence in refused(capsys, out, str(film()), option, value)


# The disk


def test_folder_that_is_a_file(film: Film, tmp_path: Path, capsys: Said) -> None:
    (tmp_path / "file").touch()
    assert main([str(film()), "-o", str(tmp_path / "file" / "a.gif")]) == 1
    assert "a.gif can't be written" in capsys.readouterr().err


def test_unwritable_folder(film: Film, out: Path, capsys: Said, monkeypatch: pytest.MonkeyPatch) -> None:
    def denied(**_: object) -> str:
        raise PermissionError(13, "Permission denied")

    # By hand, as nothing is denied to root.
    monkeypatch.setattr("tempfile.mkdtemp", denied)
    assert "a.gif can't be written (Permission denied)" in refused(capsys, out, str(film()))


@pytest.fixture
def small_disk(tmp_path: Path) -> Iterator[Path]:
    """A disk of 64 kB."""
    disk = tmp_path / "disk"
    disk.mkdir()
    mount = ["mount", "-t", "tmpfs", "-o", "size=64k", "tmpfs", str(disk)]
    if shutil.which("mount") is None or subprocess.run(mount, capture_output=True, check=False).returncode:
        pytest.skip("only root may mount a small disk; the limit of a file's size is tested in any case")
    yield disk
    subprocess.run(["umount", str(disk)], check=True)


def test_full_disk(small_disk: Path, film: Film, capsys: Said) -> None:
    recording = film(picture="testsrc2=s=320x240:r=20:d=2")
    assert main([str(recording), "-o", str(small_disk / "a.gif")]) == 1
    assert "film.mp4: the disk is full" in capsys.readouterr().err
    assert not list(small_disk.iterdir())


def test_file_that_may_not_grow(film: Film, out: Path) -> None:
    """A quota, or a limit of the process: ffmpeg is ended by the system while it writes."""
    recording = film(picture="testsrc2=s=320x240:r=20:d=2")
    done = subprocess.run(
        [sys.executable, "-m", "scripts.gif", str(recording), "-o", str(out / "a.gif")],
        cwd=ROOT,
        capture_output=True,
        text=True,
        check=False,
        preexec_fn=lambda: resource.setrlimit(resource.RLIMIT_FSIZE, (20_000, 20_000)),
    )
    assert done.returncode == 1
    assert "error: " in done.stderr
    assert "film.mp4" in done.stderr
    assert "Traceback" not in done.stderr
    assert not list(out.iterdir())


# ffmpeg


@pytest.fixture
def program(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Callable[[str], Path]:
    """Writes a program called ffmpeg, of the shell's ``text``, which the converter then tries first."""

    def write(text: str) -> Path:
        path = tmp_path / "bin" / "ffmpeg"
        path.parent.mkdir()
        path.write_text(f"#!/bin/sh\n{text}\n", encoding="utf-8")
        path.chmod(path.stat().st_mode | stat.S_IXUSR)
        monkeypatch.setenv("IMAGEIO_FFMPEG_EXE", str(path))
        monkeypatch.setenv("PATH", f"{path.parent}:/bin")
        return path

    return write


def test_no_ffmpeg_at_all(film: Film, out: Path, capsys: Said, monkeypatch: pytest.MonkeyPatch) -> None:
    recording = film()
    monkeypatch.setitem(sys.modules, "imageio_ffmpeg", None)
    monkeypatch.setenv("PATH", str(out))
    said = refused(capsys, out, str(recording))
    assert "there is no ffmpeg; install the package that carries one (`pip install imageio-ffmpeg`)" in said


def test_packed_ffmpeg_comes_before_the_machines(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    (tmp_path / "ffmpeg").symlink_to(PACKED)
    monkeypatch.setenv("PATH", f"{tmp_path}:{os.environ['PATH']}")
    assert tool.find().path == PACKED


def test_machines_ffmpeg_is_taken_where_none_is_packed(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    (tmp_path / "ffmpeg").symlink_to(PACKED)
    monkeypatch.setenv("PATH", f"{tmp_path}:{os.environ['PATH']}")
    monkeypatch.setitem(sys.modules, "imageio_ffmpeg", None)
    assert tool.find().path == str(tmp_path / "ffmpeg")


def test_ffmpeg_without_a_filter_is_passed_over_and_named(
    film: Film, out: Path, capsys: Said, program: Callable[[str], Path], monkeypatch: pytest.MonkeyPatch
) -> None:
    recording = film()
    poor = program(f'"{PACKED}" "$@" | {shutil.which("grep")} -v palette')
    (poor.parent.parent / "good").mkdir()
    (poor.parent.parent / "good" / "ffmpeg").symlink_to(PACKED)
    monkeypatch.setenv("PATH", f"{poor.parent.parent}/good")
    assert tool.find().path == str(poor.parent.parent / "good" / "ffmpeg")
    monkeypatch.setenv("PATH", str(out))
    assert f"{poor} lacks the filter palettegen, the filter paletteuse" in refused(capsys, out, str(recording))


@pytest.mark.parametrize(
    ("edit", "note"),
    [
        ("s/version n\\?[0-9.]*/version 4.4/", "tested were 5.1 and 9.0"),
        ("s/zscale/zzzzzz/", "it lacks zscale, so HDR films look dull"),
    ],
)
def test_what_an_ffmpeg_cannot_do_is_said(
    edit: str, note: str, film: Film, out: Path, capsys: Said, program: Callable[[str], Path]
) -> None:
    recording = film()
    program(f'case "$*" in *-progress*) exec "{PACKED}" "$@";; esac; "{PACKED}" "$@" | sed "{edit}"')
    assert main([str(recording), "-o", str(out / "a.gif")]) == 0
    assert note in capsys.readouterr().err


def test_nothing_is_noted_of_a_tested_ffmpeg(ffmpeg: tool.Ffmpeg) -> None:
    assert str(ffmpeg).endswith(f"({PACKED})")


def test_ffmpeg_that_does_not_run(film: Film, out: Path, capsys: Said, program: Callable[[str], Path]) -> None:
    recording = film()
    broken = program("exit 3")
    assert f"{broken} does not run" in refused(capsys, out, str(recording))


def test_ffmpeg_that_fails_is_quoted(film: Film, out: Path, capsys: Said, program: Callable[[str], Path]) -> None:
    recording = film()
    program(
        f"""case "$*" in *-progress*)
            echo "[gif @ 0x5581] Something broke in a way that matters" >&2
            echo "Conversion failed!" >&2; exit 1;;
        esac
        exec "{PACKED}" "$@" """
    )
    said = refused(capsys, out, str(recording))
    assert said.endswith("film.mp4: ffmpeg says: Something broke in a way that matters")
