"""A checkout in which evaluate has just written a candidate, for tests of promotion.

The models look at colour (tests/tiny_bundle.py): red pictures are art, green plant, blue text, grey none of
them. A ``bias`` towards one label makes a model that gets others wrong.
"""

import hashlib
import json
import shutil
from collections.abc import Sequence
from pathlib import Path
from typing import Any

import pytest
import yaml

import bundle
from pipeline.data.split import SplitRow, read_split, write_split
from pipeline.metrics import predictions
from pipeline.metrics.predictions import PHOTOS, PREDICTIONS
from pipeline.promote import history
from pipeline.promote import stage as promote
from pipeline.tracking import store
from pipeline.tracking.registry import Registry
from tests import measured, mlflow_template, tiny_bundle
from tests.measured import LABELS
from tests.mlflow_template import SETTINGS

CONF = Path(__file__).parents[1] / "conf"
COLOURS = {"art": (220, 20, 20), "plant": (20, 200, 30), "text": (20, 30, 210), "other": (128, 128, 128)}
EACH = 12  # test pictures of a label
GOOD, EQUAL, BLIND = (0.0, 0.0, 0.0), (0.1, 0.0, 0.0), (9.0, 0.0, 0.0)  # blind: everything is art
PROMOTED = Path("models/promoted")


class Project:
    """The checkout: settings, test pictures, and `candidate` to put a model up."""

    def __init__(self, root: Path) -> None:
        self.root = root
        conf = {name: yaml.safe_load((CONF / name / "default.yaml").read_text()) for name in ("promote", "tracking")}
        self.params: dict[str, Any] = {
            "data": yaml.safe_load((CONF / "data" / "photos.yaml").read_text()),
            "promote": conf["promote"],
            "tracking": conf["tracking"] | {"lock_timeout_s": 0.2},
        }
        self.write_params()
        self.write_pictures(EACH)

    def write_params(self) -> None:
        (self.root / "params.yaml").write_text(yaml.safe_dump(self.params))

    def write_pictures(self, each: int) -> None:
        rows = []
        for label, (red, green, blue) in COLOURS.items():
            for place in range(each):
                file = f"{label}/{place}.png"
                path = self.root / "data" / "images" / file
                path.parent.mkdir(parents=True, exist_ok=True)
                data = tiny_bundle.picture((red + place, green, blue + (place if label == "text" else 0)))
                path.write_bytes(data)
                sha256 = hashlib.sha256(data).hexdigest()
                rows.append(SplitRow(file, label, f"{label}{place}", "real", "test", sha256))
        write_split(self.root / "build" / "split.csv", rows)

    def candidate(
        self,
        bias: Sequence[float] = GOOD,
        *,
        labels: Sequence[str] = LABELS,
        each: int = 60,
        wrong: int = 0,
        accepted: int = 0,
        batch: str = "",
        threshold: float = 0.3,
        run_id: str = "",
        taught: Sequence[str] = (),
        variants: Sequence[bundle.VariantName] = ("fp32",),
        **changes: Any,
    ) -> str:
        """Write models/candidate and return its fingerprint.

        Args:
            bias, labels, threshold: of the model; see `tiny_bundle`.
            each, wrong, accepted, batch: of its answers from elsewhere, and so of its figures; see `measured.answers`.
            run_id: the run that trained it.
            taught: sha256 of pictures of the split that it was trained on.
            variants: those in the bundle, the default first.
            changes: of the figures; see `measured.metrics`.
        """
        folder = self.root / "models" / "candidate"
        shutil.rmtree(folder, ignore_errors=True)
        made = tiny_bundle.make_bundle(folder, labels, bias=bias, threshold=threshold, variants=variants)
        fingerprint = bundle.fingerprint(made.manifest)
        rows = measured.answers(each, wrong, accepted, labels=labels, variants=variants, batch=batch)
        predictions.write(folder / PREDICTIONS, rows)
        test = {row.sha256: row.split for row in read_split(self.root / "build" / "split.csv")}
        sides = {row.sha256: "train" for row in rows} | test | dict.fromkeys(taught, "train")
        predictions.write_photos(folder / PHOTOS, sides)
        lineage = made.manifest.lineage
        if run_id:
            lineage = lineage.model_copy(update={"mlflow_run_id": run_id})
        figures = measured.metrics(rows, labels, **changes).model_dump()
        update = {"version": f"tiny-{fingerprint[:8]}", "metrics": figures, "lineage": lineage}
        bundle.seal(folder, made.manifest.model_copy(update=update))
        return fingerprint

    def report(self) -> dict[str, Any]:
        report: dict[str, Any] = json.loads((self.root / "reports" / "promotion.json").read_text())
        return report

    @property
    def registry(self) -> Registry:
        return Registry(store.open_store(SETTINGS), "art-text-plant")

    def versions(self) -> list[str]:
        found = self.registry.store.client.search_model_versions("name = 'art-text-plant'")
        return sorted(version.tags["bundle"] for version in found)

    def champion(self) -> str | None:
        version = self.registry.champion()
        return version.fingerprint if version else None

    def promoted(self) -> str:
        return bundle.fingerprint(bundle.load(self.root / PROMOTED).manifest)

    def history(self) -> list[tuple[str, str]]:
        return [(entry.action, entry.fingerprint) for entry in history.read(self.root / "models")]


def make(root: Path, patch: pytest.MonkeyPatch) -> Project:
    """A checkout in ``root``, which becomes the current folder, with a fresh MLflow store."""
    for name in ("MLFLOW_TRACKING_URI", "DVC_EXP_NAME", "DVC_EXP_BASELINE_REV"):
        patch.delenv(name, raising=False)
    patch.chdir(root)
    mlflow_template.make(root)
    mlflow_template.shorten_mlflows_patience(patch)
    return Project(root)


def run(*arguments: str) -> None:
    """Run `python -m pipeline.promote` with ``arguments``; it must succeed."""
    assert promote.main(arguments) == 0


def error(capsys: pytest.CaptureFixture[str], *arguments: str) -> str:
    """Run a command that must fail, and return its one line."""
    capsys.readouterr()
    assert promote.main(arguments) == 1
    said = capsys.readouterr().err
    assert said.startswith("error: ")
    assert said.count("\n") == 1
    assert "Traceback" not in said
    return said
