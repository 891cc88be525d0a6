"""The manifest is a contract with bundles that exist and pages that read them: it changes knowingly.

Where a test fails because a field was added, removed or renamed: raise `SCHEMA_VERSION`, let `load` read
the older version too, and only then put the new names here. An added field counts, with a default or without:
older readers forbid what they don't know.
"""

from typing import Any

from bundle import SCHEMA_VERSION, Manifest

FIELDS = {
    "Manifest": [
        "created",
        "default_variant",
        "files",
        "golden",
        "golden_tolerance",
        "input",
        "labels",
        "lineage",
        "metrics",
        "schema_version",
        "variants",
        "version",
    ],
    "InputSpec": ["crop", "resize", "size"],
    "Variant": ["file", "temperature", "threshold"],
    "Golden": ["file", "id_score", "probabilities"],
    "Lineage": ["config", "config_hash", "data_hash", "git_commit", "git_dirty", "mlflow_run_id", "parent"],
    "FileEntry": ["bytes", "sha256"],
}
REQUIRED = {
    "Manifest": [
        "version",
        "created",
        "labels",
        "input",
        "variants",
        "default_variant",
        "golden_tolerance",
        "lineage",
    ],
    "InputSpec": ["size"],
    "Variant": ["file", "threshold", "temperature"],
    "Golden": ["file", "probabilities", "id_score"],
    "Lineage": ["git_commit", "git_dirty", "data_hash", "config", "config_hash", "mlflow_run_id"],
    "FileEntry": ["sha256", "bytes"],
}


def objects() -> dict[str, dict[str, Any]]:
    schema = Manifest.model_json_schema()
    definitions: dict[str, dict[str, Any]] = schema["$defs"]
    return {"Manifest": schema} | definitions


def test_schema_version_is_the_one_that_this_snapshot_describes() -> None:
    assert SCHEMA_VERSION == 2


def test_fields_are_those_of_the_snapshot() -> None:
    assert {name: sorted(each["properties"]) for name, each in objects().items()} == FIELDS


def test_required_fields_are_those_of_the_snapshot() -> None:
    assert {name: each["required"] for name, each in objects().items()} == REQUIRED


def test_unknown_fields_are_refused_everywhere() -> None:
    assert {name for name, each in objects().items() if each.get("additionalProperties") is not False} == set()


def test_words_are_those_of_the_snapshot() -> None:
    found = objects()
    assert found["Manifest"]["properties"]["schema_version"]["const"] == 2
    assert found["Manifest"]["properties"]["default_variant"]["enum"] == ["fp32", "int8"]
    assert found["InputSpec"]["properties"]["crop"]["const"] == "center-square"
    assert found["InputSpec"]["properties"]["resize"]["const"] == "bilinear-antialias"
