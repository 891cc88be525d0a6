"""How a GIF is made: one preset (conf/gif/), with a command's own settings on top."""

import functools
import re
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Annotated, Any, Literal, Self

from pydantic import BaseModel, BeforeValidator, ByteSize, ConfigDict, Field, ValidationError, model_validator

from .errors import GifError

Dither = Literal["none", "bayer", "floyd_steinberg", "sierra2", "sierra2_4a", "sierra3", "burkes", "atkinson"]
Sibling = Literal["mp4", "avif"]

SMALLEST = 16  # pixels of width, and of height: below it there is no picture
PACKED = Path(__file__).parent / "presets"  # where pyproject.toml puts them
PRESETS = PACKED if PACKED.is_dir() else Path(__file__).parents[2] / "conf" / "gif"


def spell_bytes(size: float) -> str:
    """``2.85 MB``, or ``285 kB`` where it is less than one; powers of ten, as hosts count."""
    return f"{size / 1e6:.2f} MB" if size >= 1e6 else f"{size / 1e3:.1f} kB"


def _seconds(value: Any) -> Any:
    """``75``, ``1:15`` or ``0:01:15.5`` as seconds."""
    if not isinstance(value, str):
        return value
    if not re.fullmatch(r"\s*(\d+:){0,2}\d+(\.\d+)?\s*", value):
        raise ValueError("a time is seconds, as in 7.5, or minutes and seconds, as in 1:07.5")
    return functools.reduce(lambda total, part: 60 * total + float(part), value.split(":"), 0.0)


Pixels = Annotated[int, Field(ge=0)]
Seconds = Annotated[float, BeforeValidator(_seconds), Field(ge=0)]


class Settings(BaseModel):
    """Immutable, and an unknown key is an error."""

    model_config = ConfigDict(extra="forbid", frozen=True)


class Crop(Settings):
    """Pixels to take off each side of the recording, as it is seen (after its rotation)."""

    top: Pixels = 0
    bottom: Pixels = 0
    left: Pixels = 0
    right: Pixels = 0


class GifSettings(Settings):
    """What conf/gif/ holds; the comments there say what each is for."""

    start: Seconds | None = None
    end: Seconds | None = None
    speed: float = Field(gt=0, le=100)
    crop: Crop | Literal["auto"]
    fps: float = Field(ge=0.1, le=50)
    width: int | None = Field(ge=SMALLEST, le=4096)
    enlarge: bool
    denoise: float = Field(ge=0, le=30)
    colours: int = Field(ge=2, le=256)
    palette: Literal["first", "frame", "full", "diff"]
    transparency: bool
    dither: Dither
    bayer_scale: int = Field(ge=0, le=5)
    rectangle: bool
    loop: int = Field(ge=-1, le=65535)
    hold: float = Field(ge=0, le=600)
    max_bytes: Annotated[ByteSize, Field(gt=0)] | None
    alt: str | None
    siblings: tuple[Sibling, ...]

    @model_validator(mode="after")
    def _in_order(self) -> Self:
        if self.end is not None and self.end <= (self.start or 0):
            raise ValueError(f"it ends at {self.end:g} s, before it starts at {self.start or 0:g} s")
        return self

    @property
    def streams(self) -> bool:
        """Whether each palette is of one frame, so that nothing has to be seen before it is written."""
        return self.palette in ("first", "frame")


def load(preset: str, overrides: Sequence[str] = (), options: Mapping[str, Any] | None = None) -> GifSettings:
    """A preset with ``overrides`` (``fps=12``, ``crop.top=65``), then plain ``options``, on top.

    Raises:
        GifError: there is no such preset or setting, or a value is out of range; it is named with what is allowed.
    """
    # Here, as Hydra takes longer to import than all else of this module, and the stage of dvc.yaml composes nothing.
    from hydra import compose, initialize_config_dir
    from hydra.errors import HydraException
    from omegaconf import OmegaConf
    from omegaconf.errors import OmegaConfBaseException

    if preset not in presets():
        raise GifError(f"there is no preset {preset!r}; there are {', '.join(presets())}")
    for override in overrides:
        key, equals, _ = override.partition("=")
        if key.partition(".")[0] not in GifSettings.model_fields or not equals:
            raise GifError(f"{override!r} is no setting; they are {', '.join(GifSettings.model_fields)}, as in fps=12")
    try:
        with initialize_config_dir(str(PRESETS), version_base=None):
            values = OmegaConf.to_container(compose(preset, list(overrides)))
        assert isinstance(values, dict)
        return GifSettings.model_validate({**values, **(options or {})})
    except ValidationError as error:
        raise GifError("; ".join(map(_sentence, error.errors()))) from error
    except (HydraException, OmegaConfBaseException) as error:
        raise GifError(f"{' '.join((preset, *overrides))}: can't be read ({error}); presets: {PRESETS}") from error


def presets() -> list[str]:
    """Names of the presets; the comment at the top of each file says when to use it."""
    return sorted(path.stem for path in PRESETS.glob("*.yaml"))


def _sentence(item: Any) -> str:
    name = ".".join(part for part in map(str, item["loc"]) if part in {*GifSettings.model_fields, *Crop.model_fields})
    message = item["msg"].removeprefix("Value error, ")
    if item["type"].startswith("byte_size"):
        message = "a size is a number of bytes, or one with kB, MB, KiB or MiB, as in 3MB"
    return f"{name}: {message} (it is {item['input']!r})" if name else message
