"""What can be set about the service: by environment variable, or by an option of ``python -m service``.

An option wins over the variable of the same name (``--body-bytes`` and ``BODY_BYTES``). Values that would make
the service unsafe are refused at start, with a sentence, rather than served with.
"""

import argparse
import ipaddress
import re
from collections.abc import Sequence
from pathlib import Path
from typing import Annotated, Any, Final, Literal, Self
from urllib.parse import unquote, urlsplit

from pydantic import Field, SecretStr, ValidationError, field_validator, model_validator
from pydantic_settings import BaseSettings, NoDecode, SettingsConfigDict

from bundle.errors import UserError

STOP_WITHIN_S: Final = 5.0  # from SIGTERM to the exit; what container engines grant at the least
REGISTRY: Final = "models:/"
_NAMED: Final = re.compile(r"models:/(?P<name>[^/@:]+)@(?P<alias>[^/@:]+)")
_HOST: Final = re.compile(r"(\*\.)?[A-Za-z0-9_-]+(\.[A-Za-z0-9_-]+)*\.?")
_TOKEN: Final = re.compile(r"[A-Za-z0-9._~-]{16,200}")  # fits into a header and into a WebSocket subprotocol

Seconds = Annotated[float, Field(gt=0, le=300, allow_inf_nan=False)]
Bytes = Annotated[int, Field(ge=1_000, le=100_000_000)]


class SettingsError(UserError):
    """A setting is missing, unknown or unsafe."""


