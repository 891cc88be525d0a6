"""docs/service.md tells of every address, close code, outcome and limit, and of no setting that there is not."""

import re
from pathlib import Path

import httpx

from service.http import stream
from service.settings import Settings
from tests.service.running import ROOT, Running

DOCUMENT = (ROOT / "docs/service.md").read_text(encoding="utf-8")


def test_every_address_is_in_the_document(service: Running) -> None:
    paths = httpx.get(f"{service.url}/openapi.json").json()["paths"]
    addresses = [f"`{method.upper()} {path}`" for path, methods in paths.items() for method in methods]
    for address in [*addresses, "`WS /stream`", "`GET /docs`", "`GET /openapi.json`", "`GET /`"]:
        assert f"| {address} |" in DOCUMENT


def test_the_document_names_no_setting_that_there_is_not() -> None:
    """`python -m service --help` lists them all; tests/service/test_settings.py holds that."""
    named = set(re.findall(r"`([A-Z]+(?:_[A-Z]+)+)", DOCUMENT)) - {"RLIMIT_DATA"}
    assert named <= {name.upper() for name in Settings.model_fields}


def test_every_close_code_is_in_the_document() -> None:
    source = Path(stream.__file__).read_text(encoding="utf-8")
    codes = set(re.findall(r"\b(10\d\d|30\d\d)\b", source)) - {"1000"}
    assert len(codes) >= 8
    for code in codes:
        assert f"| {code} |" in DOCUMENT


def test_every_outcome_of_a_swap_is_in_the_document() -> None:
    source = "".join((ROOT / f"service/models/{name}.py").read_text() for name in ("watcher", "source"))
    for outcome in ("taken", "unreachable", "absent", "tainted", "damaged", "unwritable", "refused"):
        assert f'"{outcome}"' in source
        assert f"`{outcome}`" in DOCUMENT


def test_every_limit_that_refuses_is_in_the_document() -> None:
    source = "".join(path.read_text() for path in (ROOT / "service").rglob("*.py"))
    limits = set(re.findall(r'"((?:queue|streams|connections)(?:-address)?)"', source))
    assert len(limits) == 6
    for limit in limits:
        assert f"`{limit}`" in DOCUMENT
