"""What a user types: `make` fetches the photos once, leaves what was put there, and trains on it with one command."""

import csv
import io
import json
from pathlib import Path

import pillow_heif
import pytest
from PIL import Image

from scripts.dev import environment
from tests.small_project import ROOT, Project

QUARTER_TURN = 6  # EXIF's orientation of a phone that was held upright


def link_environments(project: Project) -> None:
    """Give ``project`` this checkout's environments, which `make setup` then finds as they should be."""
    for name, lock in ((".venv", "pipeline"), (".venv-service", "service")):
        # Else the `make` in a test would set up anew the environment that the tests run in.
        wanted = environment.identity(ROOT / "requirements" / f"{lock}.lock")
        assert environment.stamped(ROOT / name / environment.STAMP, wanted), "run `make setup`"
        (project.root / name).symlink_to(ROOT / name)


@pytest.fixture
def clone(finished_project: Project, tmp_path: Path) -> Project:
    """A fresh clone: no photos, no outputs."""
    finished_project.run("git", "clone", "--quiet", ".", str(tmp_path / "clone"))
    project = Project(tmp_path / "clone")
    link_environments(project)
    return project


def test_photos_are_fetched_once_and_what_is_put_there_stays(clone: Project) -> None:
    clone.run("make", "data")
    photos = clone.root / "data" / "images"
    first, second, *_ = sorted((photos / "art").iterdir())
    mine = photos / "art" / "mine.jpg"
    mine.write_bytes(first.read_bytes())
    second.unlink()
    clone.run("make", "data")
    assert mine.exists()
    assert not second.exists()


def test_interrupted_fetch_is_completed(clone: Project) -> None:
    clone.run("make", "data")
    photos = sorted((clone.root / "data" / "images" / "art").iterdir())
    photos[0].unlink()
    (clone.root / ".dvc" / "tmp" / "fetching").touch()  # what an interruption leaves
    clone.run("make", "data")
    assert sorted((clone.root / "data" / "images" / "art").iterdir()) == photos
    assert not (clone.root / ".dvc" / "tmp" / "fetching").exists()


def test_own_photos_are_trained_on_with_one_command(small_project: Project) -> None:
    """Eight of a new label, of every format that phones and the web write, under names that people give."""
    link_environments(small_project)
    folder = small_project.root / "data" / "images" / "Blaue Töpfe"
    folder.mkdir()
    here = {path.name for path in (small_project.root / "data" / "images" / "other").iterdir()}
    new = [path for path in sorted((ROOT / "data" / "images" / "other").iterdir()) if path.name not in here]
    for number, path in enumerate(new[:: len(new) // 8][:8]):
        (folder / f"Töpfe im Garten {number}.{['jpg', 'png', 'webp', 'heic'][number % 4]}").write_bytes(
            saved(path, ["JPEG", "PNG", "WEBP", "HEIF"][number % 4])
        )
    said = small_project.run("make", "photos")
    assert "Blaue Töpfe" in said
    with (small_project.root / "data" / "manifest.csv").open(encoding="utf-8", newline="") as file:
        rows = [row for row in csv.DictReader(file) if row["label"] == "Blaue Töpfe"]
    assert len(rows) == 8
    assert {row["author"] for row in rows} == {"unknown"}
    assert {row["licence"] for row in rows} == {"unknown (added by user)"}
    assert "Töpfe im Garten 3.heic" in (small_project.root / "ATTRIBUTION.md").read_text(encoding="utf-8")
    manifest = json.loads((small_project.root / "models" / "candidate" / "manifest.json").read_text(encoding="utf-8"))
    assert set(manifest["labels"]) == {"art", "plant", "text", "Blaue Töpfe"}
    assert small_project.repro() == []


def saved(photo: Path, form: str) -> bytes:
    """A photo as a file of another format, held upright."""
    with Image.open(photo) as opened:
        picture = opened.convert("RGB")
    exif = Image.Exif()
    exif[0x0112] = QUARTER_TURN
    file = io.BytesIO()
    if form == "HEIF":
        pillow_heif.from_pillow(picture).save(file)
    else:
        picture.save(file, form, exif=exif)
    return file.getvalue()
