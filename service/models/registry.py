"""Models from an MLflow registry: a source that follows an alias, over three requests of MLflow's REST interface.

A version that is tagged tainted (it knew a photo that was forgotten) is refused, and the newest clean one taken.

There is no mlflow package here: even its slim client weighs more than the rest of the service and takes a second to
import. The other side is `pipeline/tracking/registry.py`. What is served is kept in one archive, which is replaced as
a whole, so that any number of services may share the folder; a start without the registry begins with it.
"""

import base64
import http.client
import json
import logging
import os
import shutil
import tarfile
import tempfile
import urllib.error
import urllib.request
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Final
from urllib.parse import quote, urlencode

import bundle
from bundle.errors import BundleError, UserError
from service import log
from service.models.source import Absent, Tainted, Unavailable
from service.settings import Settings

TIMEOUT_S: Final = 10.0  # for each request to begin to answer, and for each pause in an answer
CHUNK: Final = 1 << 20  # bytes that are in memory at one time; an answer about a version has some hundred
MAX_MANIFEST: Final = 10_000_000  # bytes
MAX_BUNDLE: Final = 2_000_000_000  # bytes
NEWEST: Final = 100  # versions among which a clean one is looked for
TOKEN: Final = "art-text-plant.token"  # in the archive's header


@dataclass(frozen=True)
class Version:
    """What the alias points to."""

    number: str
    fingerprint: str | None  # of the bundle, as promote noted it
    tainted: bool = False

    @property
    def token(self) -> str:
        """What tells one version from another."""
        return f"{self.number}-{(self.fingerprint or 'unknown')[:12]}"


class RegistrySource:
    """What an alias points to. See `service.models.source.Source`."""

    must_exist = False  # there may be no champion yet, and the registry may be down

    def __init__(self, settings: Settings) -> None:
        assert settings.registered  # as settings made sure
        assert settings.mlflow_tracking_uri
        self._name, self._alias = settings.registered
        self._uri = settings.mlflow_tracking_uri.rstrip("/")
        self._authorization = _authorization(settings)
        self._archive = archive(settings)
        self._version: Version | None = None
        self._has_served = False

    def look(self) -> str:
        """The version's number and fingerprint; at the start without a registry, those that were served last."""
        try:
            with self._get("/api/2.0/mlflow/registered-models/alias", name=self._name, alias=self._alias) as answer:
                version = _version(json.loads(self._read(answer))["model_version"])
            self._version = self._clean(version) if version.tainted else version
        except Tainted:
            raise
        except Unavailable:
            if self._has_served or (kept := kept_token(self._archive)) is None:
                raise
            log.event(logging.WARNING, "no registry; the model that was served last is taken", token=kept)
            return kept
        except (ValueError, LookupError, TypeError, AttributeError) as error:
            raise Unavailable(
                f"{self._uri} does not answer like an MLflow server; check MLFLOW_TRACKING_URI"
            ) from error
        return self._version.token

    def _clean(self, tainted: Version) -> Version:
        """The newest version that is not tainted; what is kept of the tainted one goes.

        Raises:
            Tainted: there is none.
        """
        if kept_token(self._archive) == tainted.token:
            self._archive.unlink(missing_ok=True)
        query = {"filter": f"name='{self._name}'", "order_by": "version_number DESC", "max_results": str(NEWEST)}
        with self._get("/api/2.0/mlflow/model-versions/search", **query) as answer:
            found = map(_version, json.loads(self._read(answer)).get("model_versions", ()))
            clean = next((version for version in found if version.fingerprint and not version.tainted), None)
        if clean is None:
            raise Tainted(
                f"version {tainted.number} of {self._name} knew a photo that was forgotten, and no clean version "
                "is there; train and promote one"
            )
        log.event(logging.WARNING, "a tainted version is refused", version=tainted.number, instead=clean.number)
        return clean

    def fetch(self, token: str, to: Path) -> None:
        """From the archive where it has that version, else from the registry."""
        if kept_token(self._archive) == token and unpack(self._archive, to):
            return
        version = self._version
        if version is None:
            raise Unavailable(f"what {self._archive} keeps is damaged, and {self._uri} can't be reached")
        try:
            self._download(version, bundle.MANIFEST, to, most=MAX_MANIFEST)
            manifest = bundle.load_manifest(to)
            if sum(entry.bytes for entry in manifest.files.values()) > MAX_BUNDLE:
                raise BundleError(f"it is larger than {MAX_BUNDLE / 1e9:g} GB")
            for name, entry in manifest.files.items():
                self._download(version, name, to, most=entry.bytes)
        except BundleError as error:
            raise BundleError(
                f"version {version.number} of {self._name} is damaged in the registry: {error}"
            ) from error
        if version.fingerprint and bundle.fingerprint(manifest) != version.fingerprint:
            raise BundleError(
                f"version {version.number} of {self._name} is another model than its tag says; promote again"
            )

    def taken(self, token: str, folder: Path) -> None:
        """Keep it for a start without the registry."""
        self._has_served = True
        if kept_token(self._archive) != token:
            keep(self._archive, token, folder)

    def _download(self, version: Version, name: str, folder: Path, *, most: int) -> None:
        """Write a file of a version to disk, a chunk at a time."""
        too_long = BundleError(f"{name} is longer than the {most} bytes that it may have")
        (folder / name).parent.mkdir(parents=True, exist_ok=True)
        number = version.number
        with self._get("/model-versions/get-artifact", name=self._name, version=number, path=name) as answer:
            if int(answer.headers.get("Content-Length") or 0) > most:
                raise too_long
            with (folder / name).open("wb") as file:
                while chunk := self._read(answer):
                    file.write(chunk)
                    if file.tell() > most:
                        raise too_long

    def _read(self, answer: Any) -> bytes:
        try:
            return bytes(answer.read(CHUNK))
        except (OSError, http.client.HTTPException) as error:  # apart from those of the disk
            raise self._unreachable(error) from error

    @contextmanager
    def _get(self, route: str, **query: str) -> Iterator[Any]:
        request = urllib.request.Request(f"{self._uri}{route}?{urlencode(query)}")  # settings allow http(s) only
        if self._authorization:
            request.add_unredirected_header("Authorization", self._authorization)
        try:
            answer = urllib.request.urlopen(request, timeout=TIMEOUT_S)
        except urllib.error.HTTPError as error:
            with error:
                raise self._explain(error, query.get("path")) from error
        except (OSError, ValueError, http.client.HTTPException) as error:
            raise self._unreachable(error) from error
        with answer:
            yield answer

    def _unreachable(self, error: Exception) -> Unavailable:
        reason: Any = getattr(error, "reason", error)
        return Unavailable(f"the MLflow server {self._uri} can't be reached ({reason or type(error).__name__})")

    def _explain(self, error: urllib.error.HTTPError, path: str | None) -> UserError:
        try:
            said = error.read(10_000).decode("utf-8", "replace")
        except (OSError, http.client.HTTPException):
            said = ""
        if error.code in (401, 403):
            return Unavailable(
                f"{self._uri} refuses ({error.code}); set MLFLOW_TRACKING_TOKEN, or USERNAME and PASSWORD"
            )
        absent = error.code == 404 or "RESOURCE_DOES_NOT_EXIST" in said
        if path is not None and absent:
            return BundleError(f"{path} is missing")
        if absent or (error.code == 400 and "alias" in said.lower()):
            return Absent(f"{self._uri} has no {self._name} with the alias {self._alias}; promote a model there")
        return Unavailable(f"{self._uri} answers {error.code} ({' '.join(said.split())[:200]})")


