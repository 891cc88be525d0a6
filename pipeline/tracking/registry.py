"""Model versions in MLflow's registry: bundles as artifacts of the run that trained them, lineage as tags.

A version is a model that MLflow loads as well (`pipeline.tracking.mlflow_model`); the bundle's files lie at its root.
A service with no MLflow package gets the champion from an `mlflow server` by three plain requests (see
tests/pipeline/test_registry_over_rest.py): `GET
/api/2.0/mlflow/registered-models/alias?name=…&alias=champion` gives the version, `GET
/model-versions/get-artifact?name=…&version=…&path=manifest.json` its manifest, and the same with the path
of each file that the manifest lists gives the rest.
"""

import tempfile
from collections import Counter
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from pydantic import ValidationError

import bundle
from bundle import Bundle
from bundle.errors import BundleError
from pipeline.core.errors import TrackingError
from pipeline.metrics.predictions import PHOTOS, PREDICTIONS, Prediction, read, read_photos
from pipeline.metrics.schema import Metrics
from pipeline.tracking import mlflow_model
from pipeline.tracking.runs import Run
from pipeline.tracking.store import Store, explained

CHAMPION = "champion"  # the alias
TAINTED = "tainted"  # the tag of a version that knew a photo that was forgotten; its value says which and how
FOLDER = "bundle"  # of a run's artifacts; in it one for each fingerprint: a training may be exported twice


class Unreadable(TrackingError):
    """The store answers, but a version's bundle is lost, damaged, or of a schema that this project no longer reads."""


@dataclass(frozen=True)
class Version:
    """A model version: its number (0: not in the registry yet), the bundle's name and fingerprint, and the run.

    ``tainted`` says why it may not be served any more; empty where it may.
    """

    number: int
    bundle: str
    fingerprint: str
    run_id: str
    tainted: str = ""

    @classmethod
    def of(cls, found: Bundle) -> "Version":
        """Of a bundle that the registry doesn't have yet."""
        return cls(0, found.manifest.version, bundle.fingerprint(found.manifest), found.manifest.lineage.mlflow_run_id)

    @property
    def name(self) -> str:
        """As a person calls it."""
        return f"{self.bundle} (version {self.number})" if self.number else self.bundle

    @property
    def path(self) -> str:
        """The bundle's folder among the artifacts of the run."""
        return f"{FOLDER}/{self.fingerprint[:12]}"


