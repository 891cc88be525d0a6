"""What can be set about the service: by environment variable, or by an option of ``python -m service``.

An option wins over the variable of the same name (``--body-bytes`` and ``BODY_BYTES``). Values that would make
the service unsafe are refused at start, with a sentence, rather than served with.
"""

import argparse
import ipaddress
import re
from pathlib import Path
from typing import Annotated, Any, Final, Literal, Self
from urllib.parse import urlsplit

from pydantic import AfterValidator, BeforeValidator, Field, IPvAnyNetwork, SecretStr, ValidationError, model_validator
from pydantic_settings import BaseSettings, NoDecode, SettingsConfigDict

from bundle.errors import UserError

STOP_WITHIN_S: Final = 5.0  # from SIGTERM to the exit; what container engines grant at the least
REGISTRY: Final = "models:/"
_NAMED: Final = re.compile(r"models:/(?P<name>[^/@:]+)@(?P<alias>[^/@:]+)")
_HOST: Final = re.compile(r"\*|(\*\.)?[A-Za-z0-9_-]+(\.[A-Za-z0-9_-]+)*\.?")
_TOKEN: Final = re.compile(r"[A-Za-z0-9._~-]{16,200}")  # fits into a header and into a WebSocket subprotocol


class SettingsError(UserError):
    """A setting is missing, unknown or unsafe."""


def _split(value: Any) -> Any:
    return [part.strip() for part in value.split(",") if part.strip()] if isinstance(value, str) else value


def _origin(value: str) -> str:
    parts = urlsplit(value)
    if parts.scheme not in ("http", "https") or f"{parts.scheme}://{parts.netloc}" != value:
        raise ValueError(f"{value!r} is no origin; name each one as https://host or https://host:port")
    return value


def _host(value: str) -> str:
    if not _HOST.fullmatch(value):
        raise ValueError(f"{value!r} is no host name; write it without scheme and port")
    return value.lower()


def _address(value: str) -> str:
    if value != "localhost":
        ipaddress.ip_address(value)  # its ValueError says what is wrong
    return value


def _strong(value: SecretStr) -> SecretStr:
    if not _TOKEN.fullmatch(value.get_secret_value()):
        raise ValueError("it must be 16 to 200 letters, digits or any of . _ ~ -, as `openssl rand -hex 16` gives")
    return value


def _registry(value: str) -> str:
    address = urlsplit(value)
    if address.scheme not in ("http", "https") or not address.hostname:
        raise ValueError("set MLFLOW_TRACKING_URI to the http address of an MLflow server")
    if "@" in address.netloc:  # the address is logged
        raise ValueError("it must hold no user name; set MLFLOW_TRACKING_USERNAME and MLFLOW_TRACKING_PASSWORD")
    return value


Seconds = Annotated[float, Field(gt=0, le=300, allow_inf_nan=False)]
Bytes = Annotated[int, Field(ge=1_000, le=100_000_000)]
Memory = Annotated[int, Field(ge=1_000_000, le=4_000_000_000)]
Count = Annotated[int, Field(ge=1, le=10_000)]
Port = Annotated[int, Field(ge=0, le=65535)]
Key = Annotated[SecretStr, AfterValidator(_strong)]
Origins = Annotated[tuple[Annotated[str, AfterValidator(_origin)], ...], NoDecode, BeforeValidator(_split)]
Hosts = Annotated[tuple[Annotated[str, AfterValidator(_host)], ...], NoDecode, BeforeValidator(_split)]
Networks = Annotated[tuple[IPvAnyNetwork, ...], NoDecode, BeforeValidator(_split)]


