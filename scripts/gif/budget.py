"""The best-looking GIF that fits into so many bytes.

The settings of the preset are tried first. If they don't fit, a sample of the film tells what each saving (dither and
colours, gifsicle's lossy mode, frame rate, width) costs in looks and brings in bytes; what lies between two of them is
interpolated. Both add up well enough to rank all combinations; the best that should fill the budget is then made of the
whole film, and what it really weighs corrects the ranking.
"""

import itertools
import math
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any

from . import graph, passes, quality, run, tool
from .errors import BudgetError, GifsicleError
from .passes import Job, Picture
from .progress import Progress
from .settings import GifSettings, spell_bytes

RATES = (0.75, 0.5)  # of the preset's
WIDTHS = (0.85, 0.7, 0.55, 0.4)
COLOURS = (0.5, 0.25)
LOSSY = (20, 40, 80)  # of gifsicle, where it is there
BETWEEN = 6  # steps from one of these to the next, of which the inner ones are interpolated
SLOWEST, NARROWEST, FEWEST = 6.0, 120, 16  # nothing below is worth looking at
WHOLE_TRIES = 8  # of the whole film, after the preset itself
FAR_TRIES = 3  # of these; later ones are near the last, so that its correction holds
SAMPLE_FRAMES = 60
SPANS = 3
FILLED = 0.9  # of the budget: a GIF that fits and has less leaves out what there was room for
AIM = (0.92, 0.985)  # of the budget, as the ranking is an estimate
HOPE = 1.25  # of the budget, when nothing is left that should fit: the estimate may be too high


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
    bytes: float = 0.0
    looks: float = 0.0


@dataclass(frozen=True)
class _Guess:
    """What savings, one of each kind, will probably give: the natural logarithm of the bytes, and the looks."""

    savings: tuple[_Saving, ...]
    bytes: float
    looks: float

    def way(self, start: Way) -> Way:
        """The ``start`` with all of them."""
        return start.but({key: value for saving in self.savings for key, value in saving.changes.items()})

    def near(self, other: "_Guess") -> bool:
        """Whether they are the same but for the width or the colours, whose bytes change evenly."""
        (colours, *rest, width), (others, *its, other_width) = self.savings, other.savings
        return rest == its and (colours == others) != (width == other_width)


