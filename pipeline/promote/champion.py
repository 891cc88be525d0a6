"""The model that is served: the registry's alias, models/promoted/ and the history, kept in step.

The alias is the truth. A change goes: files into the registry, a copy beside models/promoted/, the alias,
the copy into its place, the history. Interrupted anywhere, the champion before it or the new one is whole,
and `reconcile`, with which the next run begins, brings the three in step again.
"""

import fcntl
import shutil
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path

import bundle
from bundle.engine import Engine
from bundle.errors import BundleError
from pipeline.core import files
from pipeline.core.errors import DataError, PipelineError, StorageError, TrackingError
from pipeline.promote import history
from pipeline.promote.history import Action, Entry
from pipeline.tracking import runs as tracking
from pipeline.tracking.lineage import Lineage
from pipeline.tracking.registry import OlderSchema, Registry, Version, tags_of

PROMOTED = "promoted"  # in the folder of models


@dataclass(frozen=True)
class Champion:
    """The bundle that is served, and its version; at least one of the two.

    ``version`` is None where the registry does not have it yet; ``bundle`` is None where it is of an older schema,
    which this version can't read.
    """

    bundle: bundle.Bundle | None
    version: Version | None

    @property
    def fingerprint(self) -> str:
        """Of the bundle."""
        if self.version:
            return self.version.fingerprint
        assert self.bundle
        return bundle.fingerprint(self.bundle.manifest)

    @property
    def title(self) -> str:
        """The bundle's version."""
        if self.version:
            return self.version.bundle
        assert self.bundle
        return self.bundle.manifest.version

    @property
    def name(self) -> str:
        """As a person calls it."""
        return f"{self.title} (version {self.version.number})" if self.version else self.title