class Settings(BaseSettings):
    """All settings; the description of a field is its help. Names of variables are those of the fields."""

    model_config = SettingsConfigDict(frozen=True, extra="ignore", env_ignore_empty=True)

    # The model
    model: str = Field(
        "models/promoted",
        min_length=1,
        description="what is served: the folder of a bundle, or models:/NAME@ALIAS of an MLflow registry",
    )
    variant: Literal["fp32", "bf16", "int8"] | None = Field(
        None,
        description="which of the bundle's models; without it the one that the bundle names; bf16 is fp32 computed in "
        "bfloat16, on processors that have it",
    )
    mlflow_tracking_uri: str | None = Field(
        None, description="address of the MLflow server (http or https), where MODEL is models:/…"
    )
    mlflow_tracking_username: str | None = Field(None, description="for an MLflow server that asks for it")
    mlflow_tracking_password: SecretStr | None = Field(None, description="goes with the user name")
    mlflow_tracking_token: SecretStr | None = Field(
        None, description="bearer token for an MLflow server, instead of name and password"
    )
    poll_s: Seconds = Field(5.0, description="how often to look whether there is a new model, in seconds")
    cache: Path = Field(
        Path("models/fetched"), description="folder for bundles from the registry; survives its absence"
    )

    # Where
    bind: str = Field("127.0.0.1", description="address to listen on; 0.0.0.0 or :: for all")
    port: int = Field(8000, ge=0, le=65535, description="port to listen on; 0 for any that is free")
    probe_port: int | None = Field(
        None,
        ge=0,
        le=65535,
        description="second port for /healthz, /readyz and /metrics alone, without a key; don't publish it",
    )
    threads: int = Field(0, ge=0, le=64, description="inference threads; 0 for one a core of the container's quota")
    page: Path = Field(Path("web/dist"), description="folder of the built page, served at /")
    cors_origins: Annotated[tuple[str, ...], NoDecode] = Field(
        (), description="origins of other pages that may ask, separated by commas; none without it"
    )
    allowed_hosts: Annotated[tuple[str, ...], NoDecode] = Field(
        (),
        description="names under which the service is reached, separated by commas; *.example.org for all below, * for "
        "any; IP addresses and localhost always are",
    )
    trusted_proxies: Annotated[tuple[str, ...], NoDecode] = Field(
        (),
        description="addresses or networks of proxies whose X-Forwarded-For names the client, separated by commas",
    )
    api_key: SecretStr | None = Field(
        None,
        description="key that /identify, /stream, /model, /v2 and /metrics ask for",
    )
    require_key: bool = Field(False, description="refuse to start without API_KEY")

    # How much
    queue: int = Field(16, ge=1, le=1_000, description="pictures that may wait; beyond it 503 at once")
    address_share: float = Field(
        0.5,
        gt=0,
        le=1,
        description="part of the queue, the streams and the connections that one client address may have",
    )
    deadline_s: Seconds = Field(2.0, description="a picture that waited longer is not inferred, in seconds")
    body_bytes: Bytes = Field(10_000_000, description="largest request body, in bytes")
    frame_bytes: Bytes = Field(1_000_000, description="largest frame of /stream, in bytes")
    pixels: int = Field(
        25_000_000,
        ge=10_000,
        le=178_000_000,  # Pillow's own limit, beyond which it refuses by itself
        description="largest picture, in pixels; seen in its header, before decoding",
    )
    decode_bytes: int = Field(
        100_000_000,
        ge=10_000_000,
        le=4_000_000_000,
        description="memory that decoding a picture may take in each thread, in bytes; where its format needs more a "
        "pixel, its limit on pixels is lower",
    )
    buffer_bytes: int = Field(
        32_000_000,
        ge=1_000_000,
        le=4_000_000_000,
        description="bodies and frames that are held at one time, in bytes; beyond it 503",
    )
    connections: int = Field(256, ge=1, le=100_000, description="open connections; beyond it 503")
    streams: int = Field(64, ge=1, le=10_000, description="open /stream connections among them")
    stream_fps: float = Field(
        60.0,
        gt=0,
        le=1_000,
        allow_inf_nan=False,
        description="frames a second that one /stream gets answered; more are dropped",
    )

    # How long
    header_timeout_s: Seconds = Field(5.0, description="time for the head of a request to arrive, in seconds")
    body_timeout_s: Seconds = Field(10.0, description="time for the body of a request, in seconds")
    send_timeout_s: Seconds = Field(20.0, description="time for a client to take what is sent, in seconds")
    keep_alive_s: int = Field(15, ge=1, le=300, description="how long a connection may be idle, in seconds")
    stream_idle_s: Seconds = Field(60.0, description="how long a /stream may send no frame, in seconds")
    ping_s: Seconds = Field(10.0, description="a /stream that answers no ping for so long is closed, in s")
    drain_s: float = Field(
        0.5, ge=0, le=4, description="at the stop, time in which /readyz says no and all is still answered"
    )
    grace_s: int = Field(3, ge=1, le=4, description="after that, time for requests in flight, in seconds")

    log_level: Literal["debug", "info", "warning", "error"] = Field(
        "info", description="least level that is logged; info has a line for each request"
    )

    @field_validator("cors_origins", "allowed_hosts", "trusted_proxies", mode="before")
    @classmethod
    def _split(cls, value: Any) -> Any:
        return tuple(filter(None, map(str.strip, value.split(",")))) if isinstance(value, str) else value

    @field_validator("cors_origins")
    @classmethod
    def _origins(cls, value: tuple[str, ...]) -> tuple[str, ...]:
        for origin in value:
            parts = urlsplit(origin)
            if parts.scheme not in ("http", "https") or f"{parts.scheme}://{parts.netloc}" != origin:
                raise ValueError(f"{origin!r} is no origin; name each one as https://host or https://host:port")
        return value

    @field_validator("api_key")
    @classmethod
    def _strong(cls, value: SecretStr | None) -> SecretStr | None:
        if value is not None and not _TOKEN.fullmatch(value.get_secret_value()):
            raise ValueError("it must be 16 to 200 letters, digits or any of . _ ~ -, as `openssl rand -hex 16` gives")
        return value

    @field_validator("allowed_hosts")
    @classmethod
    def _names(cls, value: tuple[str, ...]) -> tuple[str, ...]:
        for name in value:
            if name != "*" and not _HOST.fullmatch(name):
                raise ValueError(f"{name!r} is no host name; write it without scheme and port")
        return tuple(name.lower() for name in value)

    @field_validator("trusted_proxies")
    @classmethod
    def _networks(cls, value: tuple[str, ...]) -> tuple[str, ...]:
        for network in value:
            ipaddress.ip_network(network)  # its ValueError says what is wrong
        return value

    @field_validator("bind")
    @classmethod
    def _address(cls, value: str) -> str:
        if value != "localhost":
            ipaddress.ip_address(value)  # its ValueError says what is wrong
        return value

    @model_validator(mode="after")
    def _fits_together(self) -> Self:
        if self.drain_s + self.grace_s > STOP_WITHIN_S - 0.5:
            raise ValueError(f"DRAIN_S and GRACE_S together must leave 0.5 s of {STOP_WITHIN_S:g} s to stop in")
        if self.body_bytes > self.buffer_bytes or self.frame_bytes > self.buffer_bytes:
            raise ValueError("BUFFER_BYTES must hold at least one body and one frame")
        if self.require_key and self.api_key is None:
            raise ValueError("REQUIRE_KEY is set, and there is no API_KEY; set one, as `openssl rand -hex 16` gives it")
        if self.model.startswith(REGISTRY):
            if not _NAMED.fullmatch(self.model):
                raise ValueError(f"MODEL {self.model} must look like models:/NAME@champion")
            address = urlsplit(self.mlflow_tracking_uri or "")
            if address.scheme not in ("http", "https") or not address.hostname:
                raise ValueError("MODEL is in a registry: set MLFLOW_TRACKING_URI to the http address of its server")
        return self

    @model_validator(mode="before")
    @classmethod
    def _user_info(cls, values: Any) -> Any:
        """Move a user's name and password out of the registry's address, which is logged and shown."""
        address = values.get("mlflow_tracking_uri") if isinstance(values, dict) else None
        if not isinstance(address, str) or "@" not in address:
            return values
        scheme, _, rest = address.partition("://")
        info, _, place = rest.rpartition("@")
        name, _, password = info.partition(":")
        found = {"mlflow_tracking_username": unquote(name), "mlflow_tracking_password": unquote(password)}
        given = {key: value for key, value in values.items() if value is not None}
        return found | given | {"mlflow_tracking_uri": f"{scheme}://{place}"}

    @property
    def registered(self) -> tuple[str, str] | None:
        """Name and alias in the registry; None where a folder is served."""
        match = _NAMED.fullmatch(self.model)
        return (match["name"], match["alias"]) if match else None


