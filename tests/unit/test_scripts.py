"""What the scripts print is what they found."""

from pathlib import Path
from typing import Any

import pytest

from pipeline.core.errors import PipelineError
from pipeline.metrics.schema import Figure
from pipeline.models.photos import Photos
from pipeline.models.settings import ModelSettings
from scripts.bench import pipeline as bench_pipeline
from scripts.compare import __main__ as compare
from scripts.compare import few, recipes
from scripts.dev import readme, verify
from tests import measured

FIGURE = Figure(value=0.9, low=0.8, high=0.95, n=40)
PHOTOS = Photos((), Path("nowhere"), (), 0)


def evaluation() -> dict[str, Any]:
    """A report as evaluate writes it."""
    baseline = {readme.COMMONEST: FIGURE.model_dump()}
    found = measured.metrics(measured.answers(wrong=9), elsewhere__baselines=baseline, test_baselines=baseline)
    return {"model": "tiny-12345678", "default_variant": "fp32", "metrics": found.model_dump()}


def test_verify_tells_same_bytes_from_others_and_from_none(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    for name in ("one", "two"):
        (tmp_path / name).mkdir()
        (tmp_path / name / "model.onnx").write_bytes(b"the same")
    one, two = verify.digests(tmp_path / "one"), verify.digests(tmp_path / "two")
    verify.compare(one, two)
    (tmp_path / "two" / "model.int8.onnx").write_bytes(b"only here")
    with pytest.raises(PipelineError, match="the two rebuilds differ"):
        verify.compare(one, verify.digests(tmp_path / "two"))
    assert "| model.int8.onnx | missing | " in capsys.readouterr().out
    with pytest.raises(PipelineError, match="no model was built"):
        verify.compare({}, {})


def test_benchmark_marks_a_missed_target_and_says_what_it_was_before() -> None:
    rows = [
        bench_pipeline.Row("train", 400.0, 2.5),
        bench_pipeline.Row(bench_pipeline.COLD, 401.0, 2.5),
        bench_pipeline.Row(bench_pipeline.MORE, 6.0),
    ]
    table = bench_pipeline.report(rows)
    assert "| **cold, all stages** | 401.0 | 2.50 | 334 | 150 | **no** |" in table
    assert "| **one more photo** | 6.0 |  |  | 15 | yes |" in table
    assert "| train | 400.0 | 2.50 |  |  |  |" in table


def test_comparison_has_the_cost_of_each_backbone_and_names_those_that_it_could_not_try(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    found = [
        few.Backbone("lite", {**dict.fromkeys(map(str, few.COUNTS), FIGURE), "all": FIGURE}, "", 6.6, 13.5),
        few.Backbone("resnet", {}, "its weights can't be downloaded", 0.0, 0.0),
    ]
    monkeypatch.setattr(few, "backbones", lambda _: iter(found))
    lines = list(compare._few(PHOTOS))
    figure = "90% (80% to 95%)"
    assert lines[2] == f"| lite | {' | '.join([figure] * 6)} | 6.6 | 13.5 |"
    assert lines[-1] == "Not tried, as their weights could not be downloaded here: resnet."
    columns = {line.count("|") for line in lines[:3]}
    assert len(columns) == 1


def test_comparison_gives_a_recipes_mean_over_the_seeds_with_its_least_and_greatest(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    once, thrice = (0.9, 0.9, 0.9), (0.9, 0.85, 0.95)
    line = recipes.Line("probe", closed_set=thrice, served=once, auroc=thrice, rejected_at_90_caught=once)
    monkeypatch.setattr(recipes, "compare", lambda _: iter([line]))
    *_, row = compare._recipes(PHOTOS)
    assert row == "| probe | 90.0% (85.0% to 95.0%) | 90.0% | 0.900 (0.850 to 0.950) | 90.0% |"


def test_what_the_learning_curve_foretold_stands_beside_what_came(monkeypatch: pytest.MonkeyPatch) -> None:
    found = [
        few.Foretold("art", 30, 0.02, -0.01, 0.05, 0.03),
        few.Foretold("text", 30, 0.02, 0.01, 0.03, 0.06),
        few.Foretold("plant", 4, None, None, None, 0.1),
    ]
    monkeypatch.setattr(few, "curve", lambda *_: iter(found))
    lines = list(compare._curve(PHOTOS, ModelSettings(backbone="efficientnet_lite0", size=32)))
    assert lines[2] == "| art | 30 | 1 of 1 | +2.0 | +3.0 | 1 of 1 |"
    assert lines[3] == "| text | 30 | 1 of 1 | +2.0 | +6.0 | 0 of 1 |"
    assert lines[4] == "| plant | 4 | 0 of 1 | - | - | - |"


def test_figures_go_between_their_markers_and_nowhere_else(tmp_path: Path) -> None:
    page = tmp_path / "README.md"
    page.write_text("before\n<!-- figures -->\nold\n<!-- /figures -->\nafter\n", encoding="utf-8")
    readme.write("figures", readme.figures(evaluation()), page)
    text = page.read_text(encoding="utf-8")
    assert text.startswith("before\n<!-- figures -->\n")
    assert text.endswith("<!-- /figures -->\nafter\n")
    assert "old" not in text
    with pytest.raises(ValueError, match="needs the lines <!-- compare -->"):
        readme.write("compare", "a table", page)


def test_the_readme_says_first_what_is_served_right_from_elsewhere_and_the_test_split_beside_it() -> None:
    lines = readme.figures(evaluation()).splitlines()
    assert lines[0] == "| | from elsewhere (180 pictures) | test split (180) |"
    assert lines[2].startswith("| **served right: right and not rejected** | 95.0% (")
    assert any(line.startswith("| served right, of art | 95.0% (") for line in lines)
    assert lines[-1].endswith("| 90.0% (80.0% to 95.0%) | 90.0% (80.0% to 95.0%) |")
