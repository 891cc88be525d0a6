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

README = Path("README.md")


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
    readme.write_text(f"{before}{begin}\n\n{text}\n\n{end}{after}", encoding="utf-8")


def figures(evaluation: Mapping[str, Any]) -> str:
    """The figures of an evaluation as a Markdown table."""
    metrics = evaluation["metrics"]
    rows = [
        ("right, of all", metrics["accuracy"], "{:.1%}"),
        *((f"right, of {label}", recall, "{:.1%}") for label, recall in metrics["recall"].items()),
        *((f"right, of the {kind} ones", figure, "{:.1%}") for kind, figure in metrics["by_kind"].items()),
        ("log loss", metrics["log_loss"], "{:.2f}"),
        ("calibration error", metrics["ece"], "{:.3f}"),
    ]
    if none := metrics.get("none_of_these"):
        rows += [
            ("none of these, AUROC", none["auroc"], "{:.3f}"),
            ("none of these, taken for a label", none["fpr"], "{:.1%}"),
            ("a label, taken for none of these", none["fnr"], "{:.1%}"),
        ]
    lines = ["| on the test pictures | 95 % interval in brackets | pictures |", "| --- | --- | ---: |"]
    lines += [f"| {name} | {interval(figure, form)} | {figure['n']} |" for name, figure, form in rows]
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
