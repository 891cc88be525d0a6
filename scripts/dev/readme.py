"""The README's measured parts: each stands between two markers, ``<!-- name -->`` and ``<!-- /name -->``.

As a program it writes the figures of reports/evaluation.json into it. A test compares what git holds of both, so
that the README can't claim what was not measured.
"""

import json
import sys
from collections.abc import Mapping
from pathlib import Path
from typing import Any

from pipeline.evaluate.summary import EVALUATION, interval
from pipeline.metrics.schema import Figure, Metrics

README = Path("README.md")
BASELINE, COMMONEST = "always the commonest label", "commonest label"


def part(readme: str, name: str) -> str:
    """What stands between the markers ``name``.

    Raises:
        ValueError: a marker is missing.
    """
    _, begin, rest = readme.partition(f"<!-- {name} -->")
    inside, end, _ = rest.partition(f"<!-- /{name} -->")
    if not begin or not end:
        raise ValueError(f"{README} needs the lines <!-- {name} --> and <!-- /{name} -->")
    return inside.strip()


def write(name: str, text: str, readme: Path = README) -> None:
    """Put ``text`` between the markers ``name``.

    Raises:
        ValueError: a marker is missing; nothing is written.
    """
    old = readme.read_text(encoding="utf-8")
    part(old, name)
    before, begin, rest = old.partition(f"<!-- {name} -->")
    _, end, after = rest.partition(f"<!-- /{name} -->")
    readme.write_text(f"{before}{begin}\n{text}\n{end}{after}", encoding="utf-8")


def figures(evaluation: Mapping[str, Any]) -> str:
    """The figures of an evaluation as a Markdown table, pictures from elsewhere beside the test split."""
    metrics, default = Metrics.model_validate(evaluation["metrics"]), evaluation["default_variant"]
    outside, test = metrics.elsewhere.variants[default], metrics.test[default]
    rows: list[tuple[str, Figure, Figure, str]] = [
        ("**served right: right and not rejected**", outside.served_accuracy, test.served_accuracy, "{:.1%}"),
        *((f"served right, of {name}", outside.recall[name], test.recall[name], "{:.1%}") for name in test.recall),
        ("likeliest label right", outside.closed_set_accuracy, test.closed_set_accuracy, "{:.1%}"),
        ("rejected, of the labels' pictures", outside.fnr, test.fnr, "{:.1%}"),
        ("accepted, of the others", outside.fpr, test.fpr, "{:.1%}"),
        ("AUROC of “none of these”", outside.auroc, test.auroc, "{:.3f}"),
        ("calibration error, debiased", outside.calibration_error, test.calibration_error, "{:.1%}"),
        (BASELINE, metrics.elsewhere.baselines[COMMONEST], metrics.test_baselines[COMMONEST], "{:.1%}"),
    ]
    counts = (outside.served_accuracy.n, test.served_accuracy.n)
    lines = [f"| | from elsewhere ({counts[0]} pictures) | test split ({counts[1]}) |", "| --- | --- | --- |"]
    lines += [f"| {name} | {interval(one, form)} | {interval(other, form)} |" for name, one, other, form in rows]
    return "\n".join(lines)


def main() -> int:
    """Write the figures into the README."""
    try:
        write("figures", figures(json.loads(EVALUATION.read_text(encoding="utf-8"))))
    except (ValueError, OSError) as error:
        print(f"error: {error}", file=sys.stderr)
        return 1
    print(f"{EVALUATION} -> {README}")
    return 0


if __name__ == "__main__":
    sys.exit(main())
