"""Model versions in MLflow's registry: bundles as artifacts of the run that trained them, lineage as tags.

A version is a model that MLflow loads as well (`pipeline.tracking.mlflow_model`); the bundle's files lie at its root.
A service with no MLflow package gets the champion from an `mlflow server` by three plain requests (see
tests/pipeline/test_registry_over_rest.py): `GET
/api/2.0/mlflow/registered-models/alias?name=…&alias=champion` gives the version, `GET
/model-versions/get-artifact?name=…&version=…&path=manifest.json` its manifest, and the same with the path
of each file that the manifest lists gives the rest.
"""

import json
import shutil
import tempfile
from collections import Counter
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from pydantic import ValidationError

import bundle
from bundle.errors import BundleError
from pipeline.core.errors import TrackingError
from pipeline.metrics.predictions import PHOTOS, PREDICTIONS, Prediction, read, read_photos
from pipeline.metrics.schema import Metrics
from pipeline.tracking import mlflow_model
from pipeline.tracking.runs import Run
from pipeline.tracking.store import Store, explained

CHAMPION = "champion"  # the alias
FOLDER = "bundle"  # of a run's artifacts; in it one for each fingerprint: a training may be exported twice


class OlderSchema(TrackingError):
    """A version's bundle was made by an older version of this project, which alone can read it."""


@dataclass(frozen=True)
class Version:
    """A model version: its number, the bundle's name and fingerprint, and where the files lie."""

    number: int
    bundle: str
    fingerprint: str
    run_id: str

    @property
    def path(self) -> str:
        """The bundle's folder among the artifacts of the run."""
        return f"{FOLDER}/{self.fingerprint[:12]}"


@dataclass(frozen=True)
class Registry:
    """The versions of one registered model in a store."""

    store: Store
    model: str

    def champion(self) -> Version | None:
        """The version that the alias points to.

        Raises:
            TrackingError: the store can't be read, or the alias was put on a version that promote did not
            make.
        """
        from mlflow.exceptions import MlflowException

        with explained(self.store):
            try:
                aliases = self.store.client.get_registered_model(self.model).aliases
            except MlflowException as error:
                if error.error_code != "RESOURCE_DOES_NOT_EXIST":
                    raise
                return None
        return self.get(int(aliases[CHAMPION])) if CHAMPION in aliases else None

    def get(self, number: int) -> Version:
        """One version.

        Raises:
            TrackingError: there is none, or promote did not make it.
        """
        with explained(self.store):
            return self._version(self.store.client.get_model_version(self.model, str(number)))

    def find(self, fingerprint: str) -> Version | None:
        """The version whose bundle has ``fingerprint``; the newest, should there be several."""
        query = f"name = '{self.model}' and tags.fingerprint = '{fingerprint}'"
        with explained(self.store):
            found = self.store.client.search_model_versions(query, order_by=["version_number DESC"])
        return self._version(found[0]) if found else None

    def register(self, candidate: bundle.Bundle, run: Run, tags: Mapping[str, str]) -> Version:
        """Keep ``candidate`` as a version; the one that is there, if it was registered before.

        The files go first, so that a version which exists has all of them, whenever this is interrupted.
        """
        fingerprint = bundle.fingerprint(candidate.manifest)
        if known := self.find(fingerprint):
            return known
        version = Version(0, candidate.manifest.version, fingerprint, run.run_id)
        with explained(self.store), tempfile.TemporaryDirectory() as scratch:
            mlflow_model.write(candidate, Path(scratch) / "model")
            run.artifact(Path(scratch) / "model", version.path)
        client = self.store.client
        self._ensure_model()
        with explained(self.store):
            root = client.get_run(run.run_id).info.artifact_uri
            made = client.create_model_version(
                self.model,
                source=f"{root}/{version.path}",
                run_id=run.run_id,
                tags=dict(tags) | {"fingerprint": fingerprint, "bundle": version.bundle},
            )
        return self._version(made)

    def set_alias(self, version: Version) -> None:
        """Point the alias to ``version``; what serves the alias takes it over."""
        with explained(self.store):
            self.store.client.set_registered_model_alias(self.model, CHAMPION, str(version.number))

    def fetch(self, version: Version, folder: Path) -> bundle.Bundle:
        """Copy the bundle of ``version`` into the empty ``folder`` and check it.

        Raises:
            TrackingError: the files are gone, damaged, or others than the version says; `OlderSchema`.
            StorageError, OSError: they can't be written.
        """
        where = f"version {version.number} of {self.model} ({version.bundle})"
        download = folder / ".download"
        download.mkdir()
        with explained(self.store):
            got = Path(self.store.client.download_artifacts(version.run_id, version.path, str(download)))
        if (schema := older_schema(got)) is not None:
            raise OlderSchema(
                f"{where} is of schema {schema}, which only an older version of this project reads"
            )
        try:
            manifest = bundle.load_manifest(got)
            for name in (bundle.MANIFEST, *manifest.files):
                if (got / name).exists():  # else `load` says it
                    (folder / name).parent.mkdir(parents=True, exist_ok=True)
                    (got / name).rename(folder / name)
            shutil.rmtree(download)
            fetched = bundle.load(folder)
            fits = bundle.fingerprint(fetched.manifest) == version.fingerprint
        except BundleError as error:
            raise TrackingError(f"{where} is damaged in the store {self.store.place}: {error}") from error
        if not fits:
            raise TrackingError(f"{where} in the store {self.store.place} is another model than its tags say")
        return fetched

    def predictions(self, version: Version) -> list[Prediction]:
        """The answers from elsewhere of ``version``; none where its bundle has none, or the store lost them.

        Raises:
            TrackingError: the store can't be read. DataError: the table is damaged.
        """
        path = f"{version.path}/{PREDICTIONS}"
        client = self.store.client
        with explained(self.store), tempfile.TemporaryDirectory() as scratch:
            if path not in {file.path for file in client.list_artifacts(version.run_id, version.path)}:
                return []
            return read(Path(client.download_artifacts(version.run_id, path, scratch)))

    def _ensure_model(self) -> None:
        from mlflow.exceptions import MlflowException

        with explained(self.store):
            try:
                self.store.client.create_registered_model(self.model)
            except MlflowException as error:
                if error.error_code != "RESOURCE_ALREADY_EXISTS":
                    raise

    def _version(self, made: Any) -> Version:
        try:
            return Version(int(made.version), made.tags["bundle"], made.tags["fingerprint"], made.run_id)
        except KeyError as error:
            raise TrackingError(
                f"version {made.version} of {self.model} was not made by promote (it has no tag {error}): move "
                f"the alias {CHAMPION} to one that was, in `make runs`"
            ) from error


