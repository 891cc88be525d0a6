"""What a demo shows, and how long: a small text file."""

from itertools import accumulate
from pathlib import Path
from typing import Annotated, Final, Self

import yaml
from pydantic import Field, ValidationError, model_validator

from pipeline.core.config import Settings
from pipeline.core.errors import ConfigError, DataError
from pipeline.data.split import SPLIT, TEST, read_split

SCRIPT: Final = Path(__file__).with_name("demo.yaml")
IMAGES: Final = Path("data/images")
TEACHING_S: Final = 10.5  # what a picture that is taught needs, at the least


class Screen(Settings):
    """The phone, in CSS pixels, each a pixel of the recording."""

    width: int = Field(ge=200, le=2000)
    height: int = Field(ge=200, le=2000)


class Shown(Settings):
    """A picture that the camera is held at."""

    picture: str  # file in data/images/, of the test split
    called: str = Field(min_length=1)  # what it is in words, for the text alternative
    seconds: float = Field(ge=1, le=60)  # until the camera leaves it, the way there included
    taught: str = Field("", max_length=12)  # the label that it is taught as, once the page has said what it is

    @model_validator(mode="after")
    def _long_enough(self) -> Self:
        if self.taught and self.seconds < TEACHING_S:
            raise ValueError(f"a picture that is taught needs {TEACHING_S:g} seconds at the least")
        return self


class Script(Settings):
    """A demo; from the last of what is shown the camera goes back to the first."""

    seed: int = Field(ge=0)  # of the hand that holds the camera and of the light
    rounds_before: int = Field(ge=0, le=20)  # of the film, before the recording begins, so that the charts are full
    screen: Screen
    shown: Annotated[tuple[Shown, ...], Field(min_length=2, max_length=20)]

    @model_validator(mode="after")
    def _the_last_is_taught(self) -> Self:
        if any(each.taught for each in self.shown[:-1]):
            raise ValueError("only the last picture can be taught: what is shown before is answered without it")
        return self

    @property
    def seconds(self) -> float:
        """Of the film, and of the recording."""
        return sum(each.seconds for each in self.shown)

    @property
    def begins(self) -> list[float]:
        """When the camera sets out for each picture, in seconds of the film."""
        return [0.0, *accumulate(each.seconds for each in self.shown)][:-1]


def read(path: Path = SCRIPT) -> Script:
    """Read a demo's text file.

    Raises:
        ConfigError: it is missing, no YAML, or has an unknown key or a value out of range; each is named.
    """
    try:
        return Script.model_validate(yaml.safe_load(path.read_text(encoding="utf-8")))
    except (OSError, UnicodeDecodeError, yaml.YAMLError, ValidationError) as error:
        raise ConfigError(f"{path} can't be used as a demo: {' '.join(str(error).split())}") from error


def pictures(script: Script, split: Path = SPLIT, images: Path = IMAGES) -> list[Path]:
    """The files of the pictures that are shown.

    Raises:
        DataError: there is no split, or a picture is missing or not of the test split; the first such is named.
    """
    test = {row.file for row in read_split(split) if row.split == TEST}
    for each in script.shown:
        if each.picture not in test or not (images / each.picture).is_file():
            why = f"is not of the test split in {split}, so the model may know it, or is not in {images}"
            raise DataError(f"{each.picture} {why}; name another one")
    return [images / each.picture for each in script.shown]