class Search:
    """One search over one recording whose frames were kept for the preset's settings."""

    def __init__(self, job: Job, kept: Path, settings: GifSettings, budget: int) -> None:
        self._job = replace(job, progress=Progress())  # of some hundred short passes; each try is a line instead
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
        base = self._try(start, made=first if start.settings == self._of else None)
        ranked = self._ranked(start, base, self._sample(first))
        self._choose(start, ranked)
        if self._best is None:
            self._try(min(ranked, key=lambda guess: guess.bytes).way(start))
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
        alone = self._try(start, sample)
        s = start.settings

        def line(key: str, values: Iterable[float], more: Mapping[str, Any]) -> list[_Saving]:
            """Savings of one setting's ``values``."""
            found = []
            for value in values:
                changes = {key: value, **more}
                tried = self._try(start.but(changes), sample)
                found.append(_Saving(changes, math.log(tried.bytes / alone.bytes), alone.looks - tried.looks))
            return found

        numbers = [int(number) for number in _steps(COLOURS, s.colours, FEWEST)]
        dithers = list(dict.fromkeys([(s.dither, s.bayer_scale), ("none", s.bayer_scale), ("bayer", 5)]))
        colours = [
            _filled("colours", line("colours", numbers, {"dither": dither, "bayer_scale": scale}))
            for dither, scale in dithers
        ]
        lossy = [_Saving({"lossy": 0})]
        if self._gifsicle:
            try:
                # Nothing between the first two: its lossless part alone brings much.
                lossy += _filled("lossy", line("lossy", LOSSY, {}))
            except GifsicleError as error:
                self._say(f"{error}; the search goes on without it")
        rates = line("fps", _steps(RATES, s.fps, SLOWEST), {})
        widths = line("width", map(int, _steps(WIDTHS, self._size[0], NARROWEST)), {})
        axes = [list(itertools.chain(*colours)), lossy, rates, _filled("width", widths)]
        return [
            _Guess(
                savings,
                math.log(base.bytes) + sum(saving.bytes for saving in savings),
                base.looks - sum(saving.looks for saving in savings),
            )
            for savings in itertools.product(*axes)
        ]

    def _choose(self, start: Way, ranked: list[_Guess]) -> None:
        """Make the best-looking that should fill the budget, of the whole film, and correct the estimate by it."""
        correction, last = 0.0, None
        for number in range(WHOLE_TRIES):
            if last and number >= FAR_TRIES:
                ranked = [guess for guess in ranked if guess.near(last)] or ranked
            for least, most in (AIM, (0, AIM[1]), (0, HOPE)):
                low, high = least * self._budget, most * self._budget
                if fitting := [guess for guess in ranked if low <= math.exp(guess.bytes + correction) <= high]:
                    break
            else:
                return
            last = max(fitting, key=lambda guess: guess.looks)
            ranked = [guess for guess in ranked if guess is not last]
            try:
                tried = self._try(last.way(start))
            except GifsicleError as error:
                self._say(f"{error}; the search goes on without it")
                ranked = [guess for guess in ranked if not guess.way(start).lossy]
                continue
            correction = math.log(tried.bytes) - last.bytes
            if FILLED * self._budget <= tried.bytes <= self._budget:
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

    def _try(self, way: Way, sample: Path | None = None, made: Picture | None = None) -> Try:
        """Make the GIF in a ``way``, once, and look at it; of the whole film, the best that fits is kept."""
        for tried in self._tries:
            if tried.way == way and tried.whole == (sample is None):
                return tried
        kept = sample or self._kept
        if made is None:
            made = self.make(way, kept)
        looks = quality.looks(self._job, made.path, way.settings, kept, self._size, self._of)
        tried = Try(way, made.bytes, looks, whole=sample is None)
        self._tries.append(tried)
        self._say(f"try {len(self._tries)}: {tried}")
        fits = tried.whole and tried.bytes <= self._budget
        if fits and (self._best is None or self._worth(tried) > self._worth(self._best[0])):
            keep = self._job.scratch / "best.gif"
            made.path.replace(keep)
            self._best = (tried, replace(made, path=keep))
        return tried

    def make(self, way: Way, kept: Path) -> Picture:
        """A GIF of the frames that were ``kept``, all of the film or a sample, in a ``way``."""
        path = self._job.scratch / "try.gif"
        make = passes.from_frames if kept == self._kept else passes.at_once
        made = make(self._job, kept, self._of, way.settings, path)
        return self._lossy(made, way.lossy) if way.lossy else made

    def _worth(self, tried: Try) -> tuple[bool, float]:
        return tried.bytes >= FILLED * self._budget, tried.looks

    def _lossy(self, made: Picture, lossy: int) -> Picture:
        assert self._gifsicle
        # -O3 takes thrice as long for a ten-thousandth of the bytes.
        with run.child([self._gifsicle, "-b", "-O2", f"--lossy={lossy}", str(made.path)]) as child:
            _, said = child.communicate()
        if child.returncode:
            raise GifsicleError(f"gifsicle fails: {said.decode(errors='replace').strip() or child.returncode}")
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


def _filled(key: str, measured: Sequence[_Saving]) -> list[_Saving]:
    """The ``measured`` savings, which differ in the whole number ``key``, with interpolated ones between them."""
    found = list(measured[:1])
    for one, other in itertools.pairwise(measured):
        for step in range(1, BETWEEN + 1):
            part = step / BETWEEN

            def mix(a: float, b: float, part: float = part) -> float:
                return a + part * (b - a)

            value = round(mix(one.changes[key], other.changes[key]))
            found.append(
                _Saving({**other.changes, key: value}, mix(one.bytes, other.bytes), mix(one.looks, other.looks))
            )
    return found