def older_schema(folder: Path) -> int | None:
    """The schema of the bundle in ``folder``, if it is an older one than this version reads."""
    try:
        schema = json.loads((folder / bundle.MANIFEST).read_bytes())["schema_version"]
    except (OSError, ValueError, LookupError, TypeError):
        return None  # `bundle.load` says what is wrong
    return schema if isinstance(schema, int) and schema < bundle.SCHEMA_VERSION else None


def tags_of(candidate: bundle.Bundle) -> dict[str, str]:
    """Lineage, number of photos and the main figures of a bundle as tags of its version.

    Raises:
        DataError: its table of photos is damaged.
    """
    manifest, line = candidate.manifest, candidate.manifest.lineage
    tags = {
        "git_commit": line.git_commit,
        "git_dirty": str(line.git_dirty).lower(),
        "data_hash": line.data_hash,
        "config_hash": line.config_hash,
        "parent": line.parent or "none",
        "created": manifest.created.isoformat(),
        "labels": ", ".join(manifest.labels)[:1000],
    }
    if PHOTOS in manifest.files:
        sides = Counter(read_photos(candidate.path(PHOTOS)).values())
        tags["photos"] = ", ".join(f"{side} {count}" for side, count in sorted(sides.items()))
    metrics = metrics_of(manifest)
    scores = metrics.elsewhere.variants.get(manifest.default_variant) if metrics else None
    for name in ("served_accuracy", "fnr", "fpr", "calibration_error") if scores else ():
        figure = getattr(scores, name)
        if figure.value is not None:
            value, low, high = (
                "?" if x is None else f"{x:.4f}" for x in (figure.value, figure.low, figure.high)
            )
            tags[f"metric.{name}"] = f"{value} [{low}, {high}], n = {figure.n}"
    return tags


def metrics_of(manifest: bundle.Manifest) -> Metrics | None:
    """The figures of a bundle; None where they are not as this version writes them."""
    try:
        return Metrics.model_validate(manifest.metrics)
    except ValidationError:
        return None
