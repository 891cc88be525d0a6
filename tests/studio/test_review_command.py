"""The queue without a browser, on a copy of this project's photos."""

import csv
import json
from pathlib import Path

import pytest

from pipeline.data import manifest
from studio.__main__ import main


def test_a_list_is_filled_in_applied_and_measured(
    checkout: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    monkeypatch.chdir(checkout)
    assert main(["review", "--list", "--count", "2"]) == 0
    assert "2 of " in capsys.readouterr().out
    assert main(["review", "--list", "--csv", "list.csv"]) == 0
    with Path("list.csv").open(encoding="utf-8", newline="") as file:
        rows = list(csv.DictReader(file))
    first = next(row for row in rows if row["thinks"] not in ("", row["label"]))
    first |= {"action": "relabel", "label": first["thinks"]}
    with Path("list.csv").open("w", encoding="utf-8", newline="") as file:
        writer = csv.DictWriter(file, list(first))
        writer.writeheader()
        writer.writerows(rows)
    capsys.readouterr()
    assert main(["review", "--apply", "list.csv"]) == 0
    said = capsys.readouterr().out
    assert f"relabelled 1 as {first['thinks']}" in said
    assert "photos right where their sitting was left out" in said
    name = first["file"].split("/", 1)[1]
    assert f"{first['thinks']}/{name}" in {row.file for row in manifest.read(Path("data/manifest.csv"))}
    assert main(["review", "--apply", "none.csv"]) == 1
    assert "error: none.csv can't be read" in capsys.readouterr().err


def test_pull_says_how_many_pictures_wait(
    checkout: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    monkeypatch.chdir(checkout)
    Path("volume").mkdir()
    photo = next(Path("data/images/plant").glob("*.jpg"))
    Path("volume/1.jpg").write_bytes(photo.read_bytes())
    told = {"at": "2026-11-25T12:00:00Z", "model": "4be1168f6996", "answer": "art", "score": 0.7, "label": "plant"}
    Path("volume/1.json").write_text(json.dumps(told))
    assert main(["pull", "volume"]) == 0
    assert "1 new pictures of volume wait" in capsys.readouterr().out
    assert main(["pull", "nowhere"]) == 1
