"""Stage ``export``: the trained network as a bundle that can be served, not yet measured.

Reads build/train/, build/split.csv and the photos; writes build/export/ (model.onnx, model.int8.onnx where it agrees,
golden frames, the list of photos, the manifest) and build/bodies/ (the graph below each variant's head), each whole or
not at all.
"""

from dataclasses import asdict
from datetime import UTC, datetime
from pathlib import Path

import numpy as np
from numpy.typing import NDArray
from pydantic import Field

import bundle
from bundle import InputSpec, Lineage, Manifest, Variant, VariantName
from bundle.engine import Engine
from pipeline.core import config, files
from pipeline.core.config import Settings
from pipeline.core.errors import PipelineError
from pipeline.data.settings import DataSettings
from pipeline.data.split import SPLIT, TRAIN, read_split
from pipeline.export import golden
from pipeline.metrics.calibration import Calibration
from pipeline.metrics.predictions import PHOTOS, write_photos
from pipeline.metrics.schema import Exported
from pipeline.models import crossval, features, graph, learner
from pipeline.models.head import Floats, Head, Space
from pipeline.models.learner import PROBE, LearnerFile
from pipeline.models.photos import Classes, Photos
from pipeline.tracking import runs

FOLDER, BODIES = Path("build/export"), Path("build/bodies")
FILES: dict[VariantName, str] = {"fp32": "model.onnx", "int8": "model.int8.onnx"}


class ExportSettings(Settings):
    """Section ``export``."""

    int8: bool  # whether to try an int8 twin
    rejected: float = Field(gt=0, lt=1)  # share of the labels' pictures that may be answered "none of these"
    parity: float = Field(gt=0)  # see `pipeline.models.graph.parity`
    calibration_photos: int = Field(ge=1)  # training photos that int8 takes its ranges from
    int8_agreement: float = Field(ge=0, le=1)  # int8 is left out if it answers fewer views as fp32 does
    agreement_photos: int = Field(ge=1)  # of training and validation, whose views that is measured on
    golden_tolerance: float = Field(gt=0)


def export() -> None:
    """Export build/train/ to build/export/.

    Raises:
        PipelineError: the network, the split or the photos can't be used, or ONNX and torch disagree.
    """
    data, settings = config.load("data", DataSettings), config.load("export", ExportSettings)
    trained, body, head = learner.load()
    photos = Photos.of(read_split(SPLIT), data.images, Classes(trained.labels, trained.ood_label))
    parity = graph.parity(body)
    if not parity <= settings.parity:
        raise PipelineError(
            f"the exported network differs from torch by {parity:g} (allowed {settings.parity:g}, conf/export/): "
            "another version of torch, onnxscript or openvino than the lock's?"
        )
    bodies: dict[VariantName, bytes] = {"fp32": body}
    models = {"fp32": _calibrated("fp32", body, head, photos, trained, settings)}  # type: dict[VariantName, _Model]
    if settings.int8:
        from pipeline.export import int8  # loads ONNX Runtime

        teaching = _first(photos, photos.side(TRAIN) & (photos.targets < photos.labels), settings.calibration_photos)
        bodies["int8"] = int8.quantize(body, teaching.frames(trained.size))
        models["int8"] = _calibrated("int8", bodies["int8"], None, photos, trained, settings)
        held = _first(photos, photos.fitted, settings.agreement_photos).frames(trained.size)
        share = int8.agreement({name: (model, variant.threshold) for name, (model, variant) in models.items()}, held)
        print(f"int8 answers {share:.1%} of the views as fp32 does", flush=True)
        if share < settings.int8_agreement:
            print(f"that is under {settings.int8_agreement:.1%} (conf/export/): int8 is left out", flush=True)
            del models["int8"], bodies["int8"]
    with files.replace_dir(FOLDER) as folder:
        for model, variant in models.values():
            files.write_bytes(folder / variant.file, model)
        files.write_bytes(folder / bundle.HEAD, models["fp32"][0].removeprefix(graph.bare_body(body)))
        write_photos(folder / PHOTOS, {row.sha256: row.split for row in photos.rows})
        origin = asdict(runs.lineage())
        manifest = Manifest(
            version=trained.backbone,  # for the time being: its digits are those of the fingerprint
            created=datetime.now(UTC),
            labels=trained.labels,
            input=InputSpec(size=trained.size),
            variants={name: variant for name, (_, variant) in models.items()},
            default_variant="int8" if "int8" in models else "fp32",
            golden=golden.write(folder, trained.size, {name: model for name, (model, _) in models.items()}),
            golden_tolerance=settings.golden_tolerance,
            metrics=Exported(
                recipe=trained.recipe, strength=trained.strength, rejected=settings.rejected, parity=parity
            ).model_dump(),
            lineage=Lineage(
                **{name: value for name, value in origin.items() if name in Lineage.model_fields},
                mlflow_run_id=trained.mlflow_run_id,
            ),
        )
        sealed = bundle.seal(folder, manifest)
        version = f"{trained.backbone}-{bundle.fingerprint(sealed)[:8]}"
        bundle.seal(folder, sealed.model_copy(update={"version": version}))
        for name in models:
            Engine(bundle.load(folder), name).check_golden()
    with files.replace_dir(BODIES) as folder:
        for name, each in bodies.items():
            files.write_bytes(folder / f"{name}.onnx", each)
    print(f"{version} -> {FOLDER}/ ({', '.join(models)})", flush=True)


