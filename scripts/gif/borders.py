"""Status bars and letterboxes: what never changes at the edges of a film."""

import numpy as np
from numpy.typing import NDArray

from . import graph, run
from .passes import Job
from .settings import Crop, GifSettings

SAMPLES = 24
SAME = 16  # grey values of 255 that compression changes in a still surface
CHANGING_PART = 0.06  # of a row: a clock or a battery, not the film
PLAIN = 6.0  # standard deviation of the grey values of a row of a letterbox
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
    stream = graph.source(job.recording, settings)
    stream = stream.filter("fps", f"{max(SAMPLES / seconds, 0.01) if seconds else 1:.4f}").filter("format", "gray")
    output = stream.output(f"file:{path}", f="rawvideo")
    with job.progress.step("looking for borders", seconds) as report:
        run.ffmpeg(graph.command(output, job.ffmpeg.path), job.recording.path, report)
    size = (job.recording.height, job.recording.width)
    films = np.fromfile(path, np.uint8)
    path.unlink()
    return of_frames(films[: len(films) // (size[0] * size[1]) * size[0] * size[1]].reshape(-1, *size))


def of_frames(frames: NDArray[np.uint8]) -> Crop:
    """The borders of grey ``frames`` [n, height, width]."""
    if len(frames) < 2:
        return Crop()
    low, high = frames.min(axis=0), frames.max(axis=0)
    changes = high - low > SAME
    if not changes.any():
        return Crop()
    top, bottom = (_letterbox(frames, changes, flip) for flip in (False, True))
    turned, changes_turned = frames.transpose(0, 2, 1), changes.T
    left, right = (_letterbox(turned, changes_turned, flip) for flip in (False, True))
    inside = slice(top, len(changes) - bottom), slice(left, changes.shape[1] - right)
    mean = frames[(slice(None), *inside)].mean(axis=0)
    still = changes[inside].mean(axis=1) < CHANGING_PART
    return Crop(top=top + _bar(still, mean), bottom=bottom + _bar(still[::-1], mean[::-1]), left=left, right=right)


def _letterbox(frames: NDArray[np.uint8], changes: NDArray[np.bool_], flip: bool) -> int:
    """Rows from the top (from the bottom, if ``flip``) of one dark colour that never change, up to rows that do."""
    if flip:
        frames, changes = frames[:, ::-1], changes[::-1]
    middle = frames[len(frames) // 2]
    plain = ~changes.any(axis=1) & (middle.std(axis=1) < PLAIN) & (middle.mean(axis=1) < 40)
    rows = _run(plain)
    film = changes[rows : rows + SOFT].mean() > CHANGING_PART
    return rows if film and rows <= LETTERBOX_PART * len(plain) else 0


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
