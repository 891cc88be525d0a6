"""The two requests to an MLflow server that it takes to follow an alias, over its REST interface.

There is no mlflow package here: even its slim client weighs more than the rest of the service and takes a second to
import. The other side is `pipeline/tracking/registry.py`.
"""

import base64
import hashlib
import http.client
import json
import urllib.error
import urllib.request
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import IO, Any, Final
from urllib.parse import urlencode

from bundle.errors import BundleError, UserError
from service.models.source import Absent, Unavailable
from service.settings import Settings

TIMEOUT_S: Final = 10.0  # for each request to begin to answer, and for each pause in an answer
CHUNK: Final = 1 << 20  # bytes that are in memory at one time; an answer about a version has some hundred


@dataclass(frozen=True)
class Version:
    """What the alias points to."""

    number: str
    fingerprint: str | None  # of the bundle, as promote noted it

    @property
    def token(self) -> str:
        """What tells one version from another."""
        return f"{self.number}-{(self.fingerprint or 'unknown')[:12]}"


class MlflowClient:
    """Asks one server about one registered model."""

    def __init__(self, settings: Settings) -> None:
        assert settings.registered  # as settings made sure
        assert settings.mlflow_tracking_uri
        self.name, self.alias = settings.registered
        self._uri = settings.mlflow_tracking_uri.rstrip("/")
        self._authorization = _authorization(settings)

    def version(self) -> Version:
        """What the alias points to now.

        Raises:
            Unavailable: it can't be asked, or there is no such model or alias.
        """
        with self._get("/api/2.0/mlflow/registered-models/alias", name=self.name, alias=self.alias) as answer:
            body = self._read(answer)
            try:
                version = json.loads(body)["model_version"]
                tags = {tag["key"]: tag["value"] for tag in version.get("tags", ())}
                return Version(str(int(version["version"])), tags.get("fingerprint"))
            except (ValueError, LookupError, TypeError, AttributeError) as error:
                raise Unavailable(
                    f"{self._uri} does not answer like an MLflow server; check MLFLOW_TRACKING_URI"
                ) from error

    def download(self, version: Version, name: str, to: Path, *, most: int) -> str:
        """Write a file of a version to disk, a chunk at a time; its sha256.

        Raises:
            Unavailable: the server can't be asked.
            BundleError: there is no such file, or it has more than ``most`` bytes.
            OSError: it can't be written.
        """
        too_long = BundleError(f"{name} is longer than the {most} bytes that it may have")
        digest = hashlib.sha256()
        number = version.number
        with self._get("/model-versions/get-artifact", name=self.name, version=number, path=name) as answer:
            if int(answer.headers.get("Content-Length") or 0) > most:
                raise too_long
            with to.open("wb") as file:
                left = most
                while chunk := self._read(answer):
                    if (left := left - len(chunk)) < 0:
                        raise too_long
                    digest.update(chunk)
                    file.write(chunk)
        return digest.hexdigest()

    def _read(self, answer: IO[bytes]) -> bytes:
        try:
            return answer.read(CHUNK)
        except (OSError, http.client.HTTPException) as error:  # apart from those of the disk
            raise self._unreachable(error) from error

    @contextmanager
    def _get(self, route: str, **query: str) -> Iterator[Any]:
        address = f"{self._uri}{route}?{urlencode(query)}"  # settings allow http(s) only
        request = urllib.request.Request(address)
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
            return Absent(f"{self._uri} has no {self.name} with the alias {self.alias}; promote a model there")
        return Unavailable(f"{self._uri} answers {error.code} ({' '.join(said.split())[:200]})")


def _authorization(settings: Settings) -> str | None:
    if settings.mlflow_tracking_token:
        return f"Bearer {settings.mlflow_tracking_token.get_secret_value()}"
    if settings.mlflow_tracking_username and settings.mlflow_tracking_password:
        pair = f"{settings.mlflow_tracking_username}:{settings.mlflow_tracking_password.get_secret_value()}"
        return f"Basic {base64.b64encode(pair.encode()).decode()}"
    return None
