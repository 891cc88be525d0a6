"""Two bundles on the same test pictures, answered as they will be served."""

from collections.abc import Sequence
from pathlib import Path

import numpy as np

from bundle import Bundle, decode
from bundle.engine import Engine, Timing
from bundle.errors import PictureError
from pipeline.core.errors import DataError
from pipeline.data.heif import FORMATS
from pipeline.data.split import SplitRow
from pipeline.promote.policy import Paired

BATCH = 32  # pictures answered at once


def compare(
    champion: Bundle, challenger: Bundle, rows: Sequence[SplitRow], images: Path, ood_label: str
) -> tuple[Paired | None, Paired | None]:
    """Count on which test pictures only one of the two is right.

    Args:
        champion: what is served now.
        challenger: what would be; knows the same labels.
        rows: the split; its test rows are taken.
        images: the folder that the rows' files are relative to.
        ood_label: rows of this label are right where the answer is none of the labels.

    Returns:
        The pictures of the labels and those of none of them; None where there are none.

    Raises:
        DataError: a picture is missing or can't be read.
        BundleError: a model can't be loaded.
    """
    test = [row for row in rows if row.split == "test"]
    theirs, ours = (_right(model, test, images, ood_label) for model in (champion, challenger))
    none = np.array([row.label == ood_label for row in test], dtype=bool)

    def paired(part: np.ndarray[tuple[int], np.dtype[np.bool_]]) -> Paired | None:
        if not part.any():
            return None
        losses, gains = theirs & ~ours & part, ours & ~theirs & part
        return Paired(int(part.sum()), int(losses.sum()), int(gains.sum()))

    return paired(~none), paired(none)


def _right(
    model: Bundle, rows: Sequence[SplitRow], images: Path, ood_label: str
) -> np.ndarray[tuple[int], np.dtype[np.bool_]]:
    """Whether each row is answered rightly [rows]; to abstain from a picture of a label is wrong."""
    engine = Engine(model)
    right = []
    for first in range(0, len(rows), BATCH):
        part = rows[first : first + BATCH]
        output = engine.run(np.stack([_frame(images / row.file, model.manifest.input.size) for row in part]))
        answers = [engine.answer(output, Timing(0, 0, 0), place).label for place in range(len(part))]
        right += [
            answer == (None if row.label == ood_label else row.label)
            for answer, row in zip(answers, part, strict=True)
        ]
    return np.array(right, dtype=bool)


def _frame(path: Path, size: int) -> np.ndarray[tuple[int, int, int], np.dtype[np.uint8]]:
    try:
        image = decode.open_rgb(path.read_bytes(), min_side=size, formats=FORMATS)
    except (OSError, PictureError) as error:
        raise DataError(f"{path} can't be read ({error}); `dvc repro` checks the photos again") from error
    frame: np.ndarray[tuple[int, int, int], np.dtype[np.uint8]] = decode.to_frame(image, size)
    return frame
