"""A burst: the frames that a person took while holding the button, and which of them are worth keeping."""

from collections.abc import Sequence

import numpy as np
from numpy.typing import NDArray
from PIL import Image

from bundle import decode
from bundle.errors import PictureError
from studio.errors import StudioError

DARK = 4.0  # a frame whose grey values spread less than this (of 255) shows nothing
SAME = 3.0  # frames that differ by less than this (mean, of 255, at 32 x 32 pixels) show the same
NEAR = 10  # kept frames that a frame is compared with: two or three seconds of a burst


def different(frames: Sequence[bytes], size: int) -> list[int]:
    """Indices of the frames that can be used, without those that show what one shortly before shows.

    Args:
        frames: JPEG, PNG or WebP files, in the order in which they were taken.
        size: pixels of the shorter side that a frame needs.

    Raises:
        StudioError: a frame is no picture or too small, or none shows anything.
    """
    kept: list[int] = []
    seen: list[NDArray[np.float64]] = []
    for index, data in enumerate(frames):
        try:
            image = decode.open_rgb(data, min_side=size)
        except PictureError as error:
            raise StudioError(f"frame {index + 1} can't be used: {error}") from error
        if min(image.size) < size:
            raise StudioError(f"frame {index + 1} is {image.width} x {image.height}; at least {size} are needed")
        small = np.asarray(image.convert("L").resize((32, 32), Image.Resampling.BOX), float)
        if small.std() < DARK:
            continue  # the lens is covered, or the camera has just been opened
        if seen and np.abs(np.stack(seen[-NEAR:]) - small).mean((1, 2)).min() < SAME:
            continue
        seen.append(small)
        kept.append(index)
    if not kept:
        raise StudioError("the frames show nothing (all one colour); is the lens covered?")
    return kept
