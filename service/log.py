"""The log: a line of JSON for each event on stderr, with request id and model version, never with a picture.

A reader that does not keep up loses lines rather than stop the service: where stderr would block, a line is
dropped, and the next one says how many were.
"""

import json
import logging
import os
import select
import sys
import warnings
from datetime import UTC, datetime
from typing import Any, Final

LOGGER: Final = logging.getLogger("service")
_MAX_LINE: Final = 4_096  # POSIX' least PIPE_BUF: a pipe that is writable takes so many bytes without blocking
_MAX_TRACE: Final = 3_000


def set_up(level: str) -> None:
    """Send the log of this process, also that of uvicorn and asyncio, to stderr."""
    handler = _Lines()
    logging.getLogger("python_multipart").setLevel(logging.CRITICAL)  # it warns of every form that is none
    warnings.filterwarnings("ignore", "Unclosed file", ResourceWarning)  # of a form that breaks off, by Starlette
    # uvicorn says so at error level whenever its time for draining is over, also where nothing was left to cancel.
    logging.getLogger("uvicorn.error").addFilter(lambda record: not record.getMessage().startswith("Cancel 0 running"))
    for name in ("service", "uvicorn.error", "asyncio"):
        logger = logging.getLogger(name)
        logger.handlers, logger.propagate = [handler], False
        logger.setLevel(level.upper() if name == "service" else max(logging.WARNING, getattr(logging, level.upper())))


def event(level: int, what: str, **fields: Any) -> None:
    """Log an event; ``fields`` become members of the line."""
    if LOGGER.isEnabledFor(level):
        LOGGER.log(level, what, extra={"fields": fields})


class _Lines(logging.Handler):
    _lost = 0

    def emit(self, record: logging.LogRecord) -> None:
        values: dict[str, Any] = {
            "time": datetime.fromtimestamp(record.created, UTC).isoformat(timespec="milliseconds"),
            "level": record.levelname.lower(),
            "event": record.getMessage()[:1_000].strip(),
        }
        values |= getattr(record, "fields", {})
        if record.exc_info:
            values["exception"] = logging.Formatter().formatException(record.exc_info)[-_MAX_TRACE:]
        if self._lost:
            values["lines_lost"] = self._lost
        line = json.dumps(values, default=str).encode()
        if len(line) >= _MAX_LINE:
            line = json.dumps({"level": values["level"], "event": values["event"], "cut": len(line)}).encode()
        try:
            if select.select([], [sys.stderr], [], 0)[1]:
                os.write(sys.stderr.fileno(), line + b"\n")
                self._lost = 0
                return
        except (OSError, ValueError):  # stderr is closed; there is nobody to tell
            pass
        self._lost += 1
