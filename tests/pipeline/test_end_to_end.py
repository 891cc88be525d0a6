"""From photos to a promoted model that names what is in a photo, on a few dozen real photos."""

import json
from collections import Counter
from pathlib import Path
from typing import Any

import numpy as np
from PIL import Image

import bundle
from pipeline.export.golden import FRAMES, made
from tests.small_project import Project


def test_photos_become_a_promoted_model_with_its_reports(finished_project: Project) -> None:
    root = finished_project.root
    promoted = bundle.load(root / "models" / "promoted")
    evaluation = json.loads((root / "reports" / "evaluation.json").read_text(encoding="utf-8"))
    decision = json.loads((root / "reports" / "promotion.json").read_text(encoding="utf-8"))
    assert promoted.manifest.labels == ("art", "plant", "text")
    assert promoted.manifest.version == evaluation["model"] == decision["champion"]["version"]
    assert decision["decision"] == "promoted"
    assert promoted.manifest.metrics == evaluation["metrics"]
    assert promoted.manifest.lineage.git_commit == finished_project.run("git", "rev-parse", "HEAD~1").strip()
    assert promoted.manifest.lineage.data_hash in (root / "data.dvc").read_text(encoding="utf-8")
    for report in ("reports/validation.html", "reports/plots/worst_mistakes.png", "models/promoted/MODEL_CARD.md"):
        assert (root / report).stat().st_size > 1000, report


def test_the_headline_is_what_is_served_on_pictures_from_elsewhere_with_its_interval(
    finished_project: Project,
) -> None:
    card = (finished_project.root / "models" / "promoted" / "MODEL_CARD.md").read_text(encoding="utf-8")
    assert card.index("served accuracy: right and not rejected") < card.index("closed-set accuracy")
    assert card.index("## Pictures from elsewhere") < card.index("## The test split")


def test_no_photo_of_the_user_is_among_the_golden_frames(finished_project: Project) -> None:
    """They travel with every copy of the model: made pictures, the same whatever the photos."""
    promoted = bundle.load(finished_project.root / "models" / "promoted")
    golden = promoted.manifest.golden
    assert len(golden) == FRAMES
    for number, each in enumerate(golden):
        with Image.open(promoted.path(each.file)) as frame:
            assert np.array_equal(np.asarray(frame), made(promoted.manifest.input.size, number))


def test_promoted_model_names_what_is_in_a_photo(finished_project: Project) -> None:
    """In most: it has learnt from 10 photos a label, 64 pixels wide."""
    labels = ["art", "plant", "text"]
    folders = [str(Path("data/images") / label) for label in labels]
    said = finished_project.run("python", "-m", "service", "identify", "--json", *folders)
    answers = [json.loads(line) for line in said.splitlines()]
    right = Counter[str]()
    for answer in answers:
        assert set(answer) >= {"label", "probabilities", "model", "timing_ms"}
        assert list(answer["probabilities"]) == labels
        assert abs(sum(answer["probabilities"].values()) - 1) < 1e-3
        label = Path(answer["file"]).parent.name
        right[label] += label == max(labels, key=answer["probabilities"].__getitem__)
    assert len(answers) == 30
    assert min(right[label] for label in labels) >= 7, right


def test_metrics_and_plots_are_dvcs_as_well(finished_project: Project) -> None:
    shown = json.loads(finished_project.run("dvc", "metrics", "show", "--json"))
    evaluation = json.loads((finished_project.root / "reports" / "evaluation.json").read_text(encoding="utf-8"))
    assert served(shown[""]["data"]["reports/evaluation.json"]["data"]) == served(evaluation)
    finished_project.run("dvc", "plots", "show", "--out", "build/plots")
    page = (finished_project.root / "build" / "plots" / "index.html").read_text(encoding="utf-8")
    for plot in ("confusion.csv", "robustness.csv", "reliability.csv", "worst_mistakes.png"):
        assert plot in page


def served(evaluation: dict[str, Any]) -> object:
    """The headline: value and interval."""
    return evaluation["metrics"]["elsewhere"]["variants"]["fp32"]["served_accuracy"]


def test_summary_says_what_came_out_and_what_to_type_next(finished_project: Project) -> None:
    said = finished_project.run("python", "-m", "pipeline.evaluate.summary")
    for part in (
        "promoted",
        "95 % intervals",
        "from elsewhere",
        "test split",
        "MODEL_CARD.md",
        "make runs",
        "service identify",
    ):
        assert part in said


def test_promoting_the_same_model_again_makes_no_second_version(small_project: Project) -> None:
    history = small_project.root / "models" / "promotions.jsonl"
    before = history.read_bytes()
    assert small_project.repro("--force", "--single-item", "promote") == ["promote"]
    decision = json.loads((small_project.root / "reports" / "promotion.json").read_text(encoding="utf-8"))
    assert decision["decision"] == "already champion"
    assert history.read_bytes() == before
