"""Stage ``export``: the trained network as a bundle that can be served, not yet measured.

Reads build/train/, build/split.csv and the pictures; writes build/export/: model.onnx, model.int8.onnx where it
passes its gates, golden frames and the manifest. Temperature and threshold are fitted on the validation pictures,
seen as a camera sees them, for each of the two models.
"""

import io
from collections.abc import Sequence
from datetime import UTC, datetime
from pathlib import Path

import numpy as np
import torch
from numpy.typing import NDArray
from PIL import Image
from pydantic import Field

import bundle
from bundle.engine import Engine, Output
from bundle.manifest import Golden, InputSpec, Lineage, Manifest, Variant, VariantName
from pipeline.core import config, files
from pipeline.core.config import Settings
from pipeline.core.errors import DataError, PipelineError, run_stage
from pipeline.data.settings import DataSettings
from pipeline.data.split import SPLIT, SplitRow, read_split
from pipeline.export import graph as onnx_graph
from pipeline.metrics.calibration import choose_threshold, fit_temperature
from pipeline.models import learner
from pipeline.train.augment import AugmentSettings
from pipeline.models.backbones import BACKBONES
from pipeline.models.dataset import camera_views, served_frames
from pipeline.models.learner import LearnerFile
from pipeline.tracking import runs as tracking

FOLDER = Path("build/export")
FILES: dict[VariantName, str] = {"fp32": "model.onnx", "int8": "model.int8.onnx"}
BATCH = 32  # frames inferred at once while fitting


class ExportSettings(Settings):
    """Section ``export``."""

    default_variant: VariantName
    views: int = Field(
        ge=1
    )  # hand-held views of each validation picture that temperature and threshold are fitted on
    temperature_bounds: tuple[float, float]
    keep: float = Field(
        gt=0, lt=1
    )  # without pictures of none of the labels: share of pictures that stays answered
    highest_threshold: float = Field(ge=0, le=1)  # without such pictures
    parity: float = Field(gt=0)  # largest difference of a probability between torch and ONNX
    calibration_pictures: int = Field(ge=1)  # training pictures that int8 takes its ranges from
    int8_accuracy_drop: float = Field(
        ge=0
    )  # int8 is left out if it loses more of the validation views than this
    golden_per_label: int = Field(ge=1)
    golden_tolerance: float = Field(gt=0)
    seed: int = Field(ge=0)


def main(argv: Sequence[str] | None = None) -> int:
    """Run the stage; it takes no arguments, its settings are in params.yaml."""
    return run_stage(export, description=__doc__, argv=argv)


def export() -> None:
    """Export build/train/ to build/export/.

    Raises:
        PipelineError: the network, the split or the pictures can't be used, or ONNX and torch disagree.
    """
    data = config.load("data", DataSettings)
    settings = config.load("export", ExportSettings)
    augment = config.load("augment", AugmentSettings)
    trained, network = learner.load()
    rows = read_split(SPLIT)
    valid = [row for row in rows if row.split == "valid" and row.label in (*trained.labels, data.ood_label)]
    if not any(row.label in trained.labels for row in valid):
        raise DataError(f"{SPLIT} has no validation pictures; `dvc repro validate` says why")
    with files.replace_dir(FOLDER) as folder:
        parity = _export_fp32(
            folder, trained, network, served_frames(valid, data.images, trained.size), settings
        )
        print(
            f"model.onnx: torch and ONNX differ by {parity:.1e} at most (allowed {settings.parity:g})",
            flush=True,
        )
        train = [row for row in rows if row.split == "train" and row.label in trained.labels]
        _export_int8(folder, trained, served_frames(_spread(train, settings), data.images, trained.size))
        views = camera_views(valid, data.images, trained.size, augment, settings.views, settings.seed)
        variants = _calibrate(folder, trained, views, valid * settings.views, settings)
        manifest = Manifest(
            version=trained.backbone,  # for the time being: its digits are those of the fingerprint
            created=datetime.now(UTC),
            labels=trained.labels,
            input=InputSpec(size=trained.size),
            variants=variants,
            default_variant=settings.default_variant if settings.default_variant in variants else "fp32",
            golden_tolerance=settings.golden_tolerance,
            metrics={"parity": {"max_abs_difference": parity}},
            lineage=_lineage(trained),
        )
        golden = _golden(folder, trained, manifest, valid, data.images, settings)
        sealed = bundle.seal(folder, manifest.model_copy(update={"golden": golden}))
        version = f"{trained.backbone}-{bundle.fingerprint(sealed)[:8]}"
        bundle.seal(folder, sealed.model_copy(update={"version": version}))
        for name in variants:
            Engine(bundle.load(folder), name).check_golden()
    print(f"{version} -> {FOLDER}/ ({', '.join(variants)})", flush=True)