@contextmanager
def lock(models: Path) -> Iterator[None]:
    """Keep every other promotion and rollback out, and remove what a killed one left half-written.

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
        for litter in models.glob(f".{PROMOTED}.*.tmp"):  # of one that was killed
            shutil.rmtree(litter, ignore_errors=True)
        yield


def current(reg: Registry, models: Path, scratch: Path) -> Champion | None:
    """The champion, changing nothing; where models/promoted/ is another, it is fetched into ``scratch``.

    Raises:
        TrackingError: the store can't be read, or has lost the champion's files.
    """
    version, held = reg.champion(), _held(models)
    if version is None or (held and bundle.fingerprint(held.manifest) == version.fingerprint):
        return Champion(held, version) if held else None
    try:
        return Champion(reg.fetch(version, scratch), version)
    except OlderSchema:
        return Champion(None, version)


def reconcile(reg: Registry, models: Path, candidate: bundle.Bundle) -> Champion | None:
    """The champion, after repairing what an interruption, a removed folder or a removed store left.

    Args:
        reg: where the alias is. models: the folder that holds promoted/ and the history. candidate: taken
        in place of the champion's files where the store has lost them and it is the same model.

    Raises:
        TrackingError: the store can't be read or written, or has lost the champion's files.
        StorageError: models/promoted/ can't be written.
    """
    folder = models / PROMOTED
    files.recover_dir(folder)
    version, held = reg.champion(), _held(models)
    if version is None:
        if held is None:
            return None
        version = _register(reg, held)
        reg.set_alias(version)
    elif held is None or bundle.fingerprint(held.manifest) != version.fingerprint:
        try:
            with files.replace_dir(folder) as new:
                _bring_back(reg, version, candidate, new)
            held = bundle.load(folder)
            print(f"{folder} is {version.bundle} again, the champion that the registry names")
        except OlderSchema:
            held = None
    entries = history.read(models)
    if not entries or entries[-1].fingerprint != version.fingerprint:
        _record(models, "repair", version, None, "found as champion; the change itself was not recorded")
    return Champion(held, version)


def promote(
    reg: Registry, models: Path, candidate: bundle.Bundle, before: Champion | None, why: str
) -> Version:
    """Make ``candidate`` the champion.

    Raises:
        StorageError, TrackingError: something can't be written; the champion ``before`` is untouched.
    """
    with files.replace_dir(models / PROMOTED) as new:
        version = _register(reg, _copy(candidate, new, before.title if before else None))
        reg.set_alias(version)
    _record(models, "promote", version, before.version if before else None, why)
    return version


def roll_back(reg: Registry, models: Path, to: str | None, why: str) -> tuple[Version, Version]:
    """Bring back the champion before this one, or the one that ``to`` names (its number or the bundle's name).

    Returns:
        The version that was champion, and the one that is now.

    Raises:
        DataError: there is nothing to go back to, or ``to`` names no version.
        TrackingError: the store has lost the files.
    """
    files.recover_dir(models / PROMOTED)
    if (present := reg.champion()) is None:
        raise DataError("there is no champion yet, so nothing to roll back; `dvc repro` promotes the first")
    entries = history.read(models)
    version = _named(reg, entries, to) if to else _before(reg, entries, present)
    if version == present:
        raise DataError(f"{present.bundle} (version {present.number}) is the champion already")
    with files.replace_dir(models / PROMOTED) as new:
        fetched = reg.fetch(version, new)
        try:
            Engine(fetched).check_golden()
        except BundleError as error:
            raise DataError(f"version {version.number} can't be served any more: {error}") from error
        reg.set_alias(version)
    _record(models, "rollback", version, present, why)
    return present, version


def _before(reg: Registry, entries: list[Entry], present: Version) -> Version:
    earlier = [e for e in history.champions(entries) if e.fingerprint != present.fingerprint]
    if not earlier:
        raise DataError(f"{present.bundle} (version {present.number}) is the only champion there was")
    if (version := reg.find(earlier[-1].fingerprint)) is None:
        raise TrackingError(
            f"the champion before, {earlier[-1].bundle}, is no longer in the store {reg.store.place}; name "
            "another by `--to` (`python -m pipeline.promote history` shows them)"
        )
    return version


def _named(reg: Registry, entries: list[Entry], to: str) -> Version:
    if to.isdecimal():
        return reg.get(int(to))
    for entry in reversed(entries):
        if entry.bundle == to and (version := reg.find(entry.fingerprint)):
            return version
    raise DataError(f"no version is called {to}; `python -m pipeline.promote history` shows what there is")


def _held(models: Path) -> bundle.Bundle | None:
    folder = models / PROMOTED
    if not folder.exists():
        return None
    try:
        return bundle.load(folder)
    except BundleError as error:
        print(f"{folder} can't be read: {error}")
        return None


def _bring_back(reg: Registry, version: Version, candidate: bundle.Bundle, new: Path) -> None:
    try:
        reg.fetch(version, new)
    except TrackingError as error:
        if isinstance(error, OlderSchema):
            raise
        if bundle.fingerprint(candidate.manifest) != version.fingerprint:
            raise TrackingError(
                f"the champion can't be brought back: {error}. Go back to another with "
                "`python -m pipeline.promote rollback --to …`"
            ) from error
        for path in new.iterdir():  # what came of it
            shutil.rmtree(path) if path.is_dir() else path.unlink()
        _copy(candidate, new, candidate.manifest.lineage.parent)


def _register(reg: Registry, candidate: bundle.Bundle) -> Version:
    line = candidate.manifest.lineage
    lineage = Lineage(line.git_commit, line.git_dirty, line.data_hash, line.config, line.config_hash)
    settings, name = reg.store.settings, f"promote {candidate.manifest.version}"
    with tracking.resume(settings, line.mlflow_run_id, name=name, lineage=lineage) as run:
        return reg.register(candidate, run, tags_of(candidate))


def _copy(source: bundle.Bundle, folder: Path, parent: str | None) -> bundle.Bundle:
    """Copy the files that the manifest lists (and no others) and seal them with their ``parent``."""
    for name in source.manifest.files:
        (folder / name).parent.mkdir(parents=True, exist_ok=True)
        (folder / name).write_bytes(source.read(name))
    lineage = source.manifest.lineage.model_copy(update={"parent": parent})
    try:
        return bundle.Bundle(
            folder, bundle.seal(folder, source.manifest.model_copy(update={"lineage": lineage}))
        )
    except BundleError as error:
        raise StorageError(str(error)) from error


def _record(models: Path, action: Action, version: Version, before: Version | None, why: str) -> None:
    entry = Entry(
        when=history.now(),
        who=history.who(),
        action=action,
        version=version.number,
        bundle=version.bundle,
        fingerprint=version.fingerprint,
        previous=before.number if before else None,
        why=why,
    )
    history.append(models, entry)
