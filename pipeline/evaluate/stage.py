"""Stage ``evaluate``: what the exported bundle is worth, from elsewhere and on the test split.

Reads build/export/, build/features.npz, build/split.csv and the photos; writes models/candidate/ (the bundle with its
figures, predictions and model card), reports/evaluation.json and reports/plots/, each whole or not at all.
"""

import shutil
import time
from collections.abc import Iterator, Sequence
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray
from pydantic import BaseModel, Field

import bundle
from bundle import Bundle, Manifest, VariantName
from bundle.engine import Engine
from bundle.errors import BundleError
from pipeline.core import config, files
from pipeline.core.config import Settings
from pipeline.core.errors import DataError, run_stage
from pipeline.data import manifest
from pipeline.data.corruptions import CORRUPTIONS, PLAIN, VIEWS, corrupt
from pipeline.data.settings import DataSettings
from pipeline.data.split import SPLIT, read_split
from pipeline.evaluate import elsewhere, evidence, learning_curve, model_card, plots, summary
from pipeline.metrics import predictions
from pipeline.metrics.intervals import Clusters
from pipeline.metrics.schema import Condition, Exported, Figure, Latency, Metrics, VariantFacts
from pipeline.metrics.scores import Answers, score
from pipeline.models import learner, variant_features
from pipeline.models.photos import Classes, Photos
from pipeline.tracking import runs

EXPORT = Path("build/export")
CANDIDATE = Path("models/candidate")
REPORT = Path("reports/evaluation.json")
BATCH = 32  # frames inferred at once; latency is measured one by one


class EvaluateSettings(Settings):
    """Section ``evaluate``."""

    latency_frames: int = Field(ge=10)  # inferences that latency is the median of, after a tenth to warm up
    seed: int = Field(ge=0)


def main(argv: Sequence[str] | None = None) -> int:
    """Run the stage; it takes no arguments, its settings are in params.yaml."""
    return run_stage(evaluate, description=__doc__, argv=argv)


def evaluate() -> None:
    """Measure build/export/ and write it as models/candidate/.

    Raises:
        PipelineError: the bundle, the split or the photos can't be used, or the MLflow store can't.
    """
    data = config.load("data", DataSettings)
    settings = config.load("evaluate", EvaluateSettings)
    try:
        exported = bundle.load(EXPORT)
    except BundleError as error:
        raise DataError(f"{error}; `dvc repro -f export` exports it anew") from error
    trained = learner.describe()
    made = Exported.model_validate(exported.manifest.metrics)
    photos = Photos.of(read_split(SPLIT), data.images, Classes(trained.labels, trained.ood_label))
    test = photos.take(photos.tested)
    if not (test.targets < test.labels).any():
        raise DataError(f"{SPLIT} has no test pictures; `dvc repro validate` says why")
    features = variant_features.read([row.file for row in photos.rows])
    fit = elsewhere.Fit(made.strength, made.rejected)
    outside, left_out = elsewhere.measure(
        photos, features, trained.backbone, trained.size, made.recipe, fit, settings.seed
    )
    frames = test.frames(trained.size)
    engines = {name: Engine(exported, name) for name in exported.manifest.variants}
    default = exported.manifest.default_variant
    answers, robustness, agreement = _views(engines, default, test, frames)
    metrics = Metrics(
        **made.model_dump(),
        elsewhere=outside,
        test={name: score(each, settings.seed) for name, each in answers.items()},
        test_baselines=elsewhere.test_baselines(
            photos, trained.backbone, trained.size, made.recipe, fit, settings.seed
        ),
        by_kind=_by_kind(answers[default], test, settings.seed),
        robustness=robustness,
        variants={
            name: VariantFacts(
                size_mb=round(exported.manifest.files[variant.file].bytes / 1e6, 2),
                latency_ms=_latency(engines[name], frames, settings.latency_frames),
                agreement=agreement[name],
                threshold=variant.threshold,
                temperature=variant.temperature,
            )
            for name, variant in exported.manifest.variants.items()
        },
        learning_curve=learning_curve.gains(features[default], photos, fit, settings.seed),
        evidence=evidence.check(engines[default], frames, answers[default], settings.seed),
    )
    measured = exported.manifest.model_copy(update={"metrics": metrics.model_dump()})
    card = model_card.render(
        measured,
        metrics,
        manifest.read(data.manifest),
        model_card.mistakes(answers[default], [row.file for row in test.rows]),
    )
    with files.replace_dir(CANDIDATE) as folder:
        shutil.copytree(exported.folder, folder, dirs_exist_ok=True)
        predictions.write(folder / predictions.PREDICTIONS, elsewhere.predictions(photos, left_out))
        files.write_text(folder / model_card.FILE, card)
        files.write_text(folder / model_card.HTML_FILE, model_card.as_html(card))
        bundle.seal(folder, measured)
    files.write_json(REPORT, {"model": measured.version, "default_variant": default, "metrics": metrics.model_dump()})
    drawn = plots.write(answers[default], left_out[default], frames, engines[default], metrics)
    _track(exported, measured, metrics, drawn)
    print("\n".join(summary.figures(metrics, default)))
    print(f"-> {CANDIDATE}/, {REPORT}", flush=True)


