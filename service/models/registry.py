"""Models from an MLflow registry: a source that follows an alias, with a cache on disk.

The cache may be shared by several processes and aliases. A download has a folder of its own until it is whole, a
version's folder never changes, and what is served is linked into the workspace, so that nobody's tidying harms it.
"""

import json
import logging
import os
import shutil
import tempfile
import time
from pathlib import Path
from typing import Final
from urllib.parse import quote

import bundle
from bundle.errors import BundleError
from service import log
from service.models.mlflow import MlflowClient, Version
from service.models.source import Unavailable
from service.models.workspace import Workspace
from service.settings import Settings

MAX_MANIFEST: Final = 10_000_000  # bytes
MAX_BUNDLE: Final = 2_000_000_000  # bytes
DOWNLOADING: Final = ".download-"
ABANDONED_S: Final = 3_600.0  # a download that was not touched for so long has nobody any more


class RegistrySource:
    """What an alias points to. See `service.models.source.Source`."""

    must_exist = False  # there may be no champion yet, and the registry may be down

    def __init__(self, settings: Settings, workspace: Workspace) -> None:
        self._client = MlflowClient(settings)
        self._workspace = workspace
        self._cache, self._note = places(settings)
        self._versions: dict[str, Version] = {}
        self._served: str | None = None

    def look(self) -> str:
        """The version's number and fingerprint; at the start without a registry, those that were served last."""
        try:
            version = self._client.version()
        except Unavailable as error:
            last = remembered(self._note)
            if self._served is not None or last is None or not (self._cache / last.token).is_dir():
                raise
            log.event(logging.WARNING, "registry unreachable, serving what was served last", why=str(error))
            version = last
        self._versions = {version.token: version}
        return version.token

    def fetch(self, token: str) -> Path:
        """From the cache, or from the registry into the cache; verified."""
        version = self._versions[token]
        cached = self._cache / token
        if cached.is_dir():
            try:
                return self._link(self._checked(bundle.load(cached), version))
            except BundleError:
                shutil.rmtree(cached, ignore_errors=True)
        self._cache.mkdir(parents=True, exist_ok=True)
        coming = Path(tempfile.mkdtemp(prefix=DOWNLOADING, dir=self._cache))
        try:
            self._download(version, coming)
            found = self._link(self._checked(bundle.load(coming), version))
            coming.chmod(0o755)  # mkdtemp makes it 0700, which a process of another user can't read
            try:
                coming.rename(cached)
            except OSError:  # another process was faster, with the same version
                if not cached.is_dir():
                    raise
            return found
        except BundleError as error:
            why = str(error).replace(f"{coming}/", "").partition(";")[0]
            raise BundleError(
                f"version {version.number} of {self._client.name} is damaged in the registry: {why}"
            ) from error
        finally:
            shutil.rmtree(coming, ignore_errors=True)

    def taken(self, token: str) -> None:
        """Note it for a start without the registry, and drop from the cache what no alias served last or before."""
        before, self._served = self._served, token
        version = self._versions[token]
        remember(self._note, version, before)
        kept = {before, token}
        for note in self._cache.glob("*.json"):
            if other := remembered(note):
                kept |= {other.token, json.loads(note.read_text(encoding="utf-8")).get("before")}
        for folder in self._cache.iterdir():
            downloading = folder.name.startswith(DOWNLOADING)
            abandoned = downloading and time.time() - folder.stat().st_mtime > ABANDONED_S
            if folder.is_dir() and (abandoned or not (downloading or folder.name in kept)):
                shutil.rmtree(folder, ignore_errors=True)

    def _checked(self, found: bundle.Bundle, version: Version) -> bundle.Bundle:
        if version.fingerprint and bundle.fingerprint(found.manifest) != version.fingerprint:
            raise BundleError(
                f"version {version.number} of {self._client.name} is another model than its tag says; promote again"
            )
        return found

    def _download(self, version: Version, folder: Path) -> None:
        self._client.download(version, bundle.MANIFEST, folder / bundle.MANIFEST, most=MAX_MANIFEST)
        files = bundle.load_manifest(folder).files
        if sum(entry.bytes for entry in files.values()) > MAX_BUNDLE:
            raise BundleError(f"it is larger than {MAX_BUNDLE / 1e9:g} GB")
        for name, entry in files.items():
            path = folder / name
            path.parent.mkdir(parents=True, exist_ok=True)
            if self._client.download(version, name, path, most=entry.bytes) != entry.sha256:
                raise BundleError(f"{name} is not what {bundle.MANIFEST} says (sha256 differs)")

    def _link(self, found: bundle.Bundle) -> Path:
        """A folder of our own with the same files: hard links, which cost no space, or copies on another disk."""
        folder = self._workspace.new()
        for name in (bundle.MANIFEST, *found.manifest.files):
            path = folder / name
            path.parent.mkdir(parents=True, exist_ok=True)
            try:
                path.hardlink_to(found.path(name))
            except OSError:
                shutil.copyfile(found.path(name), path)
        return folder


def places(settings: Settings) -> tuple[Path, Path]:
    """Where a model's versions are cached, and the note of what its alias served last."""
    assert settings.registered
    name, alias = settings.registered
    cache = settings.cache / quote(name, safe="")
    return cache, cache / f"{quote(alias, safe='')}.json"


def remember(note: Path, version: Version, before: str | None) -> None:
    """Write the note, whole or not at all."""
    new = note.with_name(f"{DOWNLOADING}{os.getpid()}-{note.name}")
    values = {"number": version.number, "fingerprint": version.fingerprint, "before": before}
    new.write_text(json.dumps(values), encoding="utf-8")
    new.replace(note)


def remembered(note: Path) -> Version | None:
    """What an alias served last, as a note in the cache says."""
    try:
        values = json.loads(note.read_text(encoding="utf-8"))
        return Version(str(int(values["number"])), values["fingerprint"])
    except (OSError, ValueError, LookupError, TypeError):
        return None
