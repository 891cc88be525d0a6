"""Pictures as they came from the browser, to a film with a steady rate; and what is seen in it, in words."""

import tempfile
from collections import Counter
from collections.abc import Iterator
from math import isfinite
from pathlib import Path
from statistics import median
from typing import Final

from pipeline.core import files
from pipeline.core.errors import PipelineError
from scripts.demo.film import encode
from scripts.demo.hand import SETTLED_S, WAY_S
from scripts.demo.phone import Recorded
from scripts.demo.script import Script

FPS: Final = 30  # as the camera's
LEAST_FPS: Final = 20  # pictures that the browser has to give
AFTER_S: Final = 0.5  # once the camera has arrived, the words take a moment


def steady(recorded: Recorded, seconds: float) -> Iterator[bytes]:
    """The picture that was shown at each of ``seconds`` * `FPS` moments."""
    index, pictures = 0, recorded.pictures
    for number in range(round(seconds * FPS)):
        moment = recorded.begin + number / FPS
        while index + 1 < len(pictures) and pictures[index + 1][0] <= moment:
            index += 1
        yield pictures[index][1]


def rate(recorded: Recorded, seconds: float) -> float:
    """Different pictures a second that the browser gave."""
    inside = [when for when, _ in recorded.pictures if 0 <= when - recorded.begin < seconds]
    return len(inside) / seconds


def write(recorded: Recorded, seconds: float, out: Path, ffmpeg: str) -> None:
    """Write an MP4 to ``out``, whole or not at all.

    Raises:
        PipelineError: the browser gave too few pictures for a film to look at, or ffmpeg failed.
    """
    if (came := rate(recorded, seconds)) < LEAST_FPS:
        raise PipelineError(
            f"the browser gave {came:.0f} pictures a second, and {LEAST_FPS} are needed; record on a quieter machine"
        )
    # Stated, as players guess otherwise: JPEG's matrix and range to those of a film.
    colours = "scale=out_color_matrix=bt709:out_range=tv,format=yuv420p"
    how = ["-vf", colours, "-colorspace", "bt709", "-color_primaries", "bt709", "-color_trc", "bt709"]
    how += ["-c:v", "libx264", "-crf", "18", "-preset", "slow", "-movflags", "+faststart"]
    with tempfile.TemporaryDirectory(prefix="demo-") as folder:
        shown, film = Path(folder) / "shown.mjpeg", Path(folder) / "demo.mp4"
        shown.write_bytes(b"".join(steady(recorded, seconds)))
        encode([ffmpeg, "-f", "mjpeg", "-framerate", str(FPS), "-i", str(shown), *how], film)
        files.write_bytes(out, film.read_bytes())


def answers(script: Script, recorded: Recorded) -> list[str]:
    """What the page said of each picture, for most of the time that the camera was held at it; empty for none.

    What it said after it was taught does not count.
    """
    found = []
    for shown, begin in zip(script.shown, script.begins, strict=True):
        while_seen = Counter(
            said.answer
            for said in recorded.said
            if said.at < recorded.released
            and WAY_S + AFTER_S <= (said.film + SETTLED_S - begin) % script.seconds < shown.seconds
        )
        found.append(while_seen.most_common(1)[0][0] if while_seen else "")
    return found


def describe(script: Script, recorded: Recorded) -> str:
    """The text alternative: what is seen, as it was seen."""
    words = [answer.upper() if answer else "none of these" for answer in answers(script, recorded)]
    seen = [f"{shown.called} ({word})" for shown, word in zip(script.shown, words, strict=True)]
    told = [said for said in recorded.said if isfinite(said.rate)]
    speed = median(said.rate for said in told)
    return (
        f"A page on a phone. A hand moves its camera over {', '.join(seen[:-1])} and {seen[-1]}; the word for what is "
        f"seen lights up at once. {_lesson(script.shown[-1].taught, recorded)}Below, a chart of the last half minute "
        f"runs for what was seen and one for the time that each answer took: {speed:.0f} answers a second, "
        f"{told[-1].median:.0f} ms at the median."
    )


def _lesson(label: str, recorded: Recorded) -> str:
    """What was taught and what came of it: a sentence, where something was."""
    if not label:
        return ""
    after = [said for said in recorded.said if said.at > recorded.released]
    waited = next((said.at - recorded.released for said in after if said.answer == label), None)
    came = f"{waited:.1f} s later a draft of the model says {label.upper()}" if waited else "it is not recognised yet"
    return f'Then Teach is tapped, "{label}" is typed and a button is held for {recorded.frames} frames; {came}. '
