"""The command ``health``: is the service on this machine ready? For a container's HEALTHCHECK, which has no curl."""

import http.client
import json
from typing import Final

from bundle.errors import UserError
from service.settings import Settings

TIMEOUT_S: Final = 3.0
_ALL: Final = {"0.0.0.0": "127.0.0.1", "::": "::1"}  # addresses to ask where it listens on all


def check(settings: Settings) -> str:
    """The version of the model that is served.

    Raises:
        UserError: nobody answers, or the service is not ready; says why.
    """
    host = _ALL.get(settings.bind, settings.bind)
    port = settings.port if settings.probe_port is None else settings.probe_port
    connection = http.client.HTTPConnection(host, port, timeout=TIMEOUT_S)
    try:
        connection.request("GET", "/readyz")
        answer = connection.getresponse()
        values = json.loads(answer.read(100_000))
    except (OSError, http.client.HTTPException, ValueError) as error:
        raise UserError(f"nothing answers at {host} port {port} ({error}); start it, or set PORT") from error
    finally:
        connection.close()
    if answer.status != http.client.OK:
        raise UserError(f"not ready: {values.get('detail', answer.reason)}")
    return str(values["model"])
