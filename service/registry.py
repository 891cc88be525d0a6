"""Bundles from an MLflow registry, over the REST interface of its server.

Three requests are all it takes (the other side: `pipeline/tracking/registry.py`), so there is no mlflow package here:
even its slim client weighs more than the rest of the service and takes a second to import.
"""

import base64
import json
import os
import shutil
import urllib.error
import urllib.request
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Final
from urllib.parse import quote, urlencode

import bundle
from bundle.errors import BundleError, UserError
from service.settings import Settings

TIMEOUT_S: Final = 10.0  # for each request to begin to answer, and for each pause in an answer
MAX_MANIFEST: Final = 10_000_000  # bytes
MAX_BUNDLE: Final = 2_000_000_000  # bytes


class RegistryError(UserError):
    """The registry can't be asked, or knows no such model; ``outcome`` is its name in the metrics."""

    outcome = "unreachable"


class AbsentModel(RegistryError):
    """It answers, but has no such model or alias."""

    outcome = "absent"


@dataclass(frozen=True)
class Version:
    """What the alias points to."""

    number: str
    fingerprint: str | None  # of the bundle, as promote noted it

    @property
    def token(self) -> str:
        """What tells one version from another."""
        return f"{self.number}-{(self.fingerprint or 'unknown')[:12]}"


