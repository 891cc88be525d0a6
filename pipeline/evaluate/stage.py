"""Stage ``evaluate``: what the exported bundle is worth, from elsewhere and on the test split.

Reads build/export/, build/bodies/, build/split.csv and the photos; writes models/candidate/ (the bundle with its
figures, predictions and model card), reports/evaluation.json and reports/plots/, each whole or not at all.
"""

import os
import shutil
import time
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path

import numpy as np
from numpy.typing import NDArray
from pydantic import Field

import bundle
from bundle import VariantName
from bundle.engine import Engine
from bundle.errors import BundleError
from pipeline.core import config, files
from pipeline.core.config import Settings
from pipeline.core.errors import DataError
from pipeline.data import manifest
from pipeline.data.corruptions import CORRUPTIONS, PLAIN, VIEWS, corrupt
from pipeline.data.settings import DataSettings
from pipeline.data.split import SPLIT, read_split
from pipeline.evaluate import elsewhere, evidence, learning_curve, model_card, plots, summary
from pipeline.metrics import predictions
from pipeline.metrics.schema import Condition, Exported, Latency, Metrics, VariantFacts
from pipeline.metrics.scores import Answers, score
from pipeline.models import features, learner
from pipeline.models.photos import Classes, Photos
from pipeline.tracking import runs

EXPORT, BODIES, CANDIDATE = Path("build/export"), Path("build/bodies"), Path("models/candidate")
REPORT = Path("reports/evaluation.json")
CORES = os.cpu_count() or 1


class EvaluateSettings(Settings):
    """Section ``evaluate``."""

    latency_frames: int = Field(ge=10)  # inferences that latency is the median of, after a tenth to warm up
    seed: int = Field(ge=0)


def evaluate() -> None:
    """Measure build/export/ and write it as models/candidate/.

    Raises:
        PipelineError: the bundle, the split or the photos can't be used, or the MLflow store can't.
    """
    data, settings = config.load("data", DataSettings), config.load("evaluate", EvaluateSettings)
    try:
        exported = bundle.load(EXPORT)
    except BundleError as error:
        raise DataError(f"{error}; `dvc repro -f export` exports it anew") from error
    trained, *_ = learner.load()
    made, default = Exported.model_validate(exported.manifest.metrics), exported.manifest.default_variant
    photos = Photos.of(read_split(SPLIT), data.images, Classes(trained.labels, trained.ood_label))
    test = photos.take(photos.tested)
    if not (test.targets < test.labels).any():
        raise DataError(f"{SPLIT} has no test pictures; `dvc repro validate` says why")
    # A fine-tuned body has seen the photos of every source, so a head on its features is no stranger to any. From
    # elsewhere it is measured as a probe; `make compare` leaves sources out of the whole recipe.
    probed = None
    if trained.recipe != learner.PROBE:
        probed = features.of(photos.files(), trained.backbone, trained.size)
    x = {
        name: features.by((BODIES / f"{name}.onnx").read_bytes(), photos.files(), trained.size)
        if probed is None
        else probed
        for name in exported.manifest.variants
    }
    fit = elsewhere.Fit(made.strength, made.rejected)
    outside, left_out = elsewhere.measure(photos, x, fit, settings.seed)
    frames = test.frames(trained.size)
    engines = {name: Engine(exported, name, concurrency=CORES) for name in exported.manifest.variants}
    answers, robustness, agreement = _views(engines, default, test, frames)
    metrics = Metrics(
        **made.model_dump(),
        elsewhere=outside,
        test={name: score(each, settings.seed) for name, each in answers.items()},
        test_baselines=elsewhere.test_baselines(photos, probed, fit, settings.seed),
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
        learning_curve=learning_curve.gains(x[default], photos, fit, settings.seed),
        evidence=evidence.check(engines[default], frames, answers[default], settings.seed),
    )
    measured = exported.manifest.model_copy(update={"metrics": metrics.model_dump()})
    mistakes = model_card.mistakes(answers[default], [row.file for row in test.rows])
    card = model_card.render(measured, metrics, manifest.read(data.manifest), mistakes)
    with files.replace_dir(CANDIDATE) as folder:
        shutil.copytree(exported.folder, folder, dirs_exist_ok=True)
        predictions.write(folder / predictions.PREDICTIONS, elsewhere.predictions(photos, left_out))
        files.write_text(folder / model_card.FILE, card)
        files.write_text(folder / model_card.HTML_FILE, model_card.as_html(card))
        bundle.seal(folder, measured)
    files.write_json(REPORT, {"model": measured.version, "default_variant": default, "metrics": metrics.model_dump()})
    plots.write(answers[default], left_out[default], frames, engines[default], metrics)
    tracking, run_id = config.load("tracking", runs.Settings), exported.manifest.lineage.mlflow_run_id
    with runs.resume(tracking, run_id, name=measured.version, lineage=runs.lineage()) as run:
        run.metrics(_figures(metrics))
        for path in (REPORT, CANDIDATE / model_card.FILE):
            run.artifact(path)
        run.artifact(plots.FOLDER, "plots")
    print("\n".join(summary.figures(metrics, default)))
    print(f"-> {CANDIDATE}/, {REPORT}", flush=True)