class Settings(BaseSettings):
    """All settings; the text below a field is its help. Names of variables are those of the fields."""

    model_config = SettingsConfigDict(
        frozen=True, extra="ignore", env_ignore_empty=True, hide_input_in_errors=True, use_attribute_docstrings=True
    )

    model: Annotated[str, Field(min_length=1)] = "models/promoted"
    """what is served: the folder of a bundle, or models:/NAME@ALIAS of an MLflow registry"""
    variant: Literal["fp32", "bf16", "int8"] | None = None
    """which of the bundle's models; else bf16 where processor and golden frames allow it, else the default"""
    mlflow_tracking_uri: Annotated[str, AfterValidator(_registry)] | None = None
    """address of the MLflow server (http or https), where MODEL is models:/…"""
    mlflow_tracking_username: str | None = None
    """for an MLflow server that asks for it"""
    mlflow_tracking_password: SecretStr | None = None
    """goes with the user name"""
    mlflow_tracking_token: SecretStr | None = None
    """bearer token for an MLflow server, instead of name and password"""
    poll_s: Seconds = 5.0
    """how often to look whether there is a new model, in seconds"""
    cache: Path = Path("models/fetched")
    """folder for the model from the registry; survives its absence"""

    bind: Annotated[str, AfterValidator(_address)] = "127.0.0.1"
    """address to listen on; 0.0.0.0 or :: for all"""
    port: Port = 8000
    """port to listen on; 0 for any that is free"""
    probe_port: Port | None = None
    """second port for /healthz, /readyz and /metrics alone, without a key; don't publish it"""
    threads: Annotated[int, Field(ge=0, le=64)] = 0
    """inference threads; 0 for one a core of the container's quota"""
    page: Path = Path("web/dist")
    """folder of the built page, served at /"""
    cors_origins: Origins = ()
    """origins of other pages that may ask, separated by commas; none without it"""
    allowed_hosts: Hosts = ()
    """names under which it is reached, besides IP addresses and localhost; *.example.org for all below, * for any"""
    trusted_proxies: Networks = ()
    """addresses or networks of proxies whose X-Forwarded-For names the client, separated by commas"""
    api_key: Key | None = None
    """key that /identify, /stream, /model, /v2 and /metrics ask for"""
    require_key: bool = False
    """refuse to start without API_KEY"""
    feedback: Path | None = None
    """folder for pictures that people call wrong (POST /feedback); nothing is kept without it"""
    feedback_bytes: Annotated[int, Field(ge=1_000_000)] = 1_000_000_000
    """most bytes in that folder; beyond it 507, and 429 for who brought ADDRESS_SHARE of them"""
    feedback_rate: Count = 60
    """pictures a minute that are taken for it, ADDRESS_SHARE of them from one address; beyond it 429"""

    queue: Count = 16
    """pictures that may wait; beyond it 503 at once"""
    address_share: Annotated[float, Field(gt=0, le=1)] = 0.5
    """part of the queue, the streams and the connections that one client address may have"""
    deadline_s: Seconds = 2.0
    """a picture that waited longer is not inferred, in seconds"""
    body_bytes: Bytes = 10_000_000
    """largest request body, in bytes"""
    frame_bytes: Bytes = 1_000_000
    """largest frame of /stream, in bytes"""
    decode_bytes: Memory = 100_000_000
    """memory that decoding a picture may take in each thread, in bytes; it limits the pixels, by format"""
    buffer_bytes: Memory = 32_000_000
    """bodies and frames that are held at one time, in bytes; beyond it 503"""
    connections: Count = 256
    """open connections; beyond it 503"""
    streams: Count = 64
    """open /stream connections among them"""
    stream_fps: Annotated[float, Field(gt=0, le=1_000, allow_inf_nan=False)] = 60.0
    """frames a second that one /stream gets answered; more are dropped"""

    timeout_s: Seconds = 10.0
    """time for a client to send a head or a body, or to take what is sent, in seconds"""
    stream_idle_s: Seconds = 60.0
    """how long a /stream may send no frame, in seconds"""
    drain_s: Annotated[float, Field(ge=0, le=4)] = 0.5
    """at the stop, time in which /readyz says no and all is still answered"""
    grace_s: Annotated[int, Field(ge=1, le=4)] = 3
    """after that, time for requests in flight, in seconds"""
    log_level: Literal["debug", "info", "warning", "error"] = "info"
    """least level that is logged; info has a line for each request"""

    @model_validator(mode="after")
    def _fits_together(self) -> Self:
        if self.drain_s + self.grace_s > STOP_WITHIN_S - 0.5:
            raise ValueError(f"DRAIN_S and GRACE_S together must leave 0.5 s of {STOP_WITHIN_S:g} s to stop in")
        if self.body_bytes > self.buffer_bytes or self.frame_bytes > self.buffer_bytes:
            raise ValueError("BUFFER_BYTES must hold at least one body and one frame")
        if self.require_key and self.api_key is None:
            raise ValueError("REQUIRE_KEY is set, and there is no API_KEY; set one, as `openssl rand -hex 16` gives it")
        if self.feedback is not None and self.feedback.resolve().is_relative_to(self.page.resolve()):
            raise ValueError("FEEDBACK lies inside PAGE, which everybody can read; name another folder")
        if self.model.startswith(REGISTRY):
            if not _NAMED.fullmatch(self.model):
                raise ValueError(f"MODEL {self.model} must look like models:/NAME@champion")
            if self.mlflow_tracking_uri is None:
                raise ValueError("MODEL is in a registry: set MLFLOW_TRACKING_URI to the http address of its server")
        return self

    @property
    def registered(self) -> tuple[str, str] | None:
        """Name and alias in the registry; None where a folder is served."""
        match = _NAMED.fullmatch(self.model)
        return (match["name"], match["alias"]) if match else None


def add_arguments(parser: argparse.ArgumentParser) -> None:
    """Declare an option for every setting but the secret ones, which the help still shows."""
    secrets = ["by environment variable only, as others can see a command line:"]
    for name, field in Settings.model_fields.items():
        default = "none" if field.default in (None, ()) else field.default
        text = f"{field.description} [{name.upper()}; default {default}]".replace("%", "%%")
        if "Secret" in str(field.annotation):
            secrets.append(f"  {name.upper():18}  {text}")
        else:
            option = f"--{name.replace('_', '-')}"
            parser.add_argument(option, dest=name, metavar="…", help=text, default=argparse.SUPPRESS)
    parser.epilog = "\n".join([*secrets, "", parser.epilog or ""])


def read(options: dict[str, str] | None = None) -> Settings:
    """Settings from the environment, and from ``options`` where they name one.

    Raises:
        SettingsError: names each wrong setting and what it may be.
    """
    try:
        return Settings(**(options or {}))  # type: ignore[arg-type]  # pydantic turns the strings into numbers
    except ValidationError as error:
        said = []
        for each in error.errors(include_url=False):
            message = each["msg"].removeprefix("Value error, ")
            said.append(f"{str(each['loc'][0]).upper()}: {message}" if each["loc"] else message)
        raise SettingsError("; ".join(said) + " (`python -m service --help` shows every setting)") from error
