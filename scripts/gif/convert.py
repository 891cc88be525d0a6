"""One recording to one GIF and what lies beside it: all of it appears, or nothing."""

import shutil
import tempfile
import time
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass, replace
from pathlib import Path

from . import passes, recording
from .budget import Found, Search
from .errors import GifError, OutputError, explain
from .passes import Job, Picture
from .progress import Progress
from .recording import Recording
from .settings import Crop, GifSettings, spell_bytes
from .tool import Ffmpeg

SUFFIX_OF = {"mp4": ".mp4", "avif": ".avif", "webp": ".webp", "poster": ".png"}
TEXT = ".txt"  # the alternative: beside a recording what is read, beside a GIF what is written


@dataclass(frozen=True)
class Result:
    """What was made: the GIF, the files beside it, the crop that was taken, and the search where there was one."""

    recording: Recording
    gif: Picture
    beside: tuple[Path, ...]
    crop: Crop
    alt: str
    seconds: float
    found: Found | None


def convert(
    source: Path,
    target: Path,
    settings: GifSettings,
    ffmpeg: Ffmpeg,
    progress: Progress,
    *,
    force: bool = False,
) -> Result:
    """Make ``target`` of the recording ``source``, with its text alternative and the siblings that are asked for.

    Raises:
        GifError: the recording, ffmpeg or the settings don't allow it, or a file is there and ``force`` is not given.
        OutputError: a file can't be written.
    """
    began = time.monotonic()
    beside = {kind: target.with_suffix(SUFFIX_OF[kind]) for kind in settings.siblings}
    alternative = target.with_suffix(TEXT)
    own_text = source.with_suffix(TEXT)
    writes_text = not _same(alternative, own_text) or settings.alt is not None
    _refuse(source, [target, *beside.values(), *([alternative] if writes_text else [])], force)
    film = recording.read(source, ffmpeg)
    with _scratch(target) as scratch:
        job = Job(film, ffmpeg, Crop(), scratch, progress)
        passes.check(job, settings)
        job = replace(job, crop=_crop(job, settings))
        passes.check(job, settings)
        picture, kept, found = _make(job, settings)
        for kind, path in beside.items():
            assert kept
            passes.sibling(job, kind, kept, settings, scratch / path.name)
        made = {picture.path: target, **{scratch / path.name: path for path in beside.values()}}
        alt = _alternative(settings, own_text, film, picture)
        if writes_text:
            (scratch / "alternative").write_text(f"{alt}\n", encoding="utf-8")
            made[scratch / "alternative"] = alternative
        _place(made, scratch)
    others = (*beside.values(), alternative)
    return Result(film, replace(picture, path=target), others, job.crop, alt, time.monotonic() - began, found)


def _crop(job: Job, settings: GifSettings) -> Crop:
    if settings.crop != "auto":
        return settings.crop
    # Here, as NumPy takes longer to import than all else, and most crops are numbers.
    from . import borders

    crop = borders.find(job, settings)
    job.progress.say(f"crop: {_sides(crop)}")
    return crop


def _make(job: Job, settings: GifSettings) -> tuple[Picture, Path | None, Found | None]:
    """The GIF, the frames that were kept for what comes after it (None if nothing does), and the search."""
    path = job.scratch / "first.gif"
    kept = None
    if settings.streams:
        picture = passes.from_recording(job, settings, path)
    else:
        kept, _ = passes.frames(job, settings)
        picture = passes.from_frames(job, kept, settings, settings, path)
    if settings.max_bytes is None or picture.bytes <= settings.max_bytes:
        if settings.siblings and kept is None:
            kept, _ = passes.frames(job, settings)
        return picture, kept, None
    more, budget = spell_bytes(picture.bytes), spell_bytes(settings.max_bytes)
    job.progress.say(f"{more} is more than {budget}: looking for one that fits")
    if kept is None:
        kept, _ = passes.frames(job, settings)
    found = Search(job, kept, settings, settings.max_bytes).find(picture)
    job.progress.say(f"kept: {found.why}")
    return found.picture, kept, found


def _refuse(source: Path, targets: list[Path], force: bool) -> None:
    for path in targets:
        if _same(path, source):
            raise GifError(f"{path}: it would take the recording's own place; name another with -o")
        if path.is_dir():
            raise GifError(f"{path}: a folder is in its place; name another with -o")
        if path.exists() and not force:
            raise GifError(f"{path}: it is there already and was kept; --force replaces it, -o names another")


def _same(one: Path, other: Path) -> bool:
    return one.resolve() == other.resolve()


@contextmanager
def _scratch(target: Path) -> Iterator[Path]:
    """A hidden folder beside ``target``, so that what is made in it can be renamed into place; gone afterwards."""
    missing = [folder for folder in target.absolute().parents if not folder.exists()]
    try:
        target.parent.mkdir(parents=True, exist_ok=True)
        folder = Path(tempfile.mkdtemp(dir=target.parent, prefix=".gif-"))
    except OSError as error:
        _remove(missing)
        raise explain(error, target) from error
    try:
        yield folder
    except OSError as error:
        raise explain(error, target) from error
    finally:
        shutil.rmtree(folder, ignore_errors=True)
        _remove(missing)


def _remove(folders: list[Path]) -> None:
    """Take away the ``folders``, innermost first, that were made for what did not come."""
    for folder in folders:
        try:
            folder.rmdir()
        except OSError:
            return


def _place(made: dict[Path, Path], scratch: Path) -> None:
    """Rename all into place; if one can't be, all is put back as it was."""
    before: dict[Path, Path | None] = {}  # a copy of what was there
    try:
        for path, target in made.items():
            kept = scratch / f"before-{target.name}"
            try:
                path.chmod(0o644)
                before[target] = Path(shutil.copy2(target, kept)) if target.exists() else None
                path.replace(target)
            except OSError as error:
                raise explain(error, target) from error
    except BaseException:
        for changed, old in before.items():
            if old:
                old.replace(changed)
            else:
                changed.unlink(missing_ok=True)
        raise


def _alternative(settings: GifSettings, own: Path, film: Recording, picture: Picture) -> str:
    """What is seen, in words: the settings', those beside the recording, else what is known without looking."""
    if settings.alt is not None:
        return settings.alt.strip()
    try:
        if text := own.read_text(encoding="utf-8").strip():
            return text
    except FileNotFoundError:
        pass
    except (OSError, UnicodeDecodeError) as error:
        raise OutputError(f"{own}: can't be read as a text alternative ({error})") from error
    size = f"{picture.width} x {picture.height} pixels"
    return f"Recording “{film.path.stem}”, {picture.seconds:.0f} seconds, {size}, no sound."


def _sides(crop: Crop) -> str:
    taken = [f"{pixels} px off the {side}" for side, pixels in crop if pixels]
    return ", ".join(taken) or "nothing at the edges stays still"
