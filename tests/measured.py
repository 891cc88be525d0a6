"""Answers of a made-up model and the figures that evaluate would take from them, for tests of promotion."""

import hashlib
from collections import Counter
from collections.abc import Sequence
from typing import Any

from bundle import VariantName
from pipeline.metrics.intervals import wilson
from pipeline.metrics.predictions import Prediction
from pipeline.metrics.schema import Elsewhere, Figure, Latency, Metrics, Scores, VariantFacts

LABELS = ("art", "plant", "text")
OTHER = "other"


def answers(
    each: int = 60,
    wrong: int = 0,
    accepted: int = 0,
    labels: Sequence[str] = LABELS,
    variants: Sequence[VariantName] = ("fp32",),
    others: int | None = None,
    batch: str = "",
) -> list[Prediction]:
    """Answers to ``each`` photos a label and ``others`` (by default as many).

    The first ``wrong`` photos, label by label in turn, are answered with the next label, the first ``accepted`` others
    with the first. Another ``batch`` are other photos.
    """
    rows = []
    for variant in variants:
        for place in range(each * len(labels)):
            at = place % len(labels)
            answer = labels[(at + 1) % len(labels)] if place < wrong else labels[at]
            rows.append(_prediction(f"{batch}{labels[at]}{place}", labels[at], variant, answer))
        for place in range(each if others is None else others):
            answer = labels[0] if place < accepted else ""
            rows.append(_prediction(f"{batch}{OTHER}{place}", OTHER, variant, answer))
    return rows


def _prediction(photo: str, truth: str, variant: VariantName, answer: str) -> Prediction:
    return Prediction(hashlib.sha256(photo.encode()).hexdigest(), photo, truth, variant, answer)


def share(count: int, of: int) -> Figure:
    low, high = wilson(count, of) if of else (None, None)
    return Figure(value=count / of if of else None, low=low, high=high, n=of)


def scores(rows: Sequence[Prediction], labels: Sequence[str] = LABELS) -> Scores:
    """The figures of one variant's answers; those that answers alone don't give are good."""
    counts = Counter((row.truth if row.truth in labels else OTHER, row.answer) for row in rows)
    confusion = [[counts[truth, answer] for answer in (*labels, "")] for truth in (*labels, OTHER)]
    own = [row for row in rows if row.truth in labels]
    n, others = len(own), len(rows) - len(own)
    right = sum(row.right(labels) for row in own)
    sound = Figure(value=0.03, low=0.01, high=0.06, n=n) if n else share(0, 0)
    recall = {label: share(confusion[at][at], sum(confusion[at])) for at, label in enumerate(labels)}
    return Scores(
        served_accuracy=share(right, n),
        closed_set_accuracy=share(right, n),
        fnr=share(sum(not row.answer for row in own), n),
        fpr=share(others - confusion[-1][-1], others),
        auroc=Figure(value=0.98, low=0.95, high=1.0, n=len(rows)) if others else share(0, 0),
        open_set_accuracy=share(right + confusion[-1][-1], len(rows)),
        log_loss=sound,
        calibration_error=sound,
        overconfidence=sound,
        recall=recall,
        precision=recall,
        confusion=confusion,
    )


def metrics(rows: Sequence[Prediction] | None = None, labels: Sequence[str] = LABELS, /, **changes: Any) -> Metrics:
    """What evaluate measures; names with two underscores between the parts change single figures.

    The test split is answered as the rest. ``elsewhere__variants__fp32__fpr={…}`` replaces that figure.
    """
    rows = answers() if rows is None else rows
    named: tuple[VariantName, ...] = ("fp32", "int8")
    variants = [v for v in named if any(row.variant == v for row in rows)]
    by_variant = {v: scores([row for row in rows if row.variant == v], labels) for v in variants}
    facts = VariantFacts(
        size_mb=13.5, latency_ms=Latency(p50=6.6, p95=8.0), agreement=1.0, threshold=0.5, temperature=1.0
    )
    elsewhere = Elsewhere(method="leave-one-source-out", recipe="probe", parts=39, variants=by_variant, baselines={})
    values: dict[str, Any] = {
        "recipe": "probe",
        "strength": 0.001,
        "rejected": 0.05,
        "elsewhere": elsewhere.model_dump(),
        "test": {v: s.model_dump() for v, s in by_variant.items()},
        "test_baselines": {},
        "by_kind": {},
        "robustness": {},
        "variants": {v: facts.model_dump() for v in by_variant},
        "parity": 5e-6,
        "learning_curve": {},
        "evidence": None,
    }
    values = {name: values[name] for name, field in Metrics.model_fields.items() if field.is_required()}
    for path, value in changes.items():
        *parents, last = path.split("__")
        place = values
        for parent in parents:
            place = place[parent]
        place[last] = value
    return Metrics.model_validate(values)
