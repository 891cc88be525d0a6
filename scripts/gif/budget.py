"""The best-looking GIF that fits into so many bytes.

The settings of the preset are tried first. If they don't fit, a sample of the film tells what each saving (dither and
colours, gifsicle's lossy mode, frame rate, width) costs in looks and brings in bytes; what lies between two of them is
interpolated. Both add up well enough to rank all combinations; the best that should fill the budget is then made of the
whole film, and what it really weighs corrects the ranking.
"""

import itertools
import math
import subprocess
from collections.abc import Iterable, Sequence
from dataclasses import dataclass, field, replace
from pathlib import Path
from typing import Any

from . import passes, quality, run, tool
from .errors import GifError, GifsicleError
from .passes import Job, Picture
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


class Way(GifSettings):
    """A way to make the GIF: settings, and how much gifsicle may lose (0: it is not used)."""

    lossy: int = 0

    def __str__(self) -> str:
        dither = f"bayer {self.bayer_scale}" if self.dither == "bayer" else self.dither
        text = f"{self.colours} colours ({self.palette}), dither {dither}, {self.fps:g} fps, {self.width} px"
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
class Saving:
    """What ``changes`` to the settings will do: the natural logarithm of the part of the bytes, and the looks lost."""

    changes: dict[str, Any] = field(default_factory=dict)
    bytes: float = 0.0
    looks: float = 0.0

    def __add__(self, other: "Saving") -> "Saving":
        return Saving({**self.changes, **other.changes}, self.bytes + other.bytes, self.looks + other.looks)

    def near(self, other: "Saving") -> bool:
        """Whether they are the same but for the width or the colours, whose bytes change evenly."""
        differ = [key for key, value in self.changes.items() if value != other.changes[key]]
        return differ in (["width"], ["colours"])


