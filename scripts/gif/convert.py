"""One recording to one GIF and what lies beside it: all of it appears, or nothing."""

import shutil
import tempfile
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass, replace
from pathlib import Path

from . import passes, recording, run
from .budget import Search, Try
from .errors import GifError, explain
from .passes import Job, Picture
from .recording import Recording
from .settings import Crop, GifSettings, spell_bytes
from .tool import Ffmpeg

TEXT = ".txt"  # the alternative: beside a recording what is read, beside a GIF what is written


@dataclass(frozen=True)
class Result:
    """What was made: the GIF and its siblings. Where a budget had to be met: what that took, and all that was tried."""

    gif: Picture
    siblings: tuple[Path, ...]
    settings: GifSettings
    tries: tuple[Try, ...]


def convert(
    source: Path, target: Path, settings: GifSettings, ffmpeg: Ffmpeg, say: run.Say = run.silent, *, force: bool = False
) -> Result:
    """Make ``target`` of the recording ``source``, with its text alternative and the siblings that are asked for.

    Raises:
        GifError: the recording, ffmpeg or the settings don't allow it, a file can't be written, or is there already
            and ``force`` is not given.
    """
    siblings = {kind: target.with_suffix(f".{kind}") for kind in settings.siblings}
    text, own_text = target.with_suffix(TEXT), source.with_suffix(TEXT)
    writes_text = text.resolve() != own_text.resolve() or settings.alt is not None
    _refuse(source, [target, *siblings.values(), *([text] if writes_text else [])], force)
    film = recording.read(source, ffmpeg)
    with _scratch(target) as scratch:
        job = Job(film, ffmpeg, Crop(), scratch, say)
        job = replace(job, crop=_crop(job, settings))
        passes.check(job, settings)
        picture, kept, search = _first(job, settings)
        taken = settings
        if search:
            taken, picture = search.find()
        made = {picture.path: target}
        for kind, path in siblings.items():
            assert kept
            made[scratch / f"sibling{path.suffix}"] = path
            passes.sibling(job, kind, kept, settings, scratch / f"sibling{path.suffix}")
        if writes_text:
            alt = _alternative(settings, own_text, film, picture)
            (scratch / "alternative").write_text(f"{alt}\n", encoding="utf-8")
            made[scratch / "alternative"] = text
        _place(made, scratch)
    tries = tuple(search.tries) if search else ()
    return Result(replace(picture, path=target), tuple(siblings.values()), taken, tries)


def _crop(job: Job, settings: GifSettings) -> Crop:
    if settings.crop != "auto":
        return settings.crop
    # Here, as NumPy takes longer to import than all else, and most crops are numbers.
    from . import borders

    crop = borders.find(job, settings)
    sides = ", ".join(f"{pixels} px off the {side}" for side, pixels in crop if pixels)
    job.say(f"crop: {sides or 'nothing at the edges stays still'}")
    return crop


def _first(job: Job, settings: GifSettings) -> tuple[Picture, Path | None, Search | None]:
    """The GIF of the settings, the frames for what comes after it, and the search for one that fits, if it doesn't."""
    path = job.scratch / "first.gif"
    kept = None if settings.streams else passes.frames(job, settings)
    if kept:
        picture = passes.from_frames(job, kept, settings, settings, path)
    else:
        picture = passes.from_recording(job, settings, path)
    budget = settings.max_bytes
    fits = budget is None or picture.bytes <= budget
    if kept is None and (settings.siblings or not fits):
        kept = passes.frames(job, settings)
    if budget is None or kept is None or fits:
        return picture, kept, None
    job.say(f"{spell_bytes(picture.bytes)} is more than {spell_bytes(budget)}: looking for one that fits")
    return picture, kept, Search(job, kept, settings, budget, picture)


def _refuse(source: Path, targets: list[Path], force: bool) -> None:
    for path in targets:
        if path.resolve() == source.resolve():
            raise GifError(f"{path}: it would take the recording's own place; name another with -o")
        if path.is_dir():
            raise GifError(f"{path}: a folder is in its place; name another with -o")
        if path.exists() and not force:
            raise GifError(f"{path}: it is there already and was kept; --force replaces it, -o names another")


@contextmanager
def _scratch(target: Path) -> Iterator[Path]:
    """A hidden folder beside ``target``, so that what is made in it can be renamed into place; gone afterwards."""
    missing = [folder for folder in target.absolute().parents if not folder.exists()]
    scratch = None
    try:
        target.parent.mkdir(parents=True, exist_ok=True)
        scratch = Path(tempfile.mkdtemp(dir=target.parent, prefix=".gif-"))
        yield scratch
    except OSError as error:
        raise explain(error, target) from error
    finally:
        if scratch:
            shutil.rmtree(scratch, ignore_errors=True)
        for folder in missing:  # that were made for what did not come
            if folder.is_dir() and not any(folder.iterdir()):
                folder.rmdir()


def _place(made: dict[Path, Path], scratch: Path) -> None:
    """Rename all into place; if one can't be, all is put back as it was."""
    before: dict[Path, Path | None] = {}  # a copy of what was there
    target = None
    try:
        for path, target in made.items():
            kept = scratch / f"before-{target.name}"
            path.chmod(0o644)
            before[target] = Path(shutil.copy2(target, kept)) if target.exists() else None
            path.replace(target)
    except BaseException as error:
        for changed, old in before.items():
            if old:
                old.replace(changed)
            else:
                changed.unlink(missing_ok=True)
        if isinstance(error, OSError) and target:
            raise explain(error, target) from error
        raise


def _alternative(settings: GifSettings, own: Path, film: Recording, picture: Picture) -> str:
    """What is seen, in words: the settings', those beside the recording, else what is known without looking."""
    if settings.alt is not None:
        return settings.alt.strip()
    try:
        if own.exists() and (text := own.read_text(encoding="utf-8").strip()):
            return text
    except (OSError, UnicodeDecodeError) as error:
        raise GifError(f"{own}: can't be read as a text alternative ({error})") from error
    size = f"{picture.width} x {picture.height} pixels"
    return f"Recording “{film.path.stem}”, {picture.seconds:.0f} seconds, {size}, no sound."
