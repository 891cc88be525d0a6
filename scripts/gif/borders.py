"""Status bars and letterboxes: what never changes at the edges of a film.

ffmpeg's cropdetect was looked at: it finds black borders, and no status bar.
"""

import numpy as np
from numpy.typing import NDArray

from .passes import Job, source
from .settings import Crop, GifSettings

SAMPLES = 24
SAME = 16  # grey values of 255 that compression changes in a still surface
CHANGING_PART = 0.06  # of a row: a clock or a battery, not the film
PLAIN = 6.0  # standard deviation of the grey values of a row of a letterbox
DARK = 40  # grey value of a letterbox, at most
BAR_PART = 0.08  # of the height: a status bar is lower than that, an app's own head may be higher
BAR_FROM = 0.015
EDGE_PART = 0.6  # of a row: how much of it a bar's edge spans
EDGE = 6  # grey values, over `BLUR` rows, as scaling and compression soften it
BLUR = 3
LETTERBOX_PART = 0.45
SOFT = 8  # rows in which a letterbox passes into the film


def find(job: Job, settings: GifSettings) -> Crop:
    """Look at frames from all over the film for borders that stay; nothing is found in a film that stands still.

    Raises:
        GifError: ffmpeg can't read the recording.
    """
    path = job.scratch / "luma.raw"
    seconds = job.seconds(settings) * settings.speed
    stream = source(job.recording, settings).filter("fps", f"{max(SAMPLES / seconds, 0.01) if seconds else 1:.4f}")
    job.run(stream.output(f"file:{path}", f="rawvideo", pix_fmt="gray"), "looking for borders")
    return of_frames(np.fromfile(path, np.uint8).reshape(-1, job.recording.height, job.recording.width))


def of_frames(frames: NDArray[np.uint8]) -> Crop:
    """The borders of grey ``frames`` [n, height, width]."""
    if len(frames) < 2:
        return Crop()
    changes = frames.max(axis=0) - frames.min(axis=0) > SAME
    if not changes.any():
        return Crop()
    middle = frames[len(frames) // 2]
    top, bottom = _letterbox(middle, changes), _letterbox(middle[::-1], changes[::-1])
    left, right = _letterbox(middle.T, changes.T), _letterbox(middle.T[::-1], changes.T[::-1])
    inside = slice(top, len(changes) - bottom), slice(left, changes.shape[1] - right)
    mean = frames[(slice(None), *inside)].mean(axis=0)
    still = changes[inside].mean(axis=1) < CHANGING_PART
    return Crop(top=top + _bar(still, mean), bottom=bottom + _bar(still[::-1], mean[::-1]), left=left, right=right)


def _letterbox(frame: NDArray[np.uint8], changes: NDArray[np.bool_]) -> int:
    """Rows from the top of a ``frame`` that are of one dark colour and never change, up to rows that do."""
    rows = _run(~changes.any(axis=1) & (frame.std(axis=1) < PLAIN) & (frame.mean(axis=1) < DARK))
    film = changes[rows : rows + SOFT].mean() > CHANGING_PART
    return rows if film and rows <= LETTERBOX_PART * len(frame) else 0


def _bar(still: NDArray[np.bool_], mean: NDArray[np.floating]) -> int:
    """Rows of a status bar: still ones, to where the film begins or to an edge that spans the picture."""
    rows, most, least = _run(still), round(BAR_PART * len(still)), round(BAR_FROM * len(still))
    if least <= rows <= most:
        return rows
    if rows < least:
        return 0
    steps = (np.abs(mean[BLUR : most + BLUR] - mean[:most]) > EDGE).mean(axis=1)
    # The last row that the edge is seen in: a row too many is a line of the film, one too few a line of the bar.
    edges = [row + 2 for row, part in enumerate(steps) if part > EDGE_PART and row + 2 >= least]
    return edges[-1] if edges else 0


def _run(flags: NDArray[np.bool_]) -> int:
    """How many are true before the first that isn't."""
    return int(np.argmin(flags)) if not flags.all() else len(flags)