def archive(settings: Settings) -> Path:
    """Where the model that an alias served last is kept."""
    return settings.cache / f"{quote('@'.join(settings.registered or ()), safe='@')}.tar"


def keep(path: Path, token: str, folder: Path) -> None:
    """Write the archive of a bundle and its token, whole or not at all.

    Raises:
        OSError: it can't be written.
    """
    path.parent.mkdir(parents=True, exist_ok=True)
    descriptor, name = tempfile.mkstemp(dir=path.parent, prefix=".coming-")
    try:
        with (
            os.fdopen(descriptor, "wb") as file,
            tarfile.open(fileobj=file, mode="w", pax_headers={TOKEN: token}) as tar,
        ):
            tar.add(folder, ".")
        Path(name).chmod(0o644)  # mkstemp makes it 0600, which a service of another user can't read
        Path(name).replace(path)
    finally:
        Path(name).unlink(missing_ok=True)


def kept_token(path: Path) -> str | None:
    """What the archive holds; None where there is none that can be read."""
    try:
        with tarfile.open(path) as tar:
            return tar.pax_headers.get(TOKEN)
    except (OSError, tarfile.TarError):
        return None


def unpack(path: Path, to: Path) -> bool:
    """Write the files of the archive into an empty folder; False where one of them is damaged."""
    try:
        with tarfile.open(path) as tar:
            tar.extractall(to, filter="data")
        bundle.load(to)
    except (tarfile.TarError, BundleError):
        shutil.rmtree(to)
        to.mkdir()
        return False
    return True


def _version(answer: Any) -> Version:
    tags = {tag["key"]: tag["value"] for tag in answer.get("tags", ())}
    return Version(str(int(answer["version"])), tags.get("fingerprint"), bool(tags.get("tainted")))


def _authorization(settings: Settings) -> str | None:
    if settings.mlflow_tracking_token:
        return f"Bearer {settings.mlflow_tracking_token.get_secret_value()}"
    if settings.mlflow_tracking_username and settings.mlflow_tracking_password:
        pair = f"{settings.mlflow_tracking_username}:{settings.mlflow_tracking_password.get_secret_value()}"
        return f"Basic {base64.b64encode(pair.encode()).decode()}"
    return None