class Registry:
    """The model that an alias names, and the copies of its bundles in the cache."""

    def __init__(self, settings: Settings) -> None:
        assert settings.registered  # as settings made sure
        assert settings.mlflow_tracking_uri
        self._name, self._alias = settings.registered
        self._uri = settings.mlflow_tracking_uri.rstrip("/")
        self._cache = settings.cache / quote(self._name, safe="")
        self._authorization = _authorization(settings)

    def look(self) -> Version:
        """What the alias points to now.

        Raises:
            RegistryError: it can't be asked, or there is no such model or alias.
        """
        answer = self._get(
            "/api/2.0/mlflow/registered-models/alias", MAX_MANIFEST, name=self._name, alias=self._alias
        )
        try:
            version = json.loads(answer)["model_version"]
            tags = {tag["key"]: tag["value"] for tag in version.get("tags", ())}
            return Version(str(int(version["version"])), tags.get("fingerprint"))
        except (ValueError, LookupError, TypeError, AttributeError) as error:
            raise RegistryError(
                f"{self._uri} does not answer like an MLflow server; check MLFLOW_TRACKING_URI"
            ) from error

    def fetch(self, version: Version) -> bundle.Bundle:
        """The bundle of a version, verified; from the cache, where it is there already.

        Raises:
            RegistryError: it can't be fetched.
            BundleError: it is damaged.
            OSError: the cache can't be written.
        """
        folder = self._cache / version.token
        if folder.is_dir():
            try:
                return self._checked(bundle.load(folder), version)
            except BundleError:
                shutil.rmtree(folder)
        self._cache.mkdir(parents=True, exist_ok=True)
        coming = self._cache / f".{version.token}.{os.getpid()}"
        try:
            self._download(version, coming)
            self._checked(bundle.load(coming), version)
            coming.rename(folder)
        except BundleError as error:
            why = str(error).replace(f"{coming}/", "").partition(";")[0]
            raise BundleError(
                f"version {version.number} of {self._name} is damaged in the registry: {why}"
            ) from error
        finally:
            shutil.rmtree(coming, ignore_errors=True)
        return bundle.Bundle(folder, bundle.load_manifest(folder))

    def remember(self, version: Version, before: str | None) -> None:
        """Note what is served now, for a start without the registry; drop all but it and the one ``before``."""
        note = self._cache / f"{quote(self._alias, safe='')}.json"
        new = note.with_name(f".{note.name}.{os.getpid()}")
        new.write_text(
            json.dumps({"number": version.number, "fingerprint": version.fingerprint}), encoding="utf-8"
        )
        new.replace(note)
        for folder in self._cache.iterdir():
            if folder.is_dir() and folder.name not in (version.token, before):
                shutil.rmtree(folder, ignore_errors=True)

    def remembered(self) -> Version | None:
        """What was served last, if the cache still has it."""
        note = self._cache / f"{quote(self._alias, safe='')}.json"
        try:
            values = json.loads(note.read_text(encoding="utf-8"))
            version = Version(str(int(values["number"])), values["fingerprint"])
        except (OSError, ValueError, LookupError, TypeError):
            return None
        return version if (self._cache / version.token).is_dir() else None

    def _checked(self, found: bundle.Bundle, version: Version) -> bundle.Bundle:
        if version.fingerprint and bundle.fingerprint(found.manifest) != version.fingerprint:
            raise BundleError(
                f"version {version.number} of {self._name} is another model than its tag says; promote again"
            )
        return found

    def _download(self, version: Version, folder: Path) -> None:
        manifest_file = folder / bundle.MANIFEST
        folder.mkdir()
        manifest_file.write_bytes(self._artifact(version, bundle.MANIFEST, MAX_MANIFEST))
        files = bundle.load_manifest(folder).files
        if sum(entry.bytes for entry in files.values()) > MAX_BUNDLE:
            raise BundleError(
                f"version {version.number} of {self._name} is larger than {MAX_BUNDLE / 1e9:g} GB"
            )
        for name, entry in files.items():
            path = folder / name
            path.parent.mkdir(parents=True, exist_ok=True)
            path.write_bytes(self._artifact(version, name, entry.bytes))

    def _artifact(self, version: Version, path: str, limit: int) -> bytes:
        return self._get(
            "/model-versions/get-artifact", limit, name=self._name, version=version.number, path=path
        )

    def _get(self, route: str, limit: int, **query: str) -> bytes:
        request = urllib.request.Request(
            f"{self._uri}{route}?{urlencode(query)}"
        )  # settings allow http(s) only
        if self._authorization:
            request.add_unredirected_header("Authorization", self._authorization)
        try:
            with urllib.request.urlopen(request, timeout=TIMEOUT_S) as answer:
                body: bytes = answer.read(limit + 1)
        except urllib.error.HTTPError as error:
            with error:
                raise self._explain(error, query.get("path")) from error
        except (OSError, ValueError) as error:  # ValueError: http.client on bytes that are no HTTP
            reason: Any = getattr(error, "reason", error)
            raise RegistryError(f"the MLflow server {self._uri} can't be reached ({reason})") from error
        if len(body) > limit:
            raise BundleError(f"{query.get('path', route)} of {self._name} is longer than its manifest says")
        return body

    def _explain(self, error: urllib.error.HTTPError, path: str | None) -> UserError:
        said = error.read(10_000).decode("utf-8", "replace")
        if error.code in (401, 403):
            return RegistryError(
                f"{self._uri} refuses ({error.code}); set MLFLOW_TRACKING_TOKEN, or USERNAME and PASSWORD"
            )
        absent = error.code == 404 or "RESOURCE_DOES_NOT_EXIST" in said
        if path is not None and absent:
            return BundleError(f"{path} is missing")
        if absent or (error.code == 400 and "alias" in said.lower()):
            return AbsentModel(
                f"{self._uri} has no {self._name} with the alias {self._alias}; promote a model there"
            )
        return RegistryError(f"{self._uri} answers {error.code} ({' '.join(said.split())[:200]})")


def _authorization(settings: Settings) -> str | None:
    if settings.mlflow_tracking_token:
        return f"Bearer {settings.mlflow_tracking_token.get_secret_value()}"
    if settings.mlflow_tracking_username and settings.mlflow_tracking_password:
        pair = f"{settings.mlflow_tracking_username}:{settings.mlflow_tracking_password.get_secret_value()}"
        return f"Basic {base64.b64encode(pair.encode()).decode()}"
    return None