def _export_fp32(
    folder: Path,
    trained: LearnerFile,
    network: torch.nn.Module,
    frames: NDArray[np.uint8],
    settings: ExportSettings,
) -> float:
    """Write model.onnx and return its largest difference from torch on ``frames``."""
    served = onnx_graph.Served(network, len(trained.labels), *BACKBONES[trained.backbone].stats)
    path = folder / FILES["fp32"]
    onnx_graph.export(served, trained.size, trained.labels, path)
    answers = onnx_graph.run(path, frames)
    with torch.inference_mode():
        expected = [served(batch) for batch in torch.split(torch.from_numpy(frames), BATCH)]
    difference = max(
        float(np.abs(ours - torch.cat(theirs).numpy()).max())
        for ours, theirs in zip(
            (answers.probabilities, answers.id_score), zip(*expected, strict=True), strict=True
        )
    )
    if not difference <= settings.parity:
        raise PipelineError(
            f"model.onnx differs from torch by {difference:.2e} on the validation pictures (allowed "
            f"{settings.parity:g}, conf/export/): another version of torch, onnxscript or onnxruntime than the lock's?"
        )
    return difference


def _export_int8(folder: Path, trained: LearnerFile, frames: NDArray[np.uint8]) -> None:
    onnx_graph.quantize(folder / FILES["fp32"], folder / FILES["int8"], frames, trained.labels)


def _spread(rows: Sequence[SplitRow], settings: ExportSettings) -> list[SplitRow]:
    """At most `calibration_pictures` of ``rows``, evenly over them, so over the labels."""
    step = max(1, len(rows) / settings.calibration_pictures)
    return [rows[int(i * step)] for i in range(min(len(rows), settings.calibration_pictures))]


def _calibrate(
    folder: Path,
    trained: LearnerFile,
    views: NDArray[np.uint8],
    rows: Sequence[SplitRow],
    settings: ExportSettings,
) -> dict[VariantName, Variant]:
    """Fit temperature and threshold of each model; remove the int8 model if it answers worse than fp32 by too much."""
    known = np.array([row.label in trained.labels for row in rows])
    truth = np.array([trained.labels.index(row.label) for row in rows if row.label in trained.labels])
    variants: dict[VariantName, Variant] = {}
    accuracy: dict[VariantName, float] = {}
    for name, file in FILES.items():
        path = folder / file
        onnx_graph.set_temperature(path, 1.0, trained.labels)
        plain = onnx_graph.run(path, views)
        temperature = fit_temperature(plain.probabilities[known], truth, settings.temperature_bounds)
        onnx_graph.set_temperature(path, temperature, trained.labels)
        scores = onnx_graph.run(path, views).id_score
        threshold = choose_threshold(
            scores[known], scores[~known], keep=settings.keep, highest=settings.highest_threshold
        )
        accuracy[name] = float((plain.probabilities[known].argmax(1) == truth).mean())
        print(
            f"{file}: {accuracy[name]:.1%} of {known.sum()} validation views right, temperature {temperature:.2f}, "
            f"none of these below {threshold:.2f}",
            flush=True,
        )
        variants[name] = Variant(file=file, threshold=round(threshold, 4), temperature=temperature)
    if accuracy["fp32"] - accuracy["int8"] > settings.int8_accuracy_drop:
        print(
            f"int8 loses {accuracy['fp32'] - accuracy['int8']:.1%}, more than conf/export/ allows: left out",
            flush=True,
        )
        (folder / FILES["int8"]).unlink()
        del variants["int8"]
    return variants


def _golden(
    folder: Path,
    trained: LearnerFile,
    manifest: Manifest,
    valid: Sequence[SplitRow],
    images: Path,
    settings: ExportSettings,
) -> tuple[Golden, ...]:
    """A few validation pictures as PNG frames, whose pixels every decoder agrees on, with each model's answers."""
    chosen: list[SplitRow] = []
    for label in dict.fromkeys(row.label for row in valid):
        chosen += [row for row in valid if row.label == label][: settings.golden_per_label]
    frames = served_frames(chosen, images, trained.size)
    answers: dict[VariantName, Output] = {
        name: onnx_graph.run(folder / variant.file, frames, batch=1)
        for name, variant in manifest.variants.items()
    }
    (folder / "golden").mkdir()
    golden = []
    for i, row in enumerate(chosen):
        file = f"golden/{i:02}-{'none' if row.label not in trained.labels else trained.labels.index(row.label)}.png"
        buffer = io.BytesIO()
        Image.fromarray(frames[i]).save(buffer, "PNG")
        (folder / file).write_bytes(buffer.getvalue())
        golden.append(
            Golden(
                file=file,
                probabilities={
                    n: tuple(map(float, a.probabilities[i].clip(0, 1))) for n, a in answers.items()
                },
                id_score={n: float(a.id_score[i].clip(0, 1)) for n, a in answers.items()},
            )
        )
    return tuple(golden)


def _lineage(trained: LearnerFile) -> Lineage:
    origin = tracking.lineage()
    return Lineage(
        git_commit=origin.git_commit,
        git_dirty=origin.git_dirty,
        data_hash=origin.data_hash,
        config=origin.config,
        config_hash=origin.config_hash,
        mlflow_run_id=trained.mlflow_run_id,
    )
