"""The tables of answers and photos in a bundle come back as they were written, or say what is wrong."""

from pathlib import Path

import pytest

from pipeline.core.errors import DataError
from pipeline.metrics import predictions
from pipeline.metrics.predictions import Prediction

ROWS = [
    Prediction("b" * 64, "sitting, one", "Blüten", "int8", "Blüten"),
    Prediction("a" * 64, 'say "cheese"', "other", "fp32", ""),
]


def test_predictions_come_back_in_the_same_order_on_every_machine(tmp_path: Path) -> None:
    predictions.write(tmp_path / "one.csv", ROWS)
    predictions.write(tmp_path / "two.csv", reversed(ROWS))
    assert predictions.read(tmp_path / "one.csv") == sorted(ROWS, key=lambda row: row.sha256)
    assert (tmp_path / "one.csv").read_bytes() == (tmp_path / "two.csv").read_bytes()


def test_photos_come_back_with_their_side(tmp_path: Path) -> None:
    sides = {"a" * 64: "train", "b" * 64: "test"}
    predictions.write_photos(tmp_path / "photos.csv", sides)
    assert (tmp_path / "photos.csv").read_text().splitlines()[0] == "sha256,split"
    assert predictions.read_photos(tmp_path / "photos.csv") == sides


def test_right_is_the_label_or_for_others_no_answer() -> None:
    assert all(row.right(("Blüten", "Blätter")) for row in ROWS)
    assert not Prediction("a", "g", "other", "fp32", "Blüten").right(("Blüten",))
    assert not Prediction("a", "g", "Blüten", "fp32", "").right(("Blüten",))


@pytest.mark.parametrize("text", ["", "sha256,split\na,train\n", "sha256,group,truth,variant,answer\na,b\n"])
def test_a_damaged_table_is_named(tmp_path: Path, text: str) -> None:
    (tmp_path / "predictions.csv").write_text(text)
    with pytest.raises(DataError, match=r"predictions\.csv is damaged"):
        predictions.read(tmp_path / "predictions.csv")
    with pytest.raises(DataError, match="is missing"):
        predictions.read(tmp_path / "none.csv")
