"""Bring your own photos: folders of a few photos of any kind become a promoted, provisional model."""

import csv
import json
import shutil
import sys
from pathlib import Path

import numpy as np
import pillow_heif
import pytest
from PIL import Image

from tests.pipeline.test_make import link_environments
from tests.small_project import SMALL, Project

TURNED = 6  # EXIF's orientation: the camera was held on its side


@pytest.fixture
def own_photos(small_project: Project) -> Project:
    """The small project after its user replaced its photos by eight each of two labels, and none of `other`."""
    images = small_project.root / "data" / "images"
    theirs = {folder.name: sorted(folder.iterdir())[:8] for folder in images.iterdir()}
    real = {name: [_copy(path) for path in paths] for name, paths in theirs.items()}
    shutil.rmtree(images)
    for label, of in (("Grüße aus Köln", "text"), ("käse & brot", "plant")):
        folder = images / label
        folder.mkdir(parents=True)
        for i, photo in enumerate(real[of]):
            if i == 0:
                pillow_heif.from_pillow(photo).save(folder / "IMG 0001.HEIC", quality=90)
            elif i == 1:
                photo.save(folder / "ein Photo.webp")
            elif i == 2:
                photo.save(folder / "Bildschirm Foto.PNG")
            else:
                exif = Image.Exif()
                exif[0x0112] = TURNED if i == 3 else 1
                photo.save(folder / f"größe {i}.jpeg", exif=exif)
    # The size and the policy of the default configuration, which the small project relaxes.
    conf = small_project.root / "conf" / "config.yaml"
    text = conf.read_text(encoding="utf-8")
    conf.write_text(text[: text.index(SMALL)], encoding="utf-8")
    return small_project


def _copy(path: Path) -> Image.Image:
    """The pixels of a photo, so that nothing else of the file is left."""
    with Image.open(path) as photo:
        return Image.fromarray(np.asarray(photo.convert("RGB")))


def test_eight_photos_a_label_become_a_provisional_model_and_nothing_is_asked(own_photos: Project) -> None:
    link_environments(own_photos)
    output = own_photos.run("make", "photos")
    assert "16 added" in output
    with (own_photos.root / "data" / "manifest.csv").open(encoding="utf-8", newline="") as file:
        rows = list(csv.DictReader(file))
    assert {row["label"] for row in rows} == {"Grüße aus Köln", "käse & brot"}
    assert len(rows) == 16
    assert {row["author"] for row in rows} == {"unknown"}
    assert {row["licence"] for row in rows} == {"unknown (added by user)"}
    assert "IMG 0001.HEIC" in (own_photos.root / "ATTRIBUTION.md").read_text(encoding="utf-8")
    decision = json.loads((own_photos.root / "reports" / "promotion.json").read_text(encoding="utf-8"))
    assert decision["decision"] == "promoted", output
    assert decision["provisional"]
    card = (own_photos.root / "models" / "promoted" / "MODEL_CARD.md").read_text(encoding="utf-8")
    assert "**16 pictures only: the figures say little**" in card
    assert "Sources are not known, so each of 8 folds of whole groups was left out once" in card
    assert "| other pictures accepted (FPR) | - |" in card  # there are none, and no figure is made up
    manifest = json.loads((own_photos.root / "models" / "promoted" / "manifest.json").read_text(encoding="utf-8"))
    assert manifest["labels"] == ["Grüße aus Köln", "käse & brot"]

    photo = next((own_photos.root / "data" / "images" / "käse & brot").glob("größe*.jpeg"))
    answer = json.loads(own_photos.run(sys.executable, "-m", "service", "identify", "--json", str(photo)))
    assert set(answer["probabilities"]) == {"Grüße aus Köln", "käse & brot"}
    assert max(answer["probabilities"], key=answer["probabilities"].get) == "käse & brot"
    assert own_photos.repro() == []


def test_photos_without_rows_are_named_with_the_command_that_adds_them(own_photos: Project) -> None:
    before = {path: path.read_bytes() for path in Path(own_photos.root / "data").rglob("*") if path.is_file()}
    output = own_photos.run("dvc", "repro", fails=True)
    assert "Bildschirm Foto.PNG" in output
    assert "make photos" in output or "pipeline.data adopt" in output
    report = (own_photos.root / "reports" / "validation.json").read_text(encoding="utf-8")
    assert all(f"größe {number}.jpeg" in report for number in range(3, 8))
    assert before == {path: path.read_bytes() for path in (own_photos.root / "data").rglob("*") if path.is_file()}
