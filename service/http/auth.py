"""Who may ask: the API key, the origins of pages, the names under which the service is reached."""

import hmac
import ipaddress
from collections.abc import Sequence
from typing import Annotated, Any, Final
from urllib.parse import urlsplit

from fastapi import Depends, Request
from fastapi.security import HTTPBearer
from starlette.requests import HTTPConnection

from service.http import state
from service.problems import UNAUTHORIZED, Problem
from service.settings import Settings

BEARER: Final = HTTPBearer(auto_error=False, description="the API key, where one is set")  # for the OpenAPI document
KEY_PREFIX: Final = "key."  # of the WebSocket subprotocol that carries the key: a page can set no header there


def has_key(connection: HTTPConnection, settings: Settings) -> bool:
    """Whether the API key came along, where one is set."""
    if settings.api_key is None:
        return True
    expected = settings.api_key.get_secret_value().encode()
    scheme, _, bearer = connection.headers.get("authorization", "").partition(" ")
    offered = [connection.headers.get("x-api-key", ""), bearer if scheme.lower() == "bearer" else ""]
    offered += [each.removeprefix(KEY_PREFIX) for each in connection.scope.get("subprotocols", ())]
    return any(hmac.compare_digest(one.encode(), expected) for one in offered)


async def need_key(request: Request, _: Annotated[Any, Depends(BEARER)]) -> None:
    """A dependency of the routes that give away something of value.

    Raises:
        Problem: the key is missing or wrong.
    """
    if not has_key(request, state.of(request).settings):
        raise Problem(UNAUTHORIZED, "send the key of this service as `Authorization: Bearer KEY` or `X-API-Key: KEY`")


def is_welcome(connection: HTTPConnection, settings: Settings) -> bool:
    """Whether a WebSocket comes from our own page, a configured origin, or no page at all.

    Browsers let any page open a WebSocket to any host, and apply no CORS to it: the server has to look.
    """
    origin = connection.headers.get("origin")
    if origin is None or origin in settings.cors_origins:
        return True
    return urlsplit(origin).netloc == connection.headers.get("host")


def is_our_name(host: str, allowed: Sequence[str]) -> bool:
    """Whether a Host header names this service, rather than a stranger's page that points its name here.

    That attack (DNS rebinding) needs a name: whoever asks by address can't be misled. Starlette's TrustedHostMiddleware
    has no such rule, so that a phone in the same network could not ask by address.
    """
    try:
        name = urlsplit(f"//{host}").hostname or ""
        if "*" in allowed or name == "localhost" or name in allowed:
            return True
        if any(one.startswith("*.") and name.endswith(one[1:]) for one in allowed):
            return True
        ipaddress.ip_address(name)
    except ValueError:
        return False
    return True
