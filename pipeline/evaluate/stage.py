"""Stage ``evaluate``: what the exported bundle is worth, measured on the test pictures from the files that are served.

Reads build/export/, build/split.csv, the pictures and their manifest; writes models/candidate/ (the bundle with its
figures and MODEL_CARD.md), reports/evaluation.json and reports/plots/, each whole or not at all.
"""

import shutil
import time
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray
from pydantic import Field

import bundle
from bundle import Bundle
from bundle.engine import Engine
from bundle.errors import BundleError
from bundle.manifest import VariantName
from pipeline.core import config, files
from pipeline.core.config import Settings
from pipeline.core.errors import DataError, run_stage
from pipeline.data import manifest
from pipeline.data.settings import DataSettings
from pipeline.data.split import SPLIT, SplitRow, read_split
from pipeline.evaluate import model_card
from pipeline.evaluate import plots as evaluation_plots
from pipeline.evaluate.corruptions import CORRUPTIONS, corrupt
from pipeline.metrics.measure import Answers, by_kind, measure
from pipeline.models.dataset import served_frames
from pipeline.tracking import runs as tracking

EXPORT = Path("build/export")
CANDIDATE = Path("models/candidate")
REPORT = Path("reports/evaluation.json")
BATCH = 32  # frames inferred at once; latency is measured one by one


class EvaluateSettings(Settings):
    """Section ``evaluate``."""

    resamples: int = Field(ge=100)  # of the bootstrap
    latency_frames: int = Field(
        ge=10
    )  # inferences that latency is the median of, after a tenth as many to warm up
    seed: int = Field(ge=0)


@dataclass(frozen=True)
class TestSet:
    """The test pictures: rows, and their frames uint8 [n, size, size, 3] as the service sees them."""

    rows: tuple[SplitRow, ...]
    frames: NDArray[np.uint8]

    def truth(self, labels: Sequence[str]) -> NDArray[np.intp]:
        """Index of each picture's label, -1 for none of them."""
        return np.array([labels.index(row.label) if row.label in labels else -1 for row in self.rows])


def main(argv: Sequence[str] | None = None) -> int:
    """Run the stage; it takes no arguments, its settings are in params.yaml."""
    return run_stage(evaluate, description=__doc__, argv=argv)


def evaluate() -> None:
    """Measure build/export/ and write it as models/candidate/.

    Raises:
        PipelineError: the bundle, the split or the pictures can't be used, or the MLflow store can't.
    """
    data = config.load("data", DataSettings)
    settings = config.load("evaluate", EvaluateSettings)
    try:
        exported = bundle.load(EXPORT)
    except BundleError as error:
        raise DataError(f"{error}; `dvc repro -f export` exports it anew") from error
    labels = exported.manifest.labels
    rows = tuple(
        row for row in read_split(SPLIT) if row.split == "test" and row.label in (*labels, data.ood_label)
    )
    if not any(row.label in labels for row in rows):
        raise DataError(f"{SPLIT} has no test pictures; `dvc repro validate` says why")
    test = TestSet(rows, served_frames(rows, data.images, exported.manifest.input.size))
    engines = {name: Engine(exported, name) for name in exported.manifest.variants}
    answers = {name: _answers(engine, test, test.frames) for name, engine in engines.items()}
    default = exported.manifest.default_variant
    figures = {
        name: measure(a, resamples=settings.resamples, seed=settings.seed) for name, a in answers.items()
    }
    latency = {
        name: _latency_ms(engine, test.frames, settings.latency_frames) for name, engine in engines.items()
    }
    metrics: dict[str, Any] = {
        **exported.manifest.metrics,
        **figures[default],
        "by_kind": by_kind(answers[default], [row.kind for row in rows]),
        "robustness": _robustness(engines[default], test),
        "size_mb": _size_mb(exported, default),
        "latency_ms": latency[default],
        "variants": {
            name: {
                **{key: figures[name][key] for key in ("accuracy", "log_loss", "ece", "none_of_these")},
                "size_mb": _size_mb(exported, name),
                "latency_ms": latency[name],
                "same_answer_as_default": float((answers[name].answer == answers[default].answer).mean()),
            }
            for name in engines
        },
    }
    _write_candidate(exported, metrics, test, answers[default], manifest.read(data.manifest))
    files.write_json(REPORT, {"model": exported.manifest.version, "metrics": metrics})
    plots = evaluation_plots.write(answers[default], test.frames, metrics)
    lineage = tracking.lineage()
    with tracking.resume(
        config.load("tracking", tracking.Settings),
        exported.manifest.lineage.mlflow_run_id,
        name=exported.manifest.version,
        lineage=lineage,
    ) as run:
        run.metrics({f"test.{name}": value for name, value in _flat(metrics)})
        run.artifact(REPORT)
        run.artifact(CANDIDATE / model_card.FILE)
        for path in plots:
            run.artifact(path, "plots")
    _say(exported.manifest.version, metrics)


