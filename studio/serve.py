"""Serve the page that can be taught: the service, on this machine alone, with the studio's routes."""

import os
from typing import Final

from bundle.errors import UserError
from pipeline.core import config
from pipeline.data.settings import DataSettings
from pipeline.export.stage import ExportSettings
from service import settings
from service.cli import serve as service
from studio.app import maker
from studio.guard import LOOPBACK, Guard, token
from studio.live import PROMOTED, Studio

EVERYWHERE: Final = "0.0.0.0"  # asked for, by --lan


def serve(port: int | None, *, lan: bool) -> int:
    """Serve until SIGTERM or SIGINT; the exit status.

    Args:
        port: to listen on, if another one than the setting PORT.
        lan: whether other devices of the local network may use it.

    Raises:
        UserError: a setting is wrong, or would open the studio to others without ``lan``.
        PipelineError: the photos or the settings in params.yaml can't be used.
    """
    asked = os.environ.get("BIND") or LOOPBACK[1]
    if asked not in LOOPBACK and not lan:
        raise UserError(
            f"the studio changes photos and models, so it listens on this machine alone, not on {asked}; "
            "unset BIND, or add --lan and read docs/teach.md first"
        )
    options = {"bind": EVERYWHERE if lan and asked in LOOPBACK else asked, "model": str(PROMOTED)}
    values = settings.read(options if port is None else options | {"port": str(port)})
    studio = Studio(config.load("data", DataSettings), config.load("export", ExportSettings).rejected)
    return service.main(values, maker(studio, Guard(token(), lan=lan)))