def _views(
    engines: dict[VariantName, Engine], default: VariantName, test: Photos, frames: NDArray[np.uint8]
) -> tuple[dict[VariantName, Answers], dict[str, Condition], dict[VariantName, float]]:
    """Answers on the test frames, the default variant under each corruption, how often each agrees with fp32."""
    robustness: dict[str, Condition] = {}
    answers: dict[str, dict[VariantName, Answers]] = {}
    for condition in (PLAIN, *CORRUPTIONS):
        seen = frames if condition == PLAIN else corrupt(frames, CORRUPTIONS[condition])
        used = engines if condition in (PLAIN, *VIEWS) else {default: engines[default]}
        answers[condition] = {name: _answers(engine, test, seen) for name, engine in used.items()}
        own = answers[condition][default]
        shown = own.truth >= 0
        robustness[condition] = Condition(
            served_accuracy=float((own.answer == own.truth)[shown].mean()),
            closed_set_accuracy=float((own.best == own.truth)[shown].mean()),
            fnr=float((own.answer < 0)[shown].mean()),
        )
    viewed = [answers[view] for view in (PLAIN, *VIEWS)]
    agreement = {
        name: float(np.mean([each[name].answer == each["fp32"].answer for each in viewed])) for name in engines
    }
    return answers[PLAIN], robustness, agreement


def _answers(engine: Engine, test: Photos, frames: NDArray[np.uint8]) -> Answers:
    with ThreadPoolExecutor(CORES) as pool:
        outputs = list(pool.map(engine.run, [part for part in np.array_split(frames, CORES) if len(part)]))
    return Answers(
        labels=engine.labels,
        truth=np.where(test.targets < test.labels, test.targets, -1),
        probabilities=np.concatenate([output.probabilities for output in outputs]).astype(np.float64),
        id_score=np.concatenate([output.id_score for output in outputs]).astype(np.float64),
        threshold=engine.threshold,
        clusters=tuple(row.group for row in test.rows),
    )


def _latency(engine: Engine, frames: NDArray[np.uint8], count: int) -> Latency:
    times = []
    for i in range(count + count // 10):
        start = time.perf_counter()
        engine.run(frames[i % len(frames)][None])
        times.append((time.perf_counter() - start) * 1e3)
    p50, p95 = np.percentile(times[count // 10 :], (50, 95))
    return Latency(p50=round(float(p50), 2), p95=round(float(p95), 2))


def _figures(metrics: Metrics) -> dict[str, float]:
    """Numbers of the nested models under dotted names; a figure's value goes by the figure's own name."""
    flat = config.flat(metrics.model_dump()).items()
    return {name.removesuffix(".value"): float(value) for name, value in flat if isinstance(value, int | float)}
