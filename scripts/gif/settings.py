"""How a GIF is made: one preset (conf/gif/), with a command's own settings on top."""

import itertools
import re
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Annotated, Any, Literal, Self

from pydantic import (
    BaseModel,
    BeforeValidator,
    ConfigDict,
    Field,
    ValidationError,
    field_validator,
    model_validator,
)

from .errors import SettingsError

Dither = Literal["none", "bayer", "floyd_steinberg", "sierra2", "sierra2_4a", "sierra3", "burkes", "atkinson"]
Sibling = Literal["mp4", "avif", "webp", "poster"]

UNITS = {"": 1, "b": 1, "kb": 1000, "mb": 1000**2, "kib": 1024, "mib": 1024**2}
SMALLEST = 16  # pixels of width, and of height: below it there is no picture
PACKED = Path(__file__).parent / "presets"  # where pyproject.toml puts them
PRESETS = PACKED if PACKED.is_dir() else Path(__file__).parents[2] / "conf" / "gif"


def parse_bytes(value: Any) -> Any:
    """``3MB``, ``800 kB``, ``1.5MiB`` or a number, as bytes; kB and MB are powers of ten, as hosts count.

    Raises:
        ValueError: it is no size.
    """
    if not isinstance(value, str):
        return value
    found = re.fullmatch(r"\s*(\d+(?:\.\d+)?)\s*([a-z]*)\s*", value.lower())
    if not found or found[2] not in UNITS:
        raise ValueError("a size is a number of bytes, or one with kB, MB, KiB or MiB, as in 3MB")
    return round(float(found[1]) * UNITS[found[2]])


def spell_bytes(size: float) -> str:
    """``2.85 MB``, or ``285 kB`` where it is less than one."""
    return f"{size / 1e6:.2f} MB" if size >= 1e6 else f"{size / 1e3:.1f} kB"


def parse_seconds(value: Any) -> Any:
    """``75``, ``1:15`` or ``0:01:15.5`` as seconds.

    Raises:
        ValueError: it is no time.
    """
    if not isinstance(value, str):
        return value
    if not re.fullmatch(r"\s*(\d+:){0,2}\d+(\.\d+)?\s*", value):
        raise ValueError("a time is seconds, as in 7.5, or minutes and seconds, as in 1:07.5")
    seconds = 0.0
    for part in value.split(":"):
        seconds = 60 * seconds + float(part)
    return seconds


Pixels = Annotated[int, Field(ge=0)]
Seconds = Annotated[float, BeforeValidator(parse_seconds), Field(ge=0)]


class Settings(BaseModel):
    """Immutable, and a key that nobody knows is an error, not a silence."""

    model_config = ConfigDict(extra="forbid", frozen=True)


class Crop(Settings):
    """Pixels to take off each side of the recording, as it is seen (after its rotation)."""

    top: Pixels = 0
    bottom: Pixels = 0
    left: Pixels = 0
    right: Pixels = 0

    @property
    def any(self) -> bool:
        """Whether anything is taken off."""
        return bool(self.top or self.bottom or self.left or self.right)


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
    max_bytes: Annotated[int, BeforeValidator(parse_bytes), Field(gt=0)] | None
    alt: str | None
    siblings: tuple[Sibling, ...]

    @field_validator("siblings")
    @classmethod
    def _once(cls, value: tuple[Sibling, ...]) -> tuple[Sibling, ...]:
        return tuple(dict.fromkeys(value))

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
        SettingsError: there is no such preset or setting, or a value is out of range; it is named with what is allowed.
    """
    names = presets()
    if preset not in names:
        raise SettingsError(f"there is no preset {preset!r}; there are {', '.join(names)}")
    for override in overrides:
        key, equals, _ = override.partition("=")
        if key.partition(".")[0] not in GifSettings.model_fields or not equals:
            raise SettingsError(
                f"{override!r} is no setting; they are {', '.join(GifSettings.model_fields)}, as in fps=12"
            )
    try:
        return GifSettings.model_validate(_composed(preset, overrides) | dict(options or {}))
    except ValidationError as error:
        raise SettingsError("; ".join(map(_sentence, error.errors()))) from error


def _composed(preset: str, overrides: Sequence[str]) -> dict[str, Any]:
    # Here, as it takes longer to import than all else of this module, and the stage of dvc.yaml composes nothing.
    from hydra import compose, initialize_config_dir
    from hydra.errors import HydraException
    from omegaconf import OmegaConf
    from omegaconf.errors import OmegaConfBaseException

    try:
        with initialize_config_dir(str(PRESETS), version_base=None):
            composed = OmegaConf.to_container(compose(preset, list(overrides)))
    except (HydraException, OmegaConfBaseException) as error:
        raise SettingsError(
            f"{' '.join((preset, *overrides))}: can't be read ({error}); the presets lie in {PRESETS}"
        ) from error
    assert isinstance(composed, dict)
    return {str(key): value for key, value in composed.items()}


def presets() -> dict[str, str]:
    """Each preset with when to use it, the comment that its file opens with."""
    found = {}
    for path in sorted(PRESETS.glob("*.yaml")):
        lines = path.read_text(encoding="utf-8").splitlines()
        opening = itertools.takewhile(lambda line: line.startswith("#"), lines)
        found[path.stem] = " ".join(line.removeprefix("#").strip() for line in opening)
    return found


def _sentence(item: Any) -> str:
    name = ".".join(part for part in map(str, item["loc"]) if part in {*GifSettings.model_fields, *Crop.model_fields})
    message = item["msg"].removeprefix("Value error, ")
    return f"{name}: {message} (it is {item['input']!r})" if name else message
