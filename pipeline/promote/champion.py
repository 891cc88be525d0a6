"""The model that is served: the registry's alias, models/promoted/ and the history, kept in step.

The alias is the truth. A change goes: files into the registry, a copy beside models/promoted/, the alias,
the copy into its place, the history. Interrupted anywhere, the champion before it or the new one is whole,
and `reconcile`, with which the next run begins, brings the three in step again.
"""

import fcntl
import shutil
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass, replace
from datetime import UTC, datetime
from pathlib import Path

import bundle
from bundle.engine import Engine
from bundle.errors import BundleError
from pipeline.core import files
from pipeline.core.errors import DataError, PipelineError, StorageError
from pipeline.metrics.predictions import PHOTOS, read_photos
from pipeline.promote import history
from pipeline.promote.history import Action, Entry
from pipeline.tracking import mlflow_model, runs
from pipeline.tracking.lineage import Lineage
from pipeline.tracking.registry import Registry, Unreadable, Version

PROMOTED = "promoted"  # in the folder of models


@dataclass(frozen=True)
class Champion:
    """The model that is served, and its bundle, or ``why_not``: why no copy of it can be read any more."""

    version: Version
    bundle: bundle.Bundle | None
    why_not: str = ""


@contextmanager
def lock(models: Path) -> Iterator[None]:
    """Keep every other promotion and rollback out, and mend what a killed one left half-written.

    Raises:
        StorageError: the folder can't be written.
        PipelineError: another one is at work.
    """
    try:
        models.mkdir(parents=True, exist_ok=True)
        file = (models / ".promotion.lock").open("w")
    except OSError as error:
        raise files.explain(error, models) from error
    with file:
        try:
            fcntl.flock(file, fcntl.LOCK_EX | fcntl.LOCK_NB)
        except BlockingIOError as error:
            raise PipelineError(
                f"another promotion or rollback is at work in {models}; run this again when it is done"
            ) from error
        files.recover_dir(models / PROMOTED)
        for litter in models.glob(f".{PROMOTED}.*.tmp"):
            shutil.rmtree(litter, ignore_errors=True)
        yield


def find(reg: Registry, models: Path, candidate: bundle.Bundle, scratch: Path) -> Champion | None:
    """The champion, changing nothing; None where there is none, or where it may not be served any more.

    Its bundle is that of models/promoted/, else the registry's, fetched into ``scratch``, else ``candidate``, should
    that be the same model.

    Raises:
        TrackingError: the store can't be read.
    """
    version, held, folder = reg.champion(), None, models / PROMOTED
    if version and version.tainted:
        return None
    try:
        held = bundle.load(folder) if folder.exists() and not (folder / bundle.WORD).exists() else None
    except BundleError as error:
        print(f"{folder} can't be read: {error}")
    if version is None:
        return Champion(Version.of(held), held) if held else None
    if held and Version.of(held).fingerprint == version.fingerprint:
        return Champion(version, held)
    try:
        return Champion(version, reg.fetch(version, scratch))
    except Unreadable as error:
        same = Version.of(candidate).fingerprint == version.fingerprint
        return Champion(version, candidate if same else None, str(error))


def reconcile(reg: Registry, models: Path, found: Champion) -> Champion:
    """Mend what an interruption, a removed folder or a removed store left: alias, models/promoted/ and history.

    Raises:
        TrackingError: the store can't be written.
        StorageError: models/promoted/ can't be written.
    """
    folder, version = models / PROMOTED, found.version
    if not version.number and found.bundle:
        version = _register(reg, found.bundle)
        reg.set_alias(version)
    if found.bundle and found.bundle.folder != folder:
        with files.replace_dir(folder) as new:
            mlflow_model.copy(found.bundle, new)
        print(f"{folder} is {version.bundle} again, the champion that the registry names")
    entries = history.read(models)
    if not entries or entries[-1].fingerprint != version.fingerprint:
        _record(models, "repair", version, None, "found as champion; the change itself was not recorded")
    return replace(found, version=version)


def renew(reg: Registry, models: Path, candidate: bundle.Bundle, present: Champion) -> None:
    """Take over the figures and the card of ``candidate``, which is the champion measured anew, into its version.

    Raises:
        StorageError, TrackingError: something can't be written; the next run renews it.
    """
    old, new = present.bundle and present.bundle.manifest, candidate.manifest
    if old and (old.files, old.metrics) != (new.files, new.metrics):
        with files.replace_dir(models / PROMOTED) as folder:
            reg.renew(present.version, _sealed(candidate, folder, old.lineage.parent))
        print("the champion's figures and model card are renewed")


def promote(reg: Registry, models: Path, candidate: bundle.Bundle, before: Version | None, why: str) -> Version:
    """Make ``candidate`` the champion.

    Raises:
        StorageError, TrackingError: something can't be written; the champion ``before`` is untouched.
    """
    with files.replace_dir(models / PROMOTED) as folder:
        version = _register(reg, _sealed(candidate, folder, before.bundle if before else None))
        reg.set_alias(version)
    _record(models, "promote", version, before, why)
    return version


