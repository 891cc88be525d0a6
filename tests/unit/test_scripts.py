"""What the scripts print is what they found."""

from pathlib import Path
from typing import Any

import pytest

from scripts import bench_pipeline, compare, readme, verify

FIGURE = {"value": 0.9, "low": 0.8, "high": 0.95, "n": 40}
METRICS: dict[str, Any] = {
    "accuracy": FIGURE,
    "recall": {"art": FIGURE},
    "by_kind": {"real": FIGURE},
    "log_loss": FIGURE,
    "ece": {"value": None, "low": None, "high": None, "n": 0},
    "none_of_these": None,
    "size_mb": 13.5,
    "latency_ms": {"p50": 6.6},
}


def test_verify_tells_same_bytes_from_others_and_from_none(tmp_path: Path) -> None:
    for name in ("one", "two"):
        (tmp_path / name).mkdir()
        (tmp_path / name / "model.onnx").write_bytes(b"the same")
    one, two = verify.digests(tmp_path / "one"), verify.digests(tmp_path / "two")
    assert verify.verdict(one, two)[1]
    (tmp_path / "two" / "model.int8.onnx").write_bytes(b"only here")
    table, same = verify.verdict(one, verify.digests(tmp_path / "two"))
    assert not same
    assert "DIFFERENT" in table
    assert not verify.verdict({}, {})[1]


def test_benchmark_marks_a_missed_target() -> None:
    measured = bench_pipeline.Measured({"start": 1.0, "train": 400.0}, {"start": 0.1, "train": 2.5})
    table = bench_pipeline.table(measured, [0.4, 0.5, 9.0])
    assert "train: 400.00, target 300, ratio 1.33 **missed**" in table
    assert "nothing to do: 0.50, target 5, ratio 0.10\n" in table
    assert "| train | 400.0 | 2.50 |" in table


def test_comparison_has_a_row_for_each_experiment_and_a_reason_for_each_that_was_skipped() -> None:
    lines = [
        compare.Line(compare.EXPERIMENTS[0], METRICS, 123.4),
        compare.Line(compare.EXPERIMENTS[-1], None, reason="its weights can't be downloaded"),
    ]
    table = compare.table(lines)
    assert (
        "| fine tuned | nothing | 90.0% (80.0% to 95.0%) | 0.90 (0.80 to 0.95) | 123 s | 13.5 MB | 6.6 ms |"
        in table
    )
    assert "| resnet50 | `model=resnet50` | skipped |" in table
    assert "- resnet50: its weights can't be downloaded" in table


def test_figures_go_between_their_markers_and_nowhere_else(tmp_path: Path) -> None:
    page = tmp_path / "README.md"
    page.write_text("before\n<!-- figures -->\nold\n<!-- /figures -->\nafter\n", encoding="utf-8")
    readme.write("figures", readme.figures({"metrics": METRICS}), page)
    text = page.read_text(encoding="utf-8")
    assert text.startswith("before\n<!-- figures -->\n")
    assert text.endswith("<!-- /figures -->\nafter\n")
    assert "| right, of art | 90.0% (80.0% to 95.0%) | 40 |" in readme.part(text, "figures")
    assert "| calibration error | - | 0 |" in text
    with pytest.raises(ValueError, match="needs the lines <!-- compare -->"):
        readme.write("compare", "a table", page)
