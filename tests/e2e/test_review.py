"""Look through the photos, decide with a key, take it back: nothing is lost on the way."""

from collections.abc import Callable, Iterator
from dataclasses import replace
from itertools import product
from pathlib import Path
from typing import Any, Final

import httpx
import pytest
from PIL import Image
from playwright.sync_api import Browser, Locator, Page, expect

from pipeline.data import manifest
from pipeline.data.adoption import AUTHOR, LICENCE
from tests.e2e.classroom import Classroom, classroom
from tests.e2e.conftest import Open
from tests.e2e.pages import PATIENCE_MS, at, lit, state
from tests.e2e.test_look import AXE, SHOTS, SIZES, SMALL, THEMES, WITHIN, violations
from tests.service.running import Running

OF_EACH: Final = 45  # photos of a label
WRONG: Final = 3  # texts among the plants
TWICE: Final = 4  # arts that are there a second time, without author and licence


def mess_up(data: Path) -> None:
    """Few photos, of which some are labelled wrongly and some are there twice."""
    rows = manifest.read(data / "manifest.csv")
    labels = ("art", "other", "plant", "text")
    every = {label: [row for row in rows if row.label == label] for label in labels}
    kept = [row for of in every.values() for row in of[:: len(of) // OF_EACH]]
    for number, row in enumerate([row for row in kept if row.label == "text"][:WRONG]):
        moved = replace(row, file=f"plant/wrong-{number}.jpg", label="plant")
        (data / "images" / row.file).replace(data / "images" / moved.file)
        kept[kept.index(row)] = moved
    for number, row in enumerate([row for row in kept if row.label == "art"][:TWICE]):
        twin = replace(row, file=f"art/twin-{number}.jpg", group=f"twin-{number}", author=AUTHOR, licence=LICENCE)
        Image.open(data / "images" / row.file).convert("RGB").save(data / "images" / twin.file, quality=82)
        kept.append(replace(twin, sha256_of_source=""))
    names = {row.file for row in kept}
    for path in (data / "images").rglob("*.jpg"):
        if path.relative_to(data / "images").as_posix() not in names:
            path.unlink()
    manifest.write(data / "manifest.csv", kept)


@pytest.fixture(scope="module")
def studio(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Classroom]:
    """A studio for the tests here; each leaves it as it was."""
    with classroom(tmp_path_factory.mktemp("studio"), mess_up) as one:
        yield one
