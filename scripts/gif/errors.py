"""What can go wrong with a GIF, said so that a person can act on it.

PipelineError
└── GifError
    ├── RecordingError   the recording can't be read, or has no moving picture
    ├── FfmpegError      no ffmpeg that can do it, or it gave up
    └── BudgetError      nothing that is worth looking at fits into the bytes allowed
"""

from pipeline.core.errors import PipelineError


class GifError(PipelineError):
    """An error of the converter; the text names the file and the way out."""


class RecordingError(GifError):
    """The recording can't be read, or there is no moving picture in it."""


class FfmpegError(GifError):
    """There is no ffmpeg that can do what is asked, or it gave up."""


class BudgetError(GifError):
    """Nothing that is worth looking at fits into the bytes allowed."""