class Search:
    """One search over one recording whose frames were ``kept`` for the preset's settings."""

    def __init__(self, job: Job, kept: Path, settings: GifSettings, budget: int, first: Picture) -> None:
        """Prepare it; ``first`` is the GIF of the preset's own settings, at whose size all are compared."""
        self._job = replace(job, say=run.silent)  # of some hundred short passes; each try is a line instead
        self._say = job.say
        self._kept, self._budget, self._first = kept, budget, first
        self._of = Way.model_validate(settings.model_dump() | {"width": first.width})
        self._gifsicle = tool.gifsicle()
        self._best: tuple[Try, Picture] | None = None
        self.tries: list[Try] = []

    def find(self) -> tuple[Way, Picture]:
        """The best that fits, and its GIF; why it is the best is told.

        Raises:
            GifError: nothing fits; the text says what the smallest was.
        """
        # One palette of all frames: that of a frame can't be made smaller.
        start = self._of.model_copy(update={"palette": "diff"}) if self._of.streams else self._of
        base = self._try(start, made=None if self._of.streams else self._first)
        ranked = self._ranked(start, self._sample())
        self._choose(start, base, ranked)
        if self._best is None:
            self._try(start.model_copy(update=min(ranked, key=lambda saving: saving.bytes).changes))
        whole = [tried for tried in self.tries if tried.whole]
        if self._best is None:
            least = min(whole, key=lambda tried: tried.bytes)
            raise GifError(
                f"{self._job.recording.path}: nothing worth looking at fits into {self._budget} bytes; "
                f"the smallest was {least.bytes} bytes ({least.way}). Take a shorter part (--from, --to), "
                "a higher speed=…, or more bytes"
            )
        best, picture = self._best
        self._say(
            f"kept: {best.way}: {spell_bytes(best.bytes)} of {spell_bytes(self._budget)}, looks {best.looks:.3f}, "
            f"the best of {sum(tried.bytes <= self._budget for tried in whole)} that fit of {len(whole)} made of the "
            f"whole film, ranked by {len(self.tries) - len(whole)} of a sample; the preset's own settings: "
            f"{spell_bytes(base.bytes)}, looks {base.looks:.3f}"
        )
        return best.way, picture

    def _ranked(self, start: Way, sample: Path | None) -> list[Saving]:
        """All combinations of savings, as what each does alone to the ``sample`` lets expect of the whole film."""
        alone = self._try(start, sample)

        def axis(key: str, values: Iterable[float], **more: Any) -> list[Saving]:
            """Savings of one setting's ``values``."""
            found = []
            for value in values:
                changes = {key: value, **more}
                tried = self._try(start.model_copy(update=changes), sample)
                found.append(Saving(changes, math.log(tried.bytes / alone.bytes), alone.looks - tried.looks))
            return found

        numbers = [int(number) for number in _steps(COLOURS, start.colours, FEWEST)]
        dithers = dict.fromkeys([(start.dither, start.bayer_scale), ("none", start.bayer_scale), ("bayer", 5)])
        colours = [
            saving
            for dither, scale in dithers
            for saving in _filled("colours", axis("colours", numbers, dither=dither, bayer_scale=scale))
        ]
        lossy = [Saving({"lossy": 0})]
        if self._gifsicle:
            try:
                # Nothing between the first two: its lossless part alone brings much.
                lossy += _filled("lossy", axis("lossy", LOSSY))
            except GifsicleError as error:
                self._say(f"{error}; the search goes on without it")
        rates = axis("fps", _steps(RATES, start.fps, SLOWEST))
        widths = _filled("width", axis("width", map(int, _steps(WIDTHS, self._first.width, NARROWEST))))
        return [sum(savings, start=Saving()) for savings in itertools.product(colours, lossy, rates, widths)]

    def _choose(self, start: Way, base: Try, ranked: list[Saving]) -> None:
        """Make the best-looking that should fill the budget, of the whole film, and correct the estimate by it."""
        whole, last = float(base.bytes), None  # what the preset's own settings seem to weigh
        for number in range(WHOLE_TRIES):
            if last and number >= FAR_TRIES:
                ranked = [saving for saving in ranked if saving.near(last)] or ranked
            for least, most in (AIM, (0, AIM[1]), (0, HOPE)):
                low, high = (math.log(max(part * self._budget, 1) / whole) for part in (least, most))
                if fitting := [saving for saving in ranked if low <= saving.bytes <= high]:
                    break
            else:
                return
            last = min(fitting, key=lambda saving: saving.looks)
            ranked = [saving for saving in ranked if saving is not last]
            try:
                tried = self._try(start.model_copy(update=last.changes))
            except GifsicleError as error:
                self._say(f"{error}; the search goes on without it")
                ranked = [saving for saving in ranked if not saving.changes["lossy"]]
                continue
            whole = tried.bytes / math.exp(last.bytes)
            if FILLED * self._budget <= tried.bytes <= self._budget:
                return

    def _sample(self) -> Path | None:
        """Parts from all over the film, `SAMPLE_FRAMES` in all; None where the film is not much longer."""
        if self._first.frames <= 1.5 * SAMPLE_FRAMES:
            return None
        length = SAMPLE_FRAMES / SPANS / self._of.fps
        step = (self._first.seconds - length) / (SPANS - 1)
        return passes.sample(self._job, self._kept, [(step * at, step * at + length) for at in range(SPANS)])

    def _try(self, way: Way, sample: Path | None = None, made: Picture | None = None) -> Try:
        """Make the GIF in a ``way``, once, and look at it; of the whole film, the best that fits is kept."""
        for tried in self.tries:
            if tried.way == way and tried.whole == (sample is None):
                return tried
        made = made or self.make(way, sample)
        size = (self._first.width, self._first.height)
        looks = quality.looks(self._job, made.path, way, sample or self._kept, size, self._of)
        tried = Try(way, made.bytes, looks, whole=sample is None)
        self.tries.append(tried)
        self._say(f"try {len(self.tries)}: {tried}")
        fits = tried.whole and tried.bytes <= self._budget
        if fits and (self._best is None or self._worth(tried) > self._worth(self._best[0])):
            keep = self._job.scratch / "best.gif"
            made.path.replace(keep)
            self._best = (tried, replace(made, path=keep))
        return tried

    def _worth(self, tried: Try) -> tuple[bool, float]:
        return tried.bytes >= FILLED * self._budget, tried.looks

    def make(self, way: Way, sample: Path | None = None) -> Picture:
        """A GIF of all frames that were kept, or of a ``sample`` of them, in a ``way``.

        Raises:
            GifsicleError: gifsicle failed.
        """
        path = self._job.scratch / "try.gif"
        pass_over = passes.at_once if sample else passes.from_frames
        made = pass_over(self._job, sample or self._kept, self._of, way, path)
        if not way.lossy:
            return made
        assert self._gifsicle
        # -O3 takes thrice as long for a ten-thousandth of the bytes.
        command = [self._gifsicle, "-b", "-O2", f"--lossy={way.lossy}", str(path)]
        done = subprocess.run(command, capture_output=True, text=True, errors="replace", check=False)
        if done.returncode:
            raise GifsicleError(f"gifsicle fails: {done.stderr.strip() or done.returncode}")
        return replace(made, bytes=path.stat().st_size)


def _steps(parts: Iterable[float], whole: float, least: float) -> list[float]:
    """``whole``, then ``parts`` of it that are not below ``least``."""
    return [whole, *(whole * part for part in parts if whole * part >= least)]


def _filled(key: str, measured: Sequence[Saving]) -> list[Saving]:
    """The ``measured`` savings, which differ in the whole number ``key``, with interpolated ones between them."""
    found = list(measured[:1])
    for one, other in itertools.pairwise(measured):
        for part in (step / BETWEEN for step in range(1, BETWEEN + 1)):
            value = round(one.changes[key] + part * (other.changes[key] - one.changes[key]))
            size = one.bytes + part * (other.bytes - one.bytes)
            looks = one.looks + part * (other.looks - one.looks)
            found.append(Saving({**other.changes, key: value}, size, looks))
    return found