def _track(exported: Bundle, measured: Manifest, metrics: Metrics, drawn: Sequence[Path]) -> None:
    settings = config.load("tracking", runs.Settings)
    run_id, lineage = exported.manifest.lineage.mlflow_run_id, runs.lineage()
    with runs.resume(settings, run_id, name=measured.version, lineage=lineage) as run:
        run.metrics(dict(_flat(metrics, "")))
        run.artifact(REPORT)
        run.artifact(CANDIDATE / model_card.FILE)
        for path in drawn:
            run.artifact(path, "plots")


def _views(
    engines: dict[VariantName, Engine], default: VariantName, test: Photos, frames: NDArray[np.uint8]
) -> tuple[dict[VariantName, Answers], dict[str, Condition], dict[VariantName, float]]:
    """Answers on the test frames, the default variant under each corruption, how often each agrees with fp32."""
    plain: dict[VariantName, Answers] = {}
    robustness: dict[str, Condition] = {}
    same: dict[VariantName, list[NDArray[np.bool_]]] = {name: [] for name in engines}
    for condition in (PLAIN, *CORRUPTIONS):
        seen = frames if condition == PLAIN else corrupt(frames, CORRUPTIONS[condition])
        used = engines if condition in (PLAIN, *VIEWS) else {default: engines[default]}
        answers = {name: _answers(engine, test, seen) for name, engine in used.items()}
        if condition == PLAIN:
            plain = answers
        for name in answers if len(answers) == len(engines) else ():
            same[name].append(answers[name].answer == answers["fp32"].answer)
        own = answers[default]
        shown = own.truth >= 0
        robustness[condition] = Condition(
            served_accuracy=float((own.answer == own.truth)[shown].mean()),
            closed_set_accuracy=float((own.best == own.truth)[shown].mean()),
            fnr=float((own.answer < 0)[shown].mean()),
        )
    return plain, robustness, {name: float(np.concatenate(each).mean()) for name, each in same.items()}


def _answers(engine: Engine, test: Photos, frames: NDArray[np.uint8]) -> Answers:
    outputs = [engine.run(frames[i : i + BATCH]) for i in range(0, len(frames), BATCH)]
    return Answers(
        labels=engine.labels,
        truth=np.where(test.targets < test.labels, test.targets, -1),
        probabilities=np.concatenate([output.probabilities for output in outputs]).astype(np.float64),
        id_score=np.concatenate([output.id_score for output in outputs]).astype(np.float64),
        threshold=engine.threshold,
        clusters=tuple(row.group for row in test.rows),
    )


def _by_kind(answers: Answers, test: Photos, seed: int) -> dict[str, Figure]:
    """Closed-set accuracy of each kind of picture (real, rendered, captured)."""
    kind, clusters = np.array([row.kind for row in test.rows]), Clusters(answers.clusters, seed)
    shown = answers.truth >= 0
    right = answers.best == answers.truth
    return {str(name): clusters.mean(right, shown & (kind == name)) for name in np.unique(kind[shown])}


def _latency(engine: Engine, frames: NDArray[np.uint8], count: int) -> Latency:
    times = []
    for i in range(count + count // 10):
        frame = frames[i % len(frames)][None]
        start = time.perf_counter()
        engine.run(frame)
        times.append((time.perf_counter() - start) * 1e3)
    p50, p95 = np.percentile(times[count // 10 :], (50, 95))
    return Latency(p50=round(float(p50), 2), p95=round(float(p95), 2))


def _flat(value: Any, name: str) -> Iterator[tuple[str, float]]:
    """Numbers of nested models under dotted names; a figure's value goes by the figure's own name."""
    if isinstance(value, BaseModel):
        value = dict(value)
    if isinstance(value, dict):
        for key, inner in value.items():
            yield from _flat(inner, f"{name}.{key}" if name else str(key))
    elif isinstance(value, int | float):
        yield name.removesuffix(".value"), float(value)
