"""Forget photos: places are cleaned in a fixed order, then all are searched again, and a receipt says how it went."""

import subprocess
from collections.abc import Callable, Collection, Sequence
from pathlib import Path

from pipeline.core import config
from pipeline.core.errors import StorageError
from pipeline.data import forgotten
from pipeline.data.forgotten import Receipt
from pipeline.data.settings import DataSettings
from pipeline.models.settings import ModelSettings
from studio import dvc
from studio.album import Album
from studio.errors import StudioError
from studio.forget import git, layout, plan, targets
from studio.forget.places import Folder, Place
from studio.forget.plan import Plan
from studio.forget.versions import Versions

# What no command of this machine reaches; docs/review.md says the same.
UNREACHABLE = (
    "clones and forks of this repository, and what was pushed to git's remotes: ask who has one to clone anew",
    "containers and services that run elsewhere with the model from a folder: start them anew with a clean one",
    "browsers that keep the model in their cache: they take the next one when the page is loaded again",
    "data versions before this one: their lists name the photo, so `dvc checkout` of one says that it is missing",
    "its file name and author: the journal, model cards and git's history may name them; none of these shows the photo",
)
LAST = 12  # lines of a command that failed

Say = Callable[[str], None]


def forget(
    names: Sequence[str],
    why: str,
    *,
    recordings: Collection[str] = (),
    take_near: bool = False,
    train: bool = True,
    album: Album | None = None,
    say: Say = print,
) -> list[Receipt]:
    """Forget photos, with all copies of the same bytes.

    Args:
        names: files, below the folder of photos or below this one, or the sha256 of photos that lie anywhere here.
        why: for the receipt.
        recordings: names of recordings that show it, without an ending; they and their GIFs are forgotten as well.
        take_near: forget near duplicates too, see `near`.
        train: train a model without them at once.
        album: that of the process, where it has one.
        say: hears a sentence for each step.

    Returns:
        A receipt a photo; what is still ``open`` in them is done by `resume`.

    Raises:
        StudioError: a photo is not there, or a `dvc` command runs; nothing was changed. Or the training failed.
        PipelineError: manifest, journal or receipts are damaged, or the disk is full; `resume` goes on.
    """
    if not why.strip():
        raise StudioError("say why, for the receipt")
    data, album = _data(), album or _album()
    wanted = {targets.below(data, name) for name in names}
    for standing in plan.standing():
        if wanted <= {name for photo in standing.photos for name in (*photo.files, photo.sha256)}:
            return carry_out(standing, album, say)  # interrupted, and asked for again
    with layout.alone() as repo:
        more = targets.near(data, wanted).keys() if take_near else ()
        request = Plan.of(targets.find(repo, data, {*wanted, *more}, recordings), why.strip(), train=train)
        request.write()
    return carry_out(request, album, say)


def resume(*, train: bool = True, album: Album | None = None, say: Say = print) -> list[Receipt]:
    """Go on with all that is not done; the new receipts. Raises like `forget`."""
    receipts = []
    for standing in plan.standing():
        standing.train &= train
        receipts += carry_out(standing, album or _album(), say)
    return receipts


def near(names: Sequence[str]) -> dict[str, float]:
    """Photos that show nearly the same as one of ``names``, see `studio.forget.targets.near`."""
    return targets.near(_data(), {targets.below(_data(), name) for name in names})


def carry_out(request: Plan, album: Album, say: Say) -> list[Receipt]:
    """Do what is left of a plan; see `forget`."""
    receipts: list[Receipt] = []
    if request.stage == "remove":
        with layout.alone() as repo:
            places = layout.places(repo, album, request.why)
            for place in places:
                _clean(place, request, say)
            receipts = request.receipts(_check(places, request, say))
            forgotten.append(album.data, receipts)
        request.stage = "train"
        request.write()
    if Path("data.dvc").exists():
        _dvc(say, "add", "--quiet", "data")
    if request.train:
        _dvc(say, "repro")
        with layout.alone() as repo:
            _check(layout.places(repo, album, request.why), request, say)
    if request.open:
        request.stage = "remove"
        request.write()
    else:
        request.path.unlink()
    return receipts


def _clean(place: Place, request: Plan, say: Say) -> None:
    """Search a place, write down what it holds, then take it out."""
    try:
        found = place.find(request.wanted)
        request.count(place.name, len(found))
        if isinstance(place, Folder):
            request.derived = tuple(sorted({*request.derived, *place.objects(found)}))
        if isinstance(place, Versions):
            request.versions = tuple(place.learnt[number] for number in sorted(place.learnt))
        request.write()
        if found:
            place.remove(request.wanted, found)
        request.open.pop(place.name, None)
        say(f"{place.name}: {len(found)} removed" if found else f"{place.name}: nothing")
    except StorageError:
        raise
    except Exception as error:  # noqa: BLE001  # whatever the library of a remote raises: it stays on the list
        request.open[place.name] = str(error) or type(error).__name__
        say(f"{place.name}: not done, {request.open[place.name]}")
    request.write()


def _check(places: Sequence[Place], request: Plan, say: Say) -> tuple[str, ...]:
    """Search all places again; where something is left, it goes on the list. Returns what can't be reached."""
    for place in places:
        if place.name not in request.open:
            try:
                if left := place.find(request.wanted):
                    where, what = next(iter(left.items()))
                    request.open[place.name] = f"still there: {what} in {where}" + f" and {len(left) - 1} more"
            except Exception as error:  # noqa: BLE001  # as above
                request.open[place.name] = str(error) or type(error).__name__
    request.write()
    say(f"{len(places) - len(request.open)} of {len(places)} places searched: none of the bytes is left there")
    silent = [name for place in places if isinstance(place, Versions) for name in place.silent]
    more = [f"{name}: it keeps no list of its photos, so nobody can say whether it knew them" for name in silent]
    if blobs := git.held([photo.blob for photo in request.photos]):
        more.append(
            "git's history here: commit the removal, then run at the top level, and push with --force where it was "
            f"pushed: {git.command(blobs)}"
        )
    return (*more, *UNREACHABLE)


def _dvc(say: Say, *arguments: str) -> None:
    """Run a command of DVC, as `python -m dvc` of this environment."""
    say(f"dvc {' '.join(arguments)}")
    said = list[str]()
    with subprocess.Popen(
        dvc.command(*arguments),
        stdout=subprocess.PIPE,
        stderr=subprocess.STDOUT,
        text=True,
        errors="replace",
        env=dvc.environment(),
    ) as process:
        assert process.stdout is not None
        for line in process.stdout:
            said.append(line.rstrip())
            say(said[-1])
    if process.returncode:
        lines = "\n".join(said[-LAST:])
        raise StudioError(
            f"the photos are forgotten, but `dvc {' '.join(arguments)}` failed; `python -m studio forget --resume` "
            f"tries it again:\n{lines}"
        )


def _data() -> DataSettings:
    return config.load("data", DataSettings)


def _album() -> Album:
    return Album(_data(), config.load("model", ModelSettings).size)
