"""The best-looking GIF that fits into so many bytes.

The settings of the preset are tried first. If they don't fit, a sample of the film tells what each saving (dither and
colours, gifsicle's lossy mode, frame rate, width) costs in looks and brings in bytes. Both add up well enough to
rank all combinations; the best that should fit are then made of the whole film, and what they really weigh corrects
the ranking.
"""

import itertools
import math
import subprocess
from collections.abc import Iterable, Mapping
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any

from . import graph, passes, quality, run, tool
from .errors import BudgetError, FfmpegError
from .passes import Job, Picture
from .progress import Progress
from .settings import GifSettings, spell_bytes

RATES = (0.75, 0.5)  # of the preset's
WIDTHS = (0.85, 0.7, 0.55, 0.4)
COLOURS = (0.5, 0.25)
LOSSY = (20, 40, 80)  # of gifsicle, where it is there
SLOWEST, NARROWEST, FEWEST = 6.0, 120, 16  # nothing below is worth looking at
WHOLE_TRIES = 5  # of the whole film, after the preset itself
SAMPLE_FRAMES = 60
SPANS = 3
AIM = 0.97  # of the budget, as the ranking is an estimate
HOPE = 1.25  # of the budget, when nothing better is left that should fit: the estimate may be too high
NEAR = 0.9  # of the budget: not worth another try


@dataclass(frozen=True)
class Way:
    """A way to make the GIF: settings, and how much gifsicle may lose (0: it is not used)."""

    settings: GifSettings
    lossy: int = 0

    def but(self, changes: Mapping[str, Any]) -> "Way":
        """The same with ``changes`` to its settings, or to ``lossy``."""
        settings = {key: value for key, value in changes.items() if key != "lossy"}
        return Way(self.settings.model_copy(update=settings), changes.get("lossy", self.lossy))

    def __str__(self) -> str:
        s = self.settings
        dither = f"bayer {s.bayer_scale}" if s.dither == "bayer" else s.dither
        text = f"{s.colours} colours ({s.palette}), dither {dither}, {s.fps:g} fps, {s.width} px"
        return f"{text}, gifsicle lossy {self.lossy}" if self.lossy else text


@dataclass(frozen=True)
class Try:
    """A way that was tried: bytes, and how it looks (`quality.looks`), of a sample or of the whole film."""

    way: Way
    bytes: int
    looks: float
    whole: bool

    def __str__(self) -> str:
        return f"{self.way}: {spell_bytes(self.bytes)}{'' if self.whole else ' (sample)'}, looks {self.looks:.3f}"


@dataclass(frozen=True)
class Found:
    """The winner, everything that was tried, and why this one."""

    picture: Picture
    way: Way
    tries: tuple[Try, ...]
    why: str


@dataclass(frozen=True)
class _Saving:
    """What ``changes`` do by themselves: the logarithm of their part of the bytes, and the looks they cost."""

    changes: Mapping[str, Any]
    bytes: float
    looks: float


@dataclass(frozen=True)
class _Guess:
    """What a way will probably give: the natural logarithm of its bytes, and its looks."""

    way: Way
    bytes: float
    looks: float


