"""What came out of a run, in a screen: the figures with their intervals, where to look closer, what to type next."""

import json
import sys
from collections.abc import Iterator, Mapping
from pathlib import Path
from typing import Any

from bundle import VariantName
from pipeline.core.errors import PipelineError, run_stage
from pipeline.metrics.schema import Figure, Metrics

EVALUATION = Path("reports/evaluation.json")
PROMOTION = Path("reports/promotion.json")
VALIDATION = Path("reports/validation.html")
CANDIDATE = Path("models/candidate")
PROMOTED = Path("models/promoted")
CARD = "MODEL_CARD.md"


WHY_HIGHER = "the test split's pictures come from the same sources as those of training"


def figures(metrics: Metrics, default: VariantName) -> Iterator[str]:
    """The figures of the variant that is served by default, what to expect first."""
    outside, test = metrics.elsewhere.variants[default], metrics.test[default]
    apart = "sources" if metrics.elsewhere.method == "leave-one-source-out" else "folds of groups"
    yield (
        f"  from elsewhere   {interval(outside.served_accuracy)} of {outside.served_accuracy.n} served right, "
        f"each of {metrics.elsewhere.parts} {apart} left out once"
    )
    for label, recall in outside.recall.items():
        yield f"    {label:14} {interval(recall)}, {recall.n} of them"
    yield f"  rejected         {interval(outside.fnr)} of the labels' pictures"
    if outside.fpr.value is not None:
        yield f"  others accepted  {interval(outside.fpr)} of {outside.fpr.n} pictures of none of the labels"
    yield f"  likeliest right  {interval(outside.closed_set_accuracy)}, rejected or not"
    yield f"  calibration off  {interval(outside.calibration_error)}"
    for name, figure in metrics.elsewhere.baselines.items():
        yield f"  baseline         {interval(figure)}: {name}"
    yield f"  test split       {interval(test.served_accuracy)} of {test.served_accuracy.n} served right; higher, as"
    yield f"                   {WHY_HIGHER}"
    facts = metrics.variants[default]
    yield f"  one picture      {facts.latency_ms.p50:.1f} ms on one thread, {facts.size_mb:.1f} MB ({default})"
    for label, gain in metrics.learning_curve.items():
        if gain.expected is not None:
            yield (
                f"  {gain.photos} more of {label:7} {gain.expected * 100:+.0f} points "
                f"({gain.low * 100:+.0f} to {gain.high * 100:+.0f})"  # type: ignore[operator]
            )
    yield "  (in brackets: 95 % intervals)"


def lines(
    model: str, metrics: Metrics, default: VariantName, promotion: Mapping[str, Any], served: bool
) -> Iterator[str]:
    """The summary's lines; ``served``: whether there is a promoted model."""
    decision = promotion["decision"]
    yield f"{model}: {decision}{', provisionally' if promotion['provisional'] else ''}\n"
    yield from figures(metrics, default)
    yield ""
    if decision != "promoted" and promotion["reasons"]:
        yield "\n  ".join([f"{decision.capitalize()}, because:", *promotion["reasons"]])
        champion = promotion["champion"]
        yield f"The champion stays {champion['version']}.\n" if champion else "There is no champion yet.\n"
    yield f"The photos     {VALIDATION}"
    yield f"The model      {(PROMOTED if served else CANDIDATE) / CARD}"
    yield "Every run      make runs"
    identify, more = (
        ".venv-service/bin/python -m service identify PHOTO…",
        "make photos, with more in data/images/<label>/",
    )
    yield f"Next           {identify if served else more}"


def interval(figure: Figure, form: str = "{:.1%}") -> str:
    """A figure with its 95 % interval in brackets; a dash where there was nothing to measure it on."""
    if figure.value is None:
        return "-"
    if figure.low is None or figure.high is None:
        return form.format(figure.value)
    return f"{form.format(figure.value)} ({form.format(figure.low)} to {form.format(figure.high)})"


def _read(path: Path) -> Any:
    try:
        return json.loads(path.read_text(encoding="utf-8"))
    except FileNotFoundError as error:
        raise PipelineError(f"{path} is missing: `dvc repro` writes it") from error
    except json.JSONDecodeError as error:
        raise PipelineError(f"{path} is no JSON ({error}); `dvc repro -f` writes it anew") from error


def summary() -> None:
    """Print the summary of the last run.

    Raises:
        PipelineError: there was none.
    """
    print()
    report, promotion = _read(EVALUATION), _read(PROMOTION)
    metrics, served = Metrics.model_validate(report["metrics"]), (PROMOTED / CARD).exists()
    default: VariantName = report["default_variant"]
    print("\n".join(lines(report["model"], metrics, default, promotion, served)))


if __name__ == "__main__":
    sys.exit(run_stage(summary, description=__doc__))