def add_arguments(parser: argparse.ArgumentParser) -> None:
    """Declare an option for every setting but the secret ones, which the help still shows."""
    secrets = []
    for name, field in Settings.model_fields.items():
        default = "none" if field.default in (None, ()) else field.default
        text = f"{field.description} [{name.upper()}; default {default}]".replace("%", "%%")
        if "Secret" in str(field.annotation):
            secrets.append(f"  {name.upper():18}  {text}")
        else:
            parser.add_argument(
                f"--{name.replace('_', '-')}", dest=name, metavar="…", help=text, default=argparse.SUPPRESS
            )
    parser.epilog = (
        "by environment variable only, as others can see a command line:\n"
        + "\n".join(secrets)
        + "\n\n"
        + (parser.epilog or "")
    )


def read(options: dict[str, str] | None = None) -> Settings:
    """Settings from the environment, and from ``options`` where they name one.

    Raises:
        SettingsError: names each wrong setting and what it may be.
    """
    options = {name: value for name, value in (options or {}).items() if name in Settings.model_fields}
    try:
        return Settings(**options)  # type: ignore[arg-type]  # pydantic turns the strings into numbers
    except ValidationError as error:
        said = [_explain(each["loc"], each["msg"]) for each in error.errors(include_url=False)]
        raise SettingsError("; ".join(said) + " (`python -m service --help` shows every setting)") from error


def _explain(place: Sequence[int | str], message: str) -> str:
    message = message.removeprefix("Value error, ")
    return f"{str(place[0]).upper()}: {message}" if place else message
