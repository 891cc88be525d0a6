"""What came out of a run, in a screen: the figures with their intervals, where to look closer, what to type next."""

import json
import sys
from collections.abc import Iterator, Mapping, Sequence
from pathlib import Path
from typing import Any

from pipeline.core.errors import PipelineError, run_stage

EVALUATION = Path("reports/evaluation.json")
PROMOTION = Path("reports/promotion.json")
VALIDATION = Path("reports/validation.html")
CANDIDATE = Path("models/candidate")
PROMOTED = Path("models/promoted")
CARD = "MODEL_CARD.md"


def lines(evaluation: Mapping[str, Any], promotion: Mapping[str, Any], served: bool) -> Iterator[str]:
    """The summary's lines from the two reports; ``served``: whether there is a promoted model."""
    metrics = evaluation["metrics"]
    decision = f"{promotion['decision']}{', provisionally' if promotion['provisional'] else ''}"
    yield f"{evaluation['model']}: {decision}"
    yield ""
    yield f"  right            {interval(metrics['accuracy'], '{:.1%}')}, {metrics['accuracy']['n']} test pictures"
    for label, recall in metrics["recall"].items():
        yield f"    {label:14} {interval(recall, '{:.1%}')}, {recall['n']} of them"
    yield f"  log loss         {interval(metrics['log_loss'], '{:.2f}')}"
    yield f"  calibration off  {interval(metrics['ece'], '{:.1%}')}"
    if none := metrics.get("none_of_these"):
        yield f"  none of these    {interval(none['auroc'], '{:.3f}')} AUROC"
    yield f"  one picture      {metrics['latency_ms']['p50']:.1f} ms on one thread, {metrics['size_mb']:.1f} MB"
    yield "  (in brackets: 95 % intervals)"
    yield ""
    if promotion["decision"] == "refused":
        yield "Refused, because:"
        yield from (f"  {reason}" for reason in promotion["reasons"])
        champion = promotion["champion"]
        yield f"The champion stays {champion['version']}." if champion else "There is no champion yet."
        yield ""
    yield f"The photos     {VALIDATION}"
    yield f"The model      {(PROMOTED if served else CANDIDATE) / CARD}"
    yield "Every run      make runs"
    if served:
        yield "Next           .venv-service/bin/python -m service identify PHOTO…"
    else:
        yield "Next           make photos, with more photos in data/images/<label>/"


def interval(figure: Mapping[str, Any], form: str) -> str:
    """A figure with its 95 % interval in brackets; a dash where there was nothing to measure it on."""
    if figure["value"] is None:
        return "-"
    value, low, high = (form.format(figure[part]) for part in ("value", "low", "high"))
    return f"{value} ({low} to {high})"


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
    for line in lines(_read(EVALUATION), _read(PROMOTION), (PROMOTED / CARD).exists()):
        print(line)


def main(argv: Sequence[str] | None = None) -> int:
    """Print the summary; it takes no arguments."""
    return run_stage(summary, description=__doc__, argv=argv)


if __name__ == "__main__":
    sys.exit(main())
