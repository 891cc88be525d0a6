"""What export hands to evaluate besides the bundle: the features of every photo by each variant's own body."""

from pathlib import Path

import numpy as np
from numpy.typing import NDArray

from bundle import VariantName
from pipeline.core import files
from pipeline.core.errors import DataError

FILE = Path("build/features.npz")


def write(features: dict[VariantName, NDArray[np.float32]], names: list[str]) -> None:
    """Write features [n, features] of each variant, of the photos that are called ``names`` [n]."""
    files.write_npz(FILE, {"files": np.array(names), **{str(name): each for name, each in features.items()}})


def read(names: list[str]) -> dict[VariantName, NDArray[np.float32]]:
    """Read what `write` wrote.

    Raises:
        DataError: it is missing, or of other photos.
    """
    try:
        with FILE.open("rb") as file, np.load(file) as kept:
            if kept["files"].tolist() != names:
                raise DataError(f"{FILE} is of other photos; `dvc repro -f export` makes it anew")
            found: dict[VariantName, NDArray[np.float32]] = {}
            for name in ("fp32", "int8"):
                if name in kept:
                    found[name] = kept[name]
            return found
    except (OSError, ValueError, KeyError, EOFError) as error:
        raise DataError(f"{FILE} can't be read ({error}); `dvc repro -f export` makes it anew") from error