def _answers(engine: Engine, test: TestSet, frames: NDArray[np.uint8]) -> Answers:
    outputs = [engine.run(frames[i : i + BATCH]) for i in range(0, len(frames), BATCH)]
    variant = engine.bundle.manifest.variants[engine.variant]
    return Answers(
        labels=engine.labels,
        truth=test.truth(engine.labels),
        probabilities=np.concatenate([output.probabilities for output in outputs]).astype(np.float64),
        id_score=np.concatenate([output.id_score for output in outputs]).astype(np.float64),
        threshold=variant.threshold,
        temperature=variant.temperature,
        groups=tuple(row.group for row in test.rows),
    )


def _robustness(engine: Engine, test: TestSet) -> dict[str, dict[str, float]]:
    """Accuracy, and share of the labels' pictures answered "none of these", under each corruption."""
    found = {}
    for name, corruption in {"as it is": None, **CORRUPTIONS}.items():
        frames = test.frames if corruption is None else corrupt(test.frames, corruption)
        answers = _answers(engine, test, frames)
        shown = answers.truth >= 0
        found[name] = {
            "accuracy": float((answers.best == answers.truth)[shown].mean()),
            "none_of_these": float((answers.answer < 0)[shown].mean()),
        }
    return found


def _latency_ms(engine: Engine, frames: NDArray[np.uint8], count: int) -> dict[str, float]:
    """P50 and P95 of single inferences on one thread, in milliseconds, decoding not included."""
    times = []
    for i in range(count + count // 10):
        frame = frames[i % len(frames)][None]
        start = time.perf_counter()
        engine.run(frame)
        times.append((time.perf_counter() - start) * 1e3)
    p50, p95 = np.percentile(times[count // 10 :], (50, 95))
    return {"p50": round(float(p50), 2), "p95": round(float(p95), 2)}


def _size_mb(exported: Bundle, variant: VariantName) -> float:
    return round(exported.manifest.files[exported.manifest.variants[variant].file].bytes / 1e6, 2)


def _write_candidate(
    exported: Bundle, metrics: dict[str, Any], test: TestSet, answers: Answers, rows: Sequence[manifest.Row]
) -> None:
    with files.replace_dir(CANDIDATE) as folder:
        shutil.copytree(exported.folder, folder, dirs_exist_ok=True)
        measured = exported.manifest.model_copy(update={"metrics": metrics})
        card = model_card.render(
            measured, rows, model_card.mistakes(answers, [row.file for row in test.rows])
        )
        files.write_text(folder / model_card.FILE, card)
        bundle.seal(folder, measured)


def _flat(values: dict[str, Any], prefix: str = "") -> list[tuple[str, float]]:
    """Numbers of nested dictionaries under dotted names; those of an interval are named value, low, high, n."""
    found: list[tuple[str, float]] = []
    for key, value in values.items():
        if isinstance(value, dict):
            found += _flat(value, f"{prefix}{key}.")
        elif isinstance(value, int | float):
            found.append((f"{prefix}{key}".removesuffix(".value"), float(value)))
    return found


def _say(version: str, metrics: dict[str, Any]) -> None:
    accuracy, none = metrics["accuracy"], metrics["none_of_these"]
    print(
        f"{version}: {accuracy['value']:.1%} of {accuracy['n']} test pictures right "
        f"(95 % interval {accuracy['low']:.1%} to {accuracy['high']:.1%})"
    )
    if none:
        area = none["auroc"]
        print(f"none of these: AUROC {area['value']:.3f} ({area['low']:.3f} to {area['high']:.3f})")
    print(f"-> {CANDIDATE}/, {REPORT}", flush=True)
