"""The model card says what a model is for, what it is worth and how it fails, and does not flatter."""

from datetime import UTC, datetime

import numpy as np

from bundle.manifest import InputSpec, Lineage, Manifest, Variant
from pipeline.data.manifest import Row
from pipeline.evaluate.model_card import Mistake, mistakes, render
from pipeline.metrics.measure import Answers, by_kind, measure

LABELS = ("art", "plant")
FILES = [
    f"{name}.jpg"
    for name in ("right", "sure and wrong", "unsure and wrong", "held back", "none", "none taken")
]


def answers() -> Answers:
    return Answers(
        labels=LABELS,
        truth=np.array([0, 0, 1, 1, -1, -1]),
        probabilities=np.array([[0.9, 0.1], [0.05, 0.95], [0.6, 0.4], [0.2, 0.8], [0.5, 0.5], [0.7, 0.3]]),
        id_score=np.array([0.9, 0.99, 0.8, 0.1, 0.2, 0.9]),
        threshold=0.5,
        temperature=1.0,
        groups=tuple("abcdef"),
    )


def manifest(**more: object) -> Manifest:
    figures = measure(answers(), resamples=100, seed=0)
    return Manifest(
        version="tiny-12345678",
        created=datetime(2026, 1, 2, 3, 4, tzinfo=UTC),
        labels=LABELS,
        input=InputSpec(size=32),
        variants={"fp32": Variant(file="model.onnx", threshold=0.5, temperature=1.0)},
        default_variant="fp32",
        golden_tolerance=0.05,
        metrics={
            **figures,
            "by_kind": by_kind(answers(), ["real"] * 6),
            "robustness": {
                "as it is": {"accuracy": 0.5, "none_of_these": 0.25},
                "dark": {"accuracy": 0.25, "none_of_these": 0.5},
            },
            "variants": {"fp32": {**figures, "size_mb": 13.5, "latency_ms": {"p50": 4.2}}},
            **more,
        },
        lineage=Lineage(
            git_commit="c" * 40,
            git_dirty=True,
            data_hash="d" * 32,
            config={},
            config_hash="e" * 64,
            mlflow_run_id="f" * 32,
        ),
    )


def photo(file: str, label: str, licence: str) -> Row:
    return Row(file, label, file, "real", "a package", "1", "a/path", "Somebody", licence, "0" * 64, "")


ROWS = [photo("a.jpg", "art", "CC0"), photo("b.jpg", "plant", "CC0"), photo("c.jpg", "other", "GPL|2")]


def test_mistakes_come_most_confident_first_and_none_is_an_answer_like_any_other() -> None:
    found = mistakes(answers(), FILES)
    assert found[0] == Mistake("sure and wrong.jpg", "art", "plant", 0.95)
    assert [m.file for m in found[1:]] == ["none taken.jpg", "unsure and wrong.jpg", "held back.jpg"]
    assert (found[1].truth, found[1].answer) == (None, "art")
    assert (found[3].truth, found[3].answer) == ("plant", None)


def test_the_card_says_how_little_a_small_test_set_says() -> None:
    assert "Measured on 4 pictures only: these figures say little" in render(manifest(), ROWS, [])


def test_the_card_has_figures_with_intervals_failures_data_and_lineage() -> None:
    card = render(manifest(), ROWS, mistakes(answers(), FILES))
    for part in (
        "| accuracy | 50.0% (15.0% to 85.0%) |",
        "none of these: AUROC",
        "Worst condition: dark, 25.0% right.",
        "- `sure and wrong.jpg`: art, answered plant (likeliest label at 95%)",
        "| other | 1 | 1 |",
        "CC0 (2); GPL|2 (1)",
        "c" * 40 + " with uncommitted changes",
        "| data | " + "d" * 32,
    ):
        assert part in card


def test_what_was_not_measured_is_said_and_not_left_out() -> None:
    assert "not measured: there are no pictures of it" in render(manifest(none_of_these=None), ROWS, [])


def test_no_mistake_on_a_small_set_is_no_promise() -> None:
    assert "does not make a promise" in render(manifest(), ROWS, [])
