"""The settings of conf/model/."""

from pydantic import Field, field_validator

from pipeline.core.config import Settings
from pipeline.models.backbones import BACKBONES, Backbone


class ModelSettings(Settings):
    """Section ``model``: which network, and what it looks at."""

    backbone: str  # a name of `BACKBONES`
    size: int = Field(ge=32, le=1024)  # pixels a side of the square frame

    @field_validator("backbone")
    @classmethod
    def _is_known(cls, name: str) -> str:
        if name not in BACKBONES:
            raise ValueError(f"none of {', '.join(BACKBONES)}")
        return name

    def body(self) -> Backbone:
        """The backbone."""
        return BACKBONES[self.backbone]
