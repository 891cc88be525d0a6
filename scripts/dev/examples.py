"""Write the pictures that the page offers to who has no camera: web/src/camera/examples/.

    python -m scripts.dev.examples

They come from our own set, whose manifest says who made them. None of them was trained on, and each licence lets
anyone pass the picture on beside code of another licence.
"""

import csv
import json
import sys
from pathlib import Path
from typing import Final

from PIL import Image, ImageOps

from pipeline.core import files
from pipeline.core.errors import run_stage

DATA: Final = Path("data")
OUT: Final = Path("web/src/camera/examples")
SIDE: Final = 320  # px; the model sees 224
QUALITY: Final = 78
TITLES: Final = {
    "art/gcompris-qt-data__details-vincentvangogh0019.jpg": "Vincent van Gogh, Harvest at La Crau",
    "art/gnome-backgrounds__acrylic.jpg": "An acrylic painting",
    "plant/lomiri-wallpapers-16-04__seeding-by-clements-engelhardt.jpg": "Dandelions",
    "plant/palapeli-data__european-honey-bee-c2.jpg": "An aster",
    "text/dict-devil__render-book-garamond-0.jpg": "A page of The Devil's Dictionary",
    "text/tesseract-source-orig-test-__phototest.jpg": "A scanned page",
}


def examples() -> None:
    """Crop the pictures to squares, and list them with their makers."""
    rows = {row["file"]: row for row in csv.DictReader((DATA / "manifest.csv").open(encoding="utf-8"))}
    listed = []
    OUT.mkdir(parents=True, exist_ok=True)
    for place, (name, title) in enumerate(TITLES.items()):
        row = rows[name]
        file = f"{place}-{row['label']}.jpg"
        with Image.open(DATA / "images" / name) as picture:
            square = ImageOps.fit(picture.convert("RGB"), (SIDE, SIDE), Image.Resampling.LANCZOS)
        square.save(OUT / file, "JPEG", quality=QUALITY, optimize=True, progressive=True)
        shown = {"file": file, "label": row["label"], "title": title, "author": row["author"]}
        listed.append({**shown, "licence": row["licence"], "source": row["source_package"]})
    files.write_text(OUT / "examples.json", json.dumps(listed, indent=2, ensure_ascii=False) + "\n")
    print(f"-> {OUT} ({len(listed)} pictures)")


if __name__ == "__main__":
    sys.exit(run_stage(examples))
