"""docs/service.md tells of every setting, metric, address, problem and close code, in the words of the code."""

import re
from pathlib import Path

import httpx
import pytest

from service import metrics
from service.http import stream
from service.http.problems import KINDS
from service.settings import Settings
from tests.service.running import ROOT, Running

DOCUMENT = (ROOT / "docs/service.md").read_text(encoding="utf-8")


def setting_rows() -> list[str]:
    rows = []
    for name, field in Settings.model_fields.items():
        default = "" if field.default in (None, ()) else f"`{field.default}`"
        rows.append(f"| `{name.upper()}` | {default} | {field.description} |")
    return rows


@pytest.mark.parametrize("row", setting_rows(), ids=list(Settings.model_fields))
def test_every_setting_is_in_the_document_with_its_default(row: str) -> None:
    assert row in DOCUMENT.splitlines(), f"put this line into docs/service.md:\n{row}"


def test_the_document_has_no_setting_that_there_is_not() -> None:
    table = DOCUMENT.partition("## Settings")[2].partition("\n## ")[0]
    assert set(re.findall(r"^\| `([A-Z_]+)`", table, re.MULTILINE)) == {n.upper() for n in Settings.model_fields}


@pytest.fixture
def metric_rows() -> list[str]:
    rows = []
    for metric in vars(metrics.Metrics()).values():
        if hasattr(metric, "_labelnames"):
            (family,) = metric.describe()
            name = f"{family.name}_total" if family.type == "counter" else family.name
            labels = ", ".join(f"`{label}`" for label in metric._labelnames)
            rows.append(f"| `{name}` | {family.type} | {labels} | {family.documentation} |")
    return rows


def test_every_metric_is_in_the_document_and_no_other(metric_rows: list[str]) -> None:
    assert len(metric_rows) > 10
    missing = [row for row in metric_rows if row not in DOCUMENT.splitlines()]
    assert not missing, "put these lines into docs/service.md:\n" + "\n".join(missing)
    table = DOCUMENT.partition("## Metrics")[2].partition("\n## ")[0]
    assert len(re.findall(r"^\| `service_", table, re.MULTILINE)) == len(metric_rows)


def test_every_address_is_in_the_document(service: Running) -> None:
    paths = httpx.get(f"{service.url}/openapi.json").json()["paths"]
    addresses = [f"`{method.upper()} {path}`" for path, methods in paths.items() for method in methods]
    for address in [*addresses, "`WS /stream`", "`GET /docs`", "`GET /openapi.json`", "`GET /`"]:
        assert f"| {address} |" in DOCUMENT


@pytest.mark.parametrize("kind", KINDS, ids=lambda kind: kind.name)
def test_every_kind_of_problem_is_in_the_document(kind: object) -> None:
    row = f"| `{kind.name}` | {kind.status} | {kind.title} |"  # type: ignore[attr-defined]
    assert row in DOCUMENT.splitlines(), f"put this line into docs/service.md:\n{row}"


def test_every_close_code_is_in_the_document() -> None:
    source = Path(stream.__file__).read_text(encoding="utf-8")
    codes = set(re.findall(r"\b(10\d\d|30\d\d)\b", source)) - {"1000"}
    assert len(codes) >= 8
    for code in codes:
        assert f"| {code} |" in DOCUMENT


def test_every_outcome_of_a_swap_is_in_the_document() -> None:
    source = "".join((ROOT / f"service/models/{name}.py").read_text() for name in ("watcher", "source"))
    for outcome in ("taken", "unreachable", "absent", "damaged", "unwritable", "refused"):
        assert f'"{outcome}"' in source
        assert f"`{outcome}`" in DOCUMENT


def test_every_limit_that_refuses_is_in_the_document() -> None:
    source = "".join(path.read_text() for path in (ROOT / "service").rglob("*.py"))
    limits = set(re.findall(r'"((?:queue|streams|connections)(?:-address)?)"', source))
    assert len(limits) == 6
    for limit in limits:
        assert f"`{limit}`" in DOCUMENT