_Model = tuple[bytes, Variant]  # the file, and what the manifest says of it


def _first(photos: Photos, where: NDArray[np.bool_], most: int) -> Photos:
    """At most ``most`` photos of ``where`` [n], the ones with the lowest hashes.

    So a new photo changes the choice seldom, and evenly over the labels, as hashes know nothing of them.
    """
    chosen = sorted(np.flatnonzero(where), key=lambda i: photos.rows[i].sha256)[:most]
    return photos.take(np.isin(np.arange(len(photos.rows)), chosen))


def _calibrated(
    name: VariantName, body: bytes, head: Head | None, photos: Photos, trained: LearnerFile, settings: ExportSettings
) -> _Model:
    """The variant with temperature and threshold of photos that it was not fitted on.

    Without a ``head`` one is fitted on what this body sees, so that rounding costs little.
    """
    fitted = photos.take(photos.fitted)
    x, targets = features.by(body, fitted.files(), trained.size), fitted.targets
    if head is None:
        head = Space(x).fitted(targets, len(photos.outputs), trained.strength)
    logits, judged = _left_out(x, fitted, trained)
    targets = judged.targets
    found = Calibration.of(logits, targets, photos.labels, settings.rejected, judged.parts().index)
    shown, passing = targets < photos.labels, found.id_scores(logits, photos.labels) >= found.threshold
    right = (logits[shown, : photos.labels].argmax(1) == targets[shown]).mean()
    others = f", {passing[~shown].mean():.0%} of others pass" if (~shown).any() else ""
    print(
        f"{FILES[name]}: {right:.1%} of {shown.sum()} left-out photos right, temperature {found.temperature:.2f}, "
        f"none of these below {found.threshold:.3f}{others}",
        flush=True,
    )
    model = graph.with_head(body, head, found.temperature, trained.labels)
    return model, Variant(file=FILES[name], threshold=round(found.threshold, 4), temperature=found.temperature)


def _left_out(x: NDArray[np.float32], fitted: Photos, trained: LearnerFile) -> tuple[Floats, Photos]:
    """Logits of photos that had no part in what answers them, and which photos they are.

    A probe's body learnt from none of them: every photo, by a head that was fitted without its source. A fine-tuned
    body learnt from those of training: the validation photos, by a head fitted without them.
    """
    targets, outputs = fitted.targets, len(fitted.outputs)
    if trained.recipe == PROBE:
        return crossval.out_of_fold(x, targets, fitted.parts().index, outputs, trained.strength), fitted
    teaching = fitted.side(TRAIN)
    without = Space(x).fitted(targets, outputs, trained.strength, teaching)
    return without.logits(x[~teaching]), fitted.take(~teaching)
