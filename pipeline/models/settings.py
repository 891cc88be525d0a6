"""The settings of conf/model/."""

from pydantic import Field

from pipeline.core.config import Settings


class ModelSettings(Settings):
    """conf/model/: which network, and what it looks at."""

    backbone: str
    size: int = Field(ge=32, le=1024)  # pixels a side of the square frame
    pretrained: bool
