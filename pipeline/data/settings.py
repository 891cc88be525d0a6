"""The settings of conf/data/. Apart from the manifest, so that stages that only read pictures don't rerun for it."""

from pathlib import Path

from pydantic import Field

from pipeline.core.config import Settings


class DataSettings(Settings):
    """conf/data/: which pictures, and where they lie."""

    images: Path  # holds one folder a label
    manifest: Path
    ood_label: str = Field(min_length=1)  # folder of pictures of none of the labels, if there is one; no label
