"""docs/gif.md names all that there is, and its pictures show what it says."""

import re
from pathlib import Path

import pytest

from scripts.gif.__main__ import parser
from scripts.gif.settings import GifSettings, presets
from tests.gif import blocks
from tests.small_project import ROOT

PAGE = ROOT / "docs" / "gif.md"
TEXT = PAGE.read_text(encoding="utf-8")


@pytest.mark.parametrize("setting", GifSettings.model_fields)
def test_every_setting_is_in_the_documentation(setting: str) -> None:
    assert re.search(rf"^\|.*`{setting}`.*\|.*\|$", TEXT, re.MULTILINE)


def test_every_preset_is_in_the_documentation() -> None:
    documented = set(re.findall(r"^\| `(\w+)` \|", TEXT.partition("## Presets")[2].partition("\n## ")[0], re.MULTILINE))
    assert documented == set(presets())


def test_every_option_is_in_the_documentation() -> None:
    options = {option for action in parser()._actions for option in action.option_strings} - {"-h", "--help"}
    assert {option for option in options if f"`{option}`" not in TEXT} == set()


def test_every_setting_has_its_comment_in_the_first_preset() -> None:
    lines = (ROOT / "conf" / "gif" / "blog.yaml").read_text(encoding="utf-8").splitlines()
    commented = {match[1] for line in lines if (match := re.match(r"(\w+): .* # .+", line))}
    assert commented == set(GifSettings.model_fields)


def test_recipe_and_what_it_meant_stand_side_by_side() -> None:
    pictures = [Path(name) for name in re.findall(r"!\[[^\]]+\]\((gif/[\w.]+)\)", TEXT)]
    assert [picture.stem for picture in pictures] == ["blog", "per_frame"]
    made = [blocks.read(PAGE.parent / picture) for picture in pictures]
    assert made[0].palettes == 0
    assert made[1].palettes > 0.9 * len(made[1].delays)
    assert all((PAGE.parent / picture).stat().st_size < 400_000 for picture in pictures)


def test_the_readmes_own_gif_loads_at_once() -> None:
    assert "docs/gifs/demo.gif" in (ROOT / "README.md").read_text(encoding="utf-8")
    assert (ROOT / "docs" / "gifs" / "demo.gif").stat().st_size < 2_000_000
