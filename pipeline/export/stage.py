"""Stage ``export``: the trained network as a bundle that can be served, not yet measured.

Reads build/train/, build/split.csv and the photos; writes build/export/ (model.onnx, model.int8.onnx where it agrees,
golden frames, the list of photos, the manifest) and build/features.npz, each whole or not at all.
"""

from collections.abc import Sequence
from datetime import UTC, datetime
from pathlib import Path

import numpy as np
import torch
from numpy.typing import NDArray
from pydantic import Field

import bundle
from bundle import InputSpec, Lineage, Manifest, Variant, VariantName
from bundle.engine import Engine
from pipeline.core import config, files
from pipeline.core.config import Settings
from pipeline.core.errors import PipelineError, run_stage
from pipeline.data.corruptions import CORRUPTIONS, VIEWS, corrupt, views
from pipeline.data.settings import DataSettings
from pipeline.data.split import SPLIT, TRAIN, read_split
from pipeline.export import golden, graph
from pipeline.metrics.calibration import choose_threshold, fit_temperature, id_scores
from pipeline.metrics.predictions import PHOTOS, write_photos
from pipeline.metrics.schema import Exported
from pipeline.models import crossval, head, learner, variant_features
from pipeline.models.backbones import BACKBONES
from pipeline.models.head import Floats, Head, Space
from pipeline.models.learner import PROBE, LearnerFile
from pipeline.models.network import head_of
from pipeline.models.photos import Classes, Photos
from pipeline.tracking import runs

FOLDER = Path("build/export")
FILES: dict[VariantName, str] = {"fp32": "model.onnx", "int8": "model.int8.onnx"}


class ExportSettings(Settings):
    """Section ``export``."""

    int8: bool  # whether to try an int8 twin
    rejected: float = Field(gt=0, lt=1)  # share of the labels' pictures that may be answered "none of these"
    parity: float = Field(gt=0)  # largest difference of a probability between torch and ONNX
    calibration_photos: int = Field(ge=1)  # training photos that int8 takes its ranges from
    int8_agreement: float = Field(ge=0, le=1)  # int8 is left out if it answers fewer views as fp32 does
    agreement_photos: int = Field(ge=1)  # of training and validation, whose views that is measured on
    golden_tolerance: float = Field(gt=0)


def main(argv: Sequence[str] | None = None) -> int:
    """Run the stage; it takes no arguments, its settings are in params.yaml."""
    return run_stage(export, description=__doc__, argv=argv)