class Search:
    """One search over one recording whose frames were kept for the preset's settings."""

    def __init__(self, job: Job, kept: Path, settings: GifSettings, budget: int) -> None:
        self._job = replace(
            job, progress=Progress()
        )  # of some hundred short passes; each try is a line instead
        self._say = job.progress.say
        self._kept, self._of, self._budget = kept, settings, budget
        self._gifsicle = tool.gifsicle()
        self._tries: list[Try] = []
        self._best: tuple[Try, Picture] | None = None
        self._size = (0, 0)  # of the preset's GIF, which all are compared at

    def find(self, first: Picture) -> Found:
        """``first`` is the GIF of the preset's own settings, which is too large.

        Raises:
            BudgetError: nothing fits; the text says what the smallest was.
        """
        self._size = (first.width, first.height)
        start = self._start(first)
        base = self._try(start, whole=True, made=first if start.settings == self._of else None)
        ranked = self._ranked(start, base, self._sample(first))
        self._choose(ranked)
        if self._best is None:
            self._try(min(ranked, key=lambda row: row.bytes).way, whole=True)
        if self._best is None:
            least = min((tried for tried in self._tries if tried.whole), key=lambda tried: tried.bytes)
            raise BudgetError(
                f"{self._job.recording.path}: nothing worth looking at fits into {self._budget} bytes; "
                f"the smallest was {least.bytes} bytes ({least.way}). Take a shorter part (--from, --to), "
                "a higher speed=…, or more bytes"
            )
        best, picture = self._best
        return Found(picture, best.way, tuple(self._tries), self._why(best, base))

    def _start(self, first: Picture) -> Way:
        """The preset with its real width, and a palette of all frames: one of each frame can't be made smaller."""
        self._of = self._of.model_copy(update={"width": first.width})
        return Way(self._of.model_copy(update={"palette": "diff"}) if self._of.streams else self._of)

    def _ranked(self, start: Way, base: Try, sample: Path | None) -> list[_Guess]:
        """All combinations of savings, as what each does alone to the ``sample`` lets expect of the whole film."""
        alone = self._try(start, sample) if sample else base
        axes = [
            [_Saving({}, 0, 0), *(self._effect(start, alone, changes, sample) for changes in axis)]
            for axis in self._axes(start)
        ]
        ranked = []
        for savings in itertools.product(*axes):
            way = start
            for saving in savings:
                way = way.but(saving.changes)
            size = math.log(base.bytes) + sum(saving.bytes for saving in savings)
            ranked.append(_Guess(way, size, base.looks - sum(saving.looks for saving in savings)))
        return ranked

    def _effect(self, start: Way, alone: Try, changes: Mapping[str, Any], sample: Path | None) -> _Saving:
        tried = self._try(start.but(changes), sample)
        return _Saving(changes, math.log(tried.bytes / alone.bytes), alone.looks - tried.looks)

    def _axes(self, start: Way) -> list[list[dict[str, Any]]]:
        """Savings of four kinds, of which one each can be had: colours and dither, gifsicle's, frame rate, width."""
        s = start.settings
        numbers = [int(number) for number in _steps(COLOURS, s.colours, FEWEST)]
        dithers = list(dict.fromkeys([(s.dither, s.bayer_scale), ("none", s.bayer_scale), ("bayer", 5)]))
        codings = [
            {"colours": number, "dither": dither, "bayer_scale": scale}
            for number, (dither, scale) in itertools.product(numbers, dithers)
        ]
        lossy = [{"lossy": much} for much in LOSSY] if self._gifsicle else []
        rates = [{"fps": rate} for rate in _steps(RATES, s.fps, SLOWEST)[1:]]
        widths = [{"width": int(width)} for width in _steps(WIDTHS, self._size[0], NARROWEST)[1:]]
        return [codings[1:], lossy, rates, widths]

    def _choose(self, ranked: list[_Guess]) -> None:
        """Make the best-looking that should fit, of the whole film, and correct the estimate by each."""
        correction = 0.0
        done: set[Way] = set()
        for _ in range(WHOLE_TRIES):
            least = self._best[0].looks if self._best else -math.inf
            better = [guess for guess in ranked if guess.looks > least and guess.way not in done]
            for aim in (AIM, HOPE):
                most = math.log(aim * self._budget) - correction
                if fitting := [guess for guess in better if guess.bytes <= most]:
                    break
            else:
                return
            guess = max(fitting, key=lambda guess: guess.looks)
            done.add(guess.way)
            correction = math.log(self._try(guess.way, whole=True).bytes) - guess.bytes
            if self._best and self._best[0].bytes >= NEAR * self._budget:
                return

    def _sample(self, first: Picture) -> Path | None:
        """Parts from all over the film, `SAMPLE_FRAMES` in all; None where the film is not much longer."""
        if first.frames <= 1.5 * SAMPLE_FRAMES:
            return None
        length = SAMPLE_FRAMES / SPANS / self._of.fps
        step = (first.seconds - length) / (SPANS - 1)
        path = self._job.scratch / "sample.nut"
        spans = [(step * number, step * number + length) for number in range(SPANS)]
        run.ffmpeg(
            graph.command(graph.sample(self._kept, spans, path), self._job.ffmpeg.path),
            self._job.recording.path,
        )
        return path

    def _try(
        self, way: Way, sample: Path | None = None, *, whole: bool = False, made: Picture | None = None
    ) -> Try:
        """Make the GIF in a ``way`` and look at it; one of the whole film that fits is kept while it is best."""
        path = self._job.scratch / "try.gif"
        kept = sample or self._kept
        make = passes.at_once if sample else passes.from_frames
        if made is None:
            made = make(self._job, kept, self._of, way.settings, path)
        if way.lossy:
            made = self._lossy(made, way.lossy)
        looks = quality.looks(self._job, made.path, way.settings, kept, self._size, self._of)
        tried = Try(way, made.bytes, looks, whole)
        self._tries.append(tried)
        self._say(f"try {len(self._tries)}: {tried}")
        if whole and made.bytes <= self._budget and (self._best is None or looks > self._best[0].looks):
            keep = self._job.scratch / "best.gif"
            made.path.replace(keep)
            self._best = (tried, replace(made, path=keep))
        return tried

    def _lossy(self, made: Picture, lossy: int) -> Picture:
        assert self._gifsicle
        command = [self._gifsicle, "-b", "-O3", f"--lossy={lossy}", str(made.path)]
        child = subprocess.Popen(
            command,
            stdin=subprocess.DEVNULL,
            stdout=subprocess.PIPE,
            stderr=subprocess.STDOUT,
            start_new_session=True,
        )
        try:
            said, _ = child.communicate()
        except BaseException:
            run.stop(child)
            raise
        if child.returncode:
            raise FfmpegError(
                f"{self._job.recording.path}: gifsicle says: {said.decode(errors='replace').strip()}"
            )
        return replace(made, bytes=made.path.stat().st_size)

    def _why(self, best: Try, base: Try) -> str:
        tries = [tried for tried in self._tries if tried.whole]
        fitting = sum(tried.bytes <= self._budget for tried in tries)
        return (
            f"{best.way}: {spell_bytes(best.bytes)} of {spell_bytes(self._budget)}, looks {best.looks:.3f}, "
            f"the best of {fitting} that fit of {len(tries)} made of the whole film, ranked by "
            f"{len(self._tries) - len(tries)} of a sample; the preset's own settings: {spell_bytes(base.bytes)}, "
            f"looks {base.looks:.3f}"
        )


def _steps(parts: Iterable[float], whole: float, least: float) -> list[float]:
    """``whole``, then ``parts`` of it that are not below ``least``."""
    return [whole, *(whole * part for part in parts if whole * part >= least)]