@dataclass(frozen=True)
class Registry:
    """The versions of one registered model in a store; every method raises TrackingError where that refuses."""

    store: Store
    model: str

    def champion(self) -> Version | None:
        """The version that the alias points to; see `get`."""
        found = self.store.call("search_registered_models", f"name = '{self.model}'")
        number = found[0].aliases.get(CHAMPION) if found else None
        return self.get(int(number)) if number else None

    def get(self, number: int) -> Version:
        """One version; a TrackingError where there is none, or promote did not make it."""
        return self._version(self.store.call("get_model_version", self.model, str(number)))

    def find(self, fingerprint: str) -> Version | None:
        """The version whose bundle has ``fingerprint``; of several the newest that is not tainted, else the newest.

        There are several where a photo of the test split was forgotten: the model without it has the same bytes.
        """
        found = list(self._search(f"tags.fingerprint = '{fingerprint}'"))
        return next((version for version in found if not version.tainted), found[0] if found else None)

    def versions(self) -> list[Version]:
        """All versions that promote made, the newest first."""
        return list(self._search("tags.fingerprint != ''"))

    def _search(self, condition: str) -> Iterator[Version]:
        token = None
        while True:
            query = f"name = '{self.model}' and {condition}"
            found = self.store.call("search_model_versions", query, order_by=["version_number DESC"], page_token=token)
            yield from map(self._version, found)
            if not (token := found.token):
                return

    def register(self, candidate: Bundle, run: Run) -> Version:
        """Keep ``candidate`` as a version; the one that is there, if it was registered before.

        The files go first, so that a version which exists has all of them, whenever this is interrupted.
        """
        new, client = Version.of(candidate), self.store.client
        if (known := self.find(new.fingerprint)) and not known.tainted:
            return known
        with explained(self.store.place), tempfile.TemporaryDirectory() as scratch:
            mlflow_model.write(candidate, Path(scratch) / "model")
            run.artifact(Path(scratch) / "model", new.path)
            if not client.search_registered_models(f"name = '{self.model}'"):
                client.create_registered_model(self.model)
            source = f"{client.get_run(run.run_id).info.artifact_uri}/{new.path}"
            made = client.create_model_version(self.model, source, run.run_id, tags=_tags(candidate))
        return self._version(made)

    def renew(self, version: Version, candidate: Bundle) -> None:
        """Replace the files and tags of ``version`` that are no part of the model: its figures and its card."""
        self.store.call("log_artifacts", version.run_id, str(candidate.folder), version.path)
        for name, value in _tags(candidate).items():
            self.store.call("set_model_version_tag", self.model, str(version.number), name, value)

    def taint(self, version: Version, why: str) -> None:
        """Tag ``version`` as one that may not be served any more."""
        self.store.call("set_model_version_tag", self.model, str(version.number), TAINTED, why)

    def set_alias(self, version: Version) -> None:
        """Point the alias to ``version``; what serves the alias takes it over."""
        self.store.call("set_registered_model_alias", self.model, CHAMPION, str(version.number))

    def fetch(self, version: Version, folder: Path) -> Bundle:
        """Copy the bundle of ``version`` into the empty ``folder`` and check it.

        Raises:
            Unreadable: the files are gone, damaged, of an older schema, or others than the version says.
            OSError: they can't be written.
        """
        where = f"{version.name} of {self.model}"
        with tempfile.TemporaryDirectory() as scratch:
            if not self.store.call("list_artifacts", version.run_id, version.path):
                raise Unreadable(f"the store {self.store.place} has lost the files of {where}")
            got = Path(self.store.call("download_artifacts", version.run_id, version.path, scratch))
            try:
                mlflow_model.copy(Bundle(got, bundle.load_manifest(got)), folder)
                fetched = bundle.load(folder)
            except BundleError as error:
                raise Unreadable(f"{where} can't be read from the store {self.store.place}: {error}") from error
        if Version.of(fetched).fingerprint != version.fingerprint:
            raise Unreadable(f"{where} in the store {self.store.place} is another model than its tags say")
        return fetched

    def predictions(self, version: Version) -> list[Prediction]:
        """The answers from elsewhere of ``version``; none where its bundle has none, or the store lost them.

        Raises:
            DataError: the table is damaged.
        """
        with self._file(version, PREDICTIONS) as path:
            return read(path) if path else []

    def photos(self, version: Version) -> dict[str, str] | None:
        """The side of each photo that ``version`` knew, by sha256; None where its bundle has no such list.

        Raises:
            DataError: the table is damaged.
        """
        with self._file(version, PHOTOS) as path:
            return read_photos(path) if path else None

    @contextmanager
    def _file(self, version: Version, name: str) -> Iterator[Path | None]:
        """A copy of one file of a version's bundle, for as long as the block lasts; None where it has none."""
        path = f"{version.path}/{name}"
        if path not in {file.path for file in self.store.call("list_artifacts", version.run_id, version.path)}:
            yield None
            return
        with tempfile.TemporaryDirectory() as scratch:
            yield Path(self.store.call("download_artifacts", version.run_id, path, scratch))

    def _version(self, made: Any) -> Version:
        try:
            tags = made.tags
            return Version(int(made.version), tags["bundle"], tags["fingerprint"], made.run_id, tags.get(TAINTED, ""))
        except KeyError as error:
            raise TrackingError(
                f"version {made.version} of {self.model} was not made by promote (it has no tag {error}): move "
                f"the alias {CHAMPION} to one that was, in `make runs`"
            ) from error


def metrics_of(manifest: bundle.Manifest) -> Metrics | None:
    """The figures of a bundle; None where they are not as this version writes them."""
    try:
        return Metrics.model_validate(manifest.metrics)
    except ValidationError:
        return None


def _tags(candidate: Bundle) -> dict[str, str]:
    """What MLflow's page shows of a version: what it is, lineage, number of photos and the main figures."""
    manifest = candidate.manifest
    tags = {
        name: str(value) for name, value in manifest.lineage.model_dump(exclude={"config", "mlflow_run_id"}).items()
    }
    tags |= {"bundle": manifest.version, "fingerprint": bundle.fingerprint(manifest)}
    tags |= {"created": manifest.created.isoformat(), "labels": ", ".join(manifest.labels)[:1000]}
    if PHOTOS in manifest.files:
        sides = Counter(read_photos(candidate.path(PHOTOS)).values())
        tags["photos"] = ", ".join(f"{side} {count}" for side, count in sorted(sides.items()))
    metrics = metrics_of(manifest)
    scores = metrics.elsewhere.variants.get(manifest.default_variant) if metrics else None
    for name in ("served_accuracy", "fnr", "fpr", "calibration_error") if scores else ():
        figure = getattr(scores, name)
        value, low, high = ("?" if x is None else f"{x:.4f}" for x in (figure.value, figure.low, figure.high))
        tags[f"metric.{name}"] = f"{value} [{low}, {high}], n = {figure.n}"
    return tags