def _sealed(candidate: bundle.Bundle, folder: Path, parent: str | None) -> bundle.Bundle:
    """A copy of ``candidate`` in ``folder`` that names its parent."""
    manifest = candidate.manifest
    lineage = manifest.lineage.model_copy(update={"parent": parent})
    try:
        mlflow_model.copy(candidate, folder)
        return bundle.Bundle(folder, bundle.seal(folder, manifest.model_copy(update={"lineage": lineage})))
    except BundleError as error:
        raise StorageError(str(error)) from error


def roll_back(reg: Registry, models: Path, to: str | None, why: str) -> tuple[Version, Version]:
    """Bring back the champion before this one, or the one that ``to`` names (its number or the bundle's name).

    Returns:
        The version that was champion, and the one that is now.

    Raises:
        DataError: there is nothing to go back to, or ``to`` names no version.
        TrackingError: the store has lost the files.
    """
    if (present := reg.champion()) is None:
        raise DataError("there is no champion yet, so nothing to roll back; `dvc repro` promotes the first")
    version = _target(reg, history.read(models), present, to)
    if version == present:
        raise DataError(f"{present.name} is the champion already")
    _bring_back(reg, models, version)
    _record(models, "rollback", version, present, why)
    return present, version


def replace_tainted(reg: Registry, models: Path, refused: frozenset[str], why: str) -> Version | None:
    """Take a champion that may not be served any more out: the newest clean one before it takes its place.

    Where there is none, or none can be read any more, models/promoted/ holds a word that says so, and the alias stays:
    a service refuses the tainted version that it names.

    Args:
        refused: sha256 of photos; a model in models/promoted/ that knew one is taken out, registered or not.
        why: for the history and the word.

    Returns:
        The version that took its place; None where none did, or the champion is clean.

    Raises:
        TrackingError: the store can't be read or written. StorageError: models/promoted/ can't be written.
    """
    folder, present, clean = models / PROMOTED, reg.champion(), None
    if not must_go(reg, models, refused):
        return None
    stack = reversed(history.replay(history.read(models))[0])
    earlier = [*([present] if present else ()), *(found for e in stack if (found := reg.find(e.fingerprint)))]
    for version in earlier:
        if version.tainted:
            continue
        try:
            _bring_back(reg, models, version)
            clean = version
            break
        except (DataError, Unreadable) as error:
            print(f"{version.name} can't take its place: {error}")
    if clean:
        _record(models, "forget", clean, present, why)
    else:
        with files.replace_dir(folder) as new:
            files.write_text(new / bundle.WORD, f"{why}; no clean model is there: `dvc repro` makes one\n")
    return clean


def must_go(reg: Registry, models: Path, refused: frozenset[str]) -> bool:
    """Whether the champion is tainted, or the model in models/promoted/ knew one of the photos; see `replace_tainted`.

    Raises:
        TrackingError: the store can't be read. DataError: the model's list of photos is damaged.
    """
    folder, present = models / PROMOTED, reg.champion()
    known = read_photos(folder / PHOTOS) if (folder / PHOTOS).exists() else {}
    return not refused.isdisjoint(known) or bool(present and present.tainted and not (folder / bundle.WORD).exists())


def _bring_back(reg: Registry, models: Path, version: Version) -> None:
    """Put ``version`` into models/promoted/ and point the alias to it.

    Raises:
        DataError: it does not give its golden answers any more. Unreadable: the store has lost its files.
    """
    with files.replace_dir(models / PROMOTED) as new:
        fetched = reg.fetch(version, new)
        try:
            Engine(fetched).check_golden()
        except BundleError as error:
            raise DataError(f"version {version.number} can't be served any more: {error}") from error
        reg.set_alias(version)


def _target(reg: Registry, entries: list[Entry], present: Version, to: str | None) -> Version:
    earlier = [e for e in reversed(history.replay(entries)[0]) if e.fingerprint != present.fingerprint]
    chosen = [e for e in reversed(entries) if e.bundle == to] if to else earlier
    found = [reg.get(int(to))] if to and to.isdecimal() else [reg.find(entry.fingerprint) for entry in chosen]
    for version in found:
        if version is None and not to:
            break
        if version and not version.tainted:
            return version
    if tainted := [version for version in found if version]:
        raise DataError(f"no model is left to go back to: {tainted[0].name} is tainted ({tainted[0].tainted})")
    if not to and not earlier:
        raise DataError(f"{present.name} is the only champion there was")
    wanted = to or earlier[0].bundle
    raise DataError(
        f"no version is called {wanted} in the store {reg.store.place}; name another by `--to` "
        "(`python -m pipeline.promote history` shows them)"
    )


def _register(reg: Registry, candidate: bundle.Bundle) -> Version:
    line = candidate.manifest.lineage
    lineage = Lineage(line.git_commit, line.git_dirty, line.data_hash, line.config, line.config_hash)
    name = f"promote {candidate.manifest.version}"
    with runs.resume(reg.store.settings, line.mlflow_run_id, name=name, lineage=lineage) as run:
        return reg.register(candidate, run)


def _record(models: Path, action: Action, version: Version, before: Version | None, why: str) -> None:
    now, previous = datetime.now(UTC).isoformat(timespec="seconds"), before.number if before else None
    names = version.number, version.bundle, version.fingerprint
    history.append(models, Entry(now, history.who(), action, *names, previous, why))
