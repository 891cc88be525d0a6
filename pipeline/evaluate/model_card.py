"""MODEL_CARD.md: what a model is for, what it saw, what it is worth and how it fails (Mitchell et al. 2019)."""

from collections import Counter
from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np

from bundle.manifest import Manifest
from pipeline.data.manifest import Row
from pipeline.metrics.measure import Answers

FILE = "MODEL_CARD.md"
MISTAKES = 8  # of the test pictures, told in words
FEW = 30  # test pictures below which the card says that its figures say little


@dataclass(frozen=True)
class Mistake:
    """A test picture that got the wrong answer; None stands for "none of these"."""

    file: str
    truth: str | None
    answer: str | None
    confidence: float  # of the likeliest label, 0..1


def mistakes(answers: Answers, files: Sequence[str]) -> list[Mistake]:
    """The wrong answers of ``answers``, the most confident first; ``files`` names each picture."""
    names: tuple[str | None, ...] = (*answers.labels, None)  # index -1 is the last
    confidence = answers.probabilities.max(1) * answers.id_score
    wrong = np.flatnonzero(answers.answer != answers.truth)
    return [
        Mistake(
            files[i],
            names[int(answers.truth[i])],
            names[int(answers.answer[i])],
            float(answers.probabilities[i].max()),
        )
        for i in sorted(wrong.tolist(), key=lambda i: -float(confidence[i]))
    ]


def render(manifest: Manifest, rows: Sequence[Row], wrong: Sequence[Mistake]) -> str:
    """The card of the model that ``manifest`` describes, trained and measured on the pictures of ``rows``."""
    metrics, labels = manifest.metrics, manifest.labels
    default = manifest.variants[manifest.default_variant]
    sections = [
        f"# Model card: {manifest.version}",
        f"Tells {_listed(labels)} apart in a camera's picture, or answers “none of these”.",
        "## Intended use",
        "A hand-held camera or webcam pointed at one subject that fills a good part of the frame, answered live. "
        "Not for decisions about people, and not where a wrong answer costs more than a second look.",
        "## Figures",
        _how_sure(metrics),
        _figures(metrics, labels),
        f"Answers “none of these” where `id_score` is below {default.threshold:g}; temperature "
        f"{default.temperature:g}. Intervals are 95 %: Wilson's for shares, a bootstrap over groups for the rest.",
        "### By kind of picture",
        _table(
            ("kind", "accuracy", "pictures"),
            [(k, _interval(f), f["n"]) for k, f in metrics["by_kind"].items()],
        ),
        "### What a camera does to it",
        _table(
            ("condition", "accuracy", "answered “none of these”"),
            [
                (n, f"{f['accuracy']:.1%}", f"{f['none_of_these']:.1%}")
                for n, f in metrics["robustness"].items()
            ],
        ),
        "### Variants",
        _table(
            ("variant", "accuracy", "log loss", "size", "P50, one thread"),
            [
                (
                    n,
                    _interval(v["accuracy"]),
                    f"{v['log_loss']['value']:.3f}",
                    f"{v['size_mb']} MB",
                    f"{v['latency_ms']['p50']} ms",
                )
                for n, v in metrics["variants"].items()
            ],
        ),
        "## How it fails",
        _failures(wrong, metrics),
        "## Data",
        _data(rows, labels),
        "## Where it comes from",
        _lineage(manifest),
    ]
    return "\n\n".join(sections) + "\n"


def _how_sure(metrics: dict[str, Any]) -> str:
    n = metrics["accuracy"]["n"]
    if n < FEW:
        return (
            f"**Measured on {n} pictures only: these figures say little.** The intervals show how little; more photos "
            "narrow them."
        )
    return f"Measured on {n} test pictures of the labels, none of whose groups was trained on."


def _figures(metrics: dict[str, Any], labels: Sequence[str]) -> str:
    rows = [("accuracy", _interval(metrics["accuracy"]))]
    for label in labels:
        rows += [
            (f"{name} of {label}", _interval(metrics[name][label])) for name in ("precision", "recall", "f1")
        ]
    rows += [
        ("log loss", _interval(metrics["log_loss"], share=False)),
        ("calibration error", _interval(metrics["ece"])),
        ("calibration error before temperature", _interval(metrics["ece_uncalibrated"])),
    ]
    none = metrics["none_of_these"]
    if none is None:
        rows.append(("none of these", "not measured: there are no pictures of it"))
    else:
        rows += [
            ("none of these: AUROC", _interval(none["auroc"], share=False)),
            ("none of these: given a label all the same", _interval(none["fpr"])),
            ("none of these: said of a picture of a label", _interval(none["fnr"])),
        ]
    return _table(("figure", "value (95 % interval)"), rows)


def _failures(wrong: Sequence[Mistake], metrics: dict[str, Any]) -> str:
    worst = min(metrics["robustness"].items(), key=lambda item: item[1]["accuracy"])
    lines = [f"Worst condition: {worst[0]}, {worst[1]['accuracy']:.1%} right."]
    if not wrong:
        lines.append("No test picture got a wrong answer, which a small test set does not make a promise.")
    else:
        lines.append(f"{len(wrong)} test pictures got a wrong answer, the most confident first:")
        lines.append(
            "\n".join(
                f"- `{m.file}`: {m.truth or 'none of these'}, answered {m.answer or 'none of these'} "
                f"(likeliest label at {m.confidence:.0%})"
                for m in wrong[:MISTAKES]
            )
        )
    return "\n\n".join(lines)


def _data(rows: Sequence[Row], labels: Sequence[str]) -> str:
    by_label = Counter((row.label, row.kind) for row in rows)
    kinds = sorted({kind for _, kind in by_label})
    names = [*labels, *sorted({row.label for row in rows} - set(labels))]
    licences = Counter(row.licence for row in rows).most_common()
    return "\n\n".join(
        [
            _table(
                ("folder", *kinds, "sources"),
                [
                    (
                        name,
                        *(by_label[name, k] for k in kinds),
                        len({r.source_package for r in rows if r.label == name}),
                    )
                    for name in names
                ],
            ),
            "Gaps: what these sources do not show, it has not seen. Few sources a label mean a narrow idea of it; "
            "rendered pictures are cleaner than photos. Every picture's author, source and licence: ATTRIBUTION.md.",
            "Licences of the pictures: "
            + "; ".join(f"{licence} ({count})" for licence, count in licences)
            + ".",
        ]
    )


def _lineage(manifest: Manifest) -> str:
    origin = manifest.lineage
    commit = origin.git_commit + (" with uncommitted changes" if origin.git_dirty else "")
    return _table(
        ("what", "which"),
        [
            ("git commit", commit),
            ("data", origin.data_hash),
            ("configuration (sha256)", origin.config_hash),
            ("MLflow run", origin.mlflow_run_id),
            ("exported", f"{manifest.created:%Y-%m-%d %H:%M} UTC"),
        ],
    )


def _interval(figure: dict[str, Any], *, share: bool = True) -> str:
    value, low, high = figure["value"], figure["low"], figure["high"]
    if value is None:
        return "not measured"
    form = "{:.1%}" if share else "{:.3f}"
    bounds = "" if low is None else f" ({form.format(low)} to {form.format(high)})"
    return form.format(value) + bounds


def _table(head: Sequence[str], rows: Sequence[Sequence[object]]) -> str:
    cells = [head, ["---"] * len(head), *rows]
    return "\n".join("| " + " | ".join(str(cell).replace("|", "\\|") for cell in row) + " |" for row in cells)


def _listed(labels: Sequence[str]) -> str:
    return " and ".join([", ".join(labels[:-1]), labels[-1]])
