"""The model card says what a model is for, what it is worth and how it fails, and does not flatter."""

from datetime import UTC, datetime
from html import escape
from typing import Any

import numpy as np
import pytest

from bundle.manifest import InputSpec, Lineage, Manifest, Variant
from pipeline.data.manifest import Row
from pipeline.evaluate.model_card import Mistake, as_html, mistakes, render
from pipeline.metrics.schema import Condition, Evidence, Figure, Gain, Metrics
from pipeline.metrics.scores import Answers
from tests import measured

FILES = [f"{name}.jpg" for name in ("right", "sure and wrong", "unsure and wrong", "rejected", "none", "accepted")]
ROBUSTNESS = {
    "as it is": Condition(served_accuracy=0.9, closed_set_accuracy=0.95, fnr=0.05).model_dump(),
    "dark": Condition(served_accuracy=0.25, closed_set_accuracy=0.5, fnr=0.5).model_dump(),
}


def answers() -> Answers:
    return Answers(
        labels=("art", "plant"),
        truth=np.array([0, 0, 1, 1, -1, -1]),
        probabilities=np.array([[0.9, 0.1], [0.05, 0.95], [0.6, 0.4], [0.2, 0.8], [0.5, 0.5], [0.7, 0.3]]),
        id_score=np.array([0.9, 0.99, 0.8, 0.1, 0.2, 0.9]),
        threshold=0.5,
        clusters=tuple("abcdef"),
    )


def metrics(each: int = 40, **changes: Any) -> Metrics:
    return measured.metrics(measured.answers(each, wrong=6), **{"robustness": ROBUSTNESS, **changes})


MANIFEST = Manifest(
    version="tiny-12345678",
    created=datetime(2026, 1, 2, 3, 4, tzinfo=UTC),
    labels=measured.LABELS,
    input=InputSpec(size=32),
    variants={"fp32": Variant(file="model.onnx", threshold=0.5, temperature=1.0)},
    default_variant="fp32",
    golden_tolerance=0.05,
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


def card(of: Metrics, wrong: list[Mistake] | None = None) -> str:
    return render(MANIFEST, of, ROWS, wrong or [])


def test_mistakes_come_most_confident_first_and_none_is_an_answer_like_any_other() -> None:
    found = mistakes(answers(), FILES)
    assert found[0] == Mistake("sure and wrong.jpg", "art", "plant", 0.95)
    assert [m.file for m in found[1:]] == ["accepted.jpg", "unsure and wrong.jpg", "rejected.jpg"]
    assert (found[1].truth, found[1].answer) == (None, "art")
    assert (found[3].truth, found[3].answer) == ("plant", None)


def test_pictures_from_elsewhere_come_before_the_test_split_which_is_said_to_flatter() -> None:
    text = card(metrics())
    elsewhere, test = text.index("## Pictures from elsewhere"), text.index("## The test split")
    assert elsewhere < test
    assert "This is the figure to expect." in text[elsewhere:test]
    assert "these figures flatter" in text[test:]
    assert text.index("served accuracy: right and not rejected") < text.index("closed-set accuracy")


def test_the_card_says_how_little_a_small_set_says() -> None:
    assert "**15 pictures only: the figures say little**" in card(metrics(each=5))
    assert "say little" not in card(metrics(each=40))


def test_the_card_says_where_another_recipe_was_measured_in_place_of_this_one() -> None:
    assert "Measured with the probe in place of this recipe." in card(metrics(recipe="finetune"))
    assert "in place of" not in card(metrics())


def test_the_card_has_figures_with_intervals_baselines_failures_data_and_lineage() -> None:
    baseline = Figure(value=0.4, low=0.3, high=0.5, n=120).model_dump()
    text = card(
        metrics(elsewhere__baselines={"commonest label": baseline}, test_baselines={"probe": baseline}),
        mistakes(answers(), FILES),
    )
    for part in (
        "| served accuracy: right and not rejected | 95.0% (",
        "| served accuracy of art | 95.0% (",
        "| baseline: commonest label | 40.0% (30.0% to 50.0%) |",
        "| baseline: probe | 40.0% (30.0% to 50.0%) |",
        "| other pictures accepted (FPR) | 0.0% (",
        "Worst condition: dark, 25.0% served right.",
        "- `sure and wrong.jpg`: art, answered plant (likeliest label at 95%)",
        "- `accepted.jpg`: none of these, answered art (likeliest label at 70%)",
        "| other | 1 | 1 |",
        "CC0 (2); GPL|2 (1)",
        "c" * 40 + " with uncommitted changes",
        "| data | " + "d" * 32,
    ):
        assert part in text


def test_what_was_not_measured_is_said_and_not_left_out() -> None:
    nothing = Figure(value=None, low=None, high=None, n=0).model_dump()
    text = card(metrics(elsewhere__variants__fp32__fpr=nothing))
    assert "| other pictures accepted (FPR) | - |" in text
    assert "## Where it looks\n\nNot measured." in text


def test_what_more_photos_would_bring_is_said_or_that_it_can_not_be_said() -> None:
    gains = {
        "art": Gain(photos=20, expected=0.031, low=0.01, high=0.05).model_dump(),
        "plant": Gain(photos=20, expected=None, low=None, high=None).model_dump(),
    }
    text = card(metrics(learning_curve=gains))
    assert "| art | +3 points of served accuracy (+1 to +5) |" in text
    assert "| plant | not to be said from this few photos |" in text


def test_the_checks_of_the_maps_are_told_in_words() -> None:
    found = Evidence(
        pictures=30,
        drop_hot=0.6,
        drop_random=0.1,
        correlation_random_head=0.05,
        border=0.3,
        border_places=0.49,
    )
    text = card(metrics(evidence=found.model_dump()))
    assert "lowers its probability by 0.60, covering a random quarter by 0.10" in text
    assert "30% of the evidence lies on the border of the picture, which is 49% of the places" in text


def test_no_mistake_on_a_small_set_is_no_promise() -> None:
    assert "does not make a promise" in card(metrics())


def test_the_card_as_html_has_its_headings_and_tables() -> None:
    html = as_html(card(metrics()))
    assert html.startswith("<h1>Model card: tiny-12345678</h1>")
    assert "<td>served accuracy of art</td>\n<td>95.0% (" in html
    assert "<html" not in html
    assert "<body" not in html


@pytest.mark.parametrize(
    "label",
    [
        "<img src=x onerror=alert(1)>",
        "<script>alert(1)</script>",
        "[x](javascript:alert(1))",
        "[x](https://example.org)",
        "![x](https://example.org/x.png)",
        "<https://example.org>",
    ],
)
def test_markup_in_a_label_or_in_the_name_of_a_file_stays_text_in_the_html(label: str) -> None:
    mistake = Mistake(f"{label}.jpg", label, None, 0.9)
    manifest = MANIFEST.model_copy(update={"labels": (label, "plant")})
    html = as_html(render(manifest, metrics(), [photo("a.jpg", label, label)], [mistake]))
    assert html.count(escape(label)) >= 4
    for tag in ("<img", "<script", "<a ", "href", "src="):
        assert tag not in html.replace(escape(label), "")