def export() -> None:
    """Export build/train/ to build/export/.

    Raises:
        PipelineError: the network, the split or the photos can't be used, or ONNX and torch disagree.
    """
    data = config.load("data", DataSettings)
    settings = config.load("export", ExportSettings)
    trained, network = learner.load()
    photos = Photos.of(read_split(SPLIT), data.images, Classes(trained.labels, trained.ood_label))
    frames, shown = photos.frames(trained.size), photos.targets < photos.labels
    with files.replace_dir(FOLDER) as folder:
        served = graph.Served(network[0], head_of(network), len(trained.labels), *BACKBONES[trained.backbone].stats)
        fp32, int8 = (folder / file for file in FILES.values())
        graph.export(served, trained.size, trained.labels, fp32)
        parity = _parity(served, fp32, frames[:: max(1, len(frames) // 64)], settings.parity)
        print(f"model.onnx: torch and ONNX differ by {parity:.1e} at most", flush=True)
        heads = {"fp32": head_of(network)}  # type: dict[VariantName, Head]
        features = {"fp32": graph.features(fp32, frames)}  # type: dict[VariantName, NDArray[np.float32]]
        if settings.int8:
            teaching = frames[_first(photos, photos.side(TRAIN) & shown, settings.calibration_photos)]
            graph.quantize(fp32, int8, _as_seen(teaching), trained.labels)
            features["int8"] = graph.features(int8, frames)
            heads["int8"] = _refit(features["int8"], photos, trained)
        variants = {
            name: _calibrate(name, folder, features[name], heads[name], photos, trained, settings) for name in features
        }
        held = frames[_first(photos, photos.fitted, settings.agreement_photos)]
        if "int8" in variants and not _agrees(folder, variants, held, settings.int8_agreement):
            int8.unlink()
            del variants["int8"], features["int8"]
        write_photos(folder / PHOTOS, {row.sha256: row.split for row in photos.rows})
        manifest = Manifest(
            version=trained.backbone,  # for the time being: its digits are those of the fingerprint
            created=datetime.now(UTC),
            labels=trained.labels,
            input=InputSpec(size=trained.size),
            variants=variants,
            default_variant="int8" if "int8" in variants else "fp32",
            golden=golden.write(folder, trained.size, variants),
            golden_tolerance=settings.golden_tolerance,
            metrics=Exported(
                recipe=trained.recipe,
                strength=trained.strength,
                rejected=settings.rejected,
                parity=parity,
            ).model_dump(),
            lineage=_lineage(trained),
        )
        sealed = bundle.seal(folder, manifest)
        version = f"{trained.backbone}-{bundle.fingerprint(sealed)[:8]}"
        bundle.seal(folder, sealed.model_copy(update={"version": version}))
        for name in variants:
            Engine(bundle.load(folder), name).check_golden()
        variant_features.write(features, [row.file for row in photos.rows])
    print(f"{version} -> {FOLDER}/ ({', '.join(variants)})", flush=True)


def _parity(served: graph.Served, path: Path, frames: NDArray[np.uint8], allowed: float) -> float:
    """The largest difference between torch and the file at ``path`` on ``frames``."""
    answers = graph.run(path, frames)
    with torch.inference_mode():
        expected = [served(batch) for batch in torch.split(torch.from_numpy(frames), graph.BATCH)]
    pairs = zip((answers.probabilities, answers.id_score), list(zip(*expected, strict=True))[:2], strict=True)
    difference = max(float(np.abs(ours - torch.cat(theirs).numpy()).max()) for ours, theirs in pairs)
    if not difference <= allowed:
        raise PipelineError(
            f"{path.name} differs from torch by {difference:.2e} (allowed {allowed:g}, conf/export/): "
            "another version of torch, onnxscript or onnxruntime than the lock's?"
        )
    return difference


def _first(photos: Photos, where: NDArray[np.bool_], most: int) -> NDArray[np.intp]:
    """Indices of at most ``most`` photos of ``where`` [n], the ones with the lowest hashes.

    So a new photo changes the choice seldom, and evenly over the labels, as hashes know nothing of them.
    """
    return np.array(sorted(np.flatnonzero(where), key=lambda i: photos.rows[i].sha256)[:most], np.intp)


def _as_seen(frames: NDArray[np.uint8]) -> NDArray[np.uint8]:
    """Most of ``frames`` as they are, a fifth of them blurred and a fifth noisy: int8's ranges must hold for both."""
    blurred, noisy = frames[0::5], frames[1::5]
    plain = np.concatenate([frames[2::5], frames[3::5], frames[4::5]])
    return np.concatenate([plain, corrupt(blurred, CORRUPTIONS[VIEWS[0]]), corrupt(noisy, CORRUPTIONS[VIEWS[1]])])


def _refit(features: NDArray[np.float32], photos: Photos, trained: LearnerFile) -> Head:
    """The head that int8 gets: fitted on what its own body sees, so that rounding costs little."""
    fitted = photos.fitted
    return head.fit(features[fitted], photos.targets[fitted], trained.outputs, trained.strength)


def _calibrate(
    name: VariantName,
    folder: Path,
    features: NDArray[np.float32],
    fitted_head: Head,
    photos: Photos,
    trained: LearnerFile,
    settings: ExportSettings,
) -> Variant:
    """Fit temperature and threshold on photos that the model was not fitted on, and put the head into the file."""
    logits, targets = _left_out(features, photos, trained)
    temperature = fit_temperature(logits, targets, crossval.TEMPERATURES)
    scores, shown = id_scores(logits / temperature, photos.labels), targets < photos.labels
    threshold = choose_threshold(scores[shown], settings.rejected)
    passing = f", {(scores[~shown] >= threshold).mean():.0%} of others pass" if (~shown).any() else ""
    print(
        f"{FILES[name]}: {(logits[shown, : photos.labels].argmax(1) == targets[shown]).mean():.1%} of {shown.sum()} "
        f"left-out photos right, temperature {temperature:.2f}, none of these below {threshold:.3f}{passing}",
        flush=True,
    )
    graph.set_head(folder / FILES[name], fitted_head, temperature, trained.labels)
    return Variant(file=FILES[name], threshold=round(threshold, 4), temperature=temperature)


def _left_out(features: NDArray[np.float32], photos: Photos, trained: LearnerFile) -> tuple[Floats, NDArray[np.intp]]:
    """Logits of photos that had no part in what answers them, and their targets.

    A probe's body learnt from none of them: every photo of training and validation, by a head that was fitted without
    its source. A fine-tuned body learnt from those of training: the validation photos, by a head fitted without them.
    """
    kept = photos.take(photos.fitted)
    x = features[photos.fitted]
    if trained.recipe == PROBE:
        logits = crossval.out_of_fold(x, kept.targets, kept.parts().index, trained.outputs, trained.strength)
        return logits, kept.targets
    space, teaching = Space(x), kept.side(TRAIN)
    without = space.head(*space.fit(teaching, kept.targets, trained.outputs, trained.strength))
    return without.logits(x[~teaching]), kept.targets[~teaching]


def _agrees(folder: Path, variants: dict[VariantName, Variant], frames: NDArray[np.uint8], least: float) -> bool:
    """Whether int8 gives the served answers of fp32 on ``frames``, as they are and as cameras see them."""
    answers, seen = [], np.concatenate(list(views(frames).values()))
    for variant in variants.values():
        output = graph.run(folder / variant.file, seen)
        answers.append(np.where(output.id_score >= variant.threshold, output.probabilities.argmax(1), -1))
    share = float((answers[0] == answers[1]).mean())
    print(f"int8 answers {share:.1%} of {len(seen)} views as fp32 does", flush=True)
    if share < least:
        print(f"that is under {least:.0%} (conf/export/): int8 is left out", flush=True)
    return share >= least


def _lineage(trained: LearnerFile) -> Lineage:
    origin = runs.lineage()
    return Lineage(
        git_commit=origin.git_commit,
        git_dirty=origin.git_dirty,
        data_hash=origin.data_hash,
        config=origin.config,
        config_hash=origin.config_hash,
        mlflow_run_id=trained.mlflow_run_id,
    )
