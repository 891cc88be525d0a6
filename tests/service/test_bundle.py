"""What `bundle.folder` promises: a bundle is whole and unchanged, or refused with its file and a way out."""

import json
import shutil
import tracemalloc
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest

import bundle
from bundle.errors import BundleError
from tests.tiny_bundle import make_bundle


@pytest.fixture
def folder(tmp_path: Path) -> Path:
    make_bundle(tmp_path / "promoted")
    return tmp_path / "promoted"


def edit(folder: Path, change: Callable[[dict[str, Any]], object]) -> None:
    path = folder / "manifest.json"
    values = json.loads(path.read_text())
    change(values)
    path.write_text(json.dumps(values))


def test_what_is_sealed_loads_the_same(folder: Path) -> None:
    manifest = bundle.load(folder).manifest
    assert bundle.seal(folder, manifest) == manifest
    assert bundle.load(folder).manifest == manifest


def test_sealing_the_same_gives_the_same_bytes(folder: Path) -> None:
    before = (folder / "manifest.json").read_bytes()
    bundle.seal(folder, bundle.load(folder).manifest)
    assert (folder / "manifest.json").read_bytes() == before


def test_sealing_leaves_nothing_beside_the_manifest(folder: Path) -> None:
    before = sorted(folder.rglob("*"))
    bundle.seal(folder, bundle.load(folder).manifest)
    assert sorted(folder.rglob("*")) == before


def test_sealing_takes_in_what_was_added(folder: Path) -> None:
    (folder / "notes.txt").write_text("ä")
    sealed = bundle.seal(folder, bundle.load_manifest(folder))
    assert sealed.files["notes.txt"].bytes == 2
    bundle.load(folder)


def test_sealing_without_a_file_that_the_manifest_speaks_of_is_refused(folder: Path) -> None:
    manifest, before = bundle.load(folder).manifest, (folder / "manifest.json").read_bytes()
    (folder / "model.onnx").unlink()
    with pytest.raises(BundleError, match=r"model\.onnx is missing"):
        bundle.seal(folder, manifest)
    assert (folder / "manifest.json").read_bytes() == before


def test_sealing_an_invalid_manifest_is_refused(folder: Path) -> None:
    manifest = bundle.load(folder).manifest.model_copy(update={"labels": ("art",)})
    with pytest.raises(BundleError, match="labels"):
        bundle.seal(folder, manifest)


def test_failed_write_leaves_the_old_manifest(folder: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    before = (folder / "manifest.json").read_bytes()

    def full(*_: object) -> None:
        raise OSError(28, "No space left on device")

    manifest = bundle.load(folder).manifest
    monkeypatch.setattr(Path, "replace", full)
    with pytest.raises(BundleError, match="No space left on device"):
        bundle.seal(folder, manifest)
    assert (folder / "manifest.json").read_bytes() == before
    assert not list(folder.glob(".*"))


def test_manifest_is_readable_by_others(folder: Path) -> None:
    assert (folder / "manifest.json").stat().st_mode & 0o444 == 0o444


def test_no_folder_says_what_makes_one(tmp_path: Path) -> None:
    with pytest.raises(BundleError, match=r"no model bundle at .*promoted; `make run`"):
        bundle.load(tmp_path / "promoted")


def test_folder_without_a_manifest_says_what_makes_one(tmp_path: Path) -> None:
    with pytest.raises(BundleError, match=r"holds no manifest\.json; `make run`"):
        bundle.load(tmp_path)


@pytest.mark.parametrize("verify", [True, False])
@pytest.mark.parametrize("name", ["model.onnx", "golden/red.png", "MODEL_CARD.md"])
def test_missing_file_is_named(folder: Path, name: str, verify: bool) -> None:
    (folder / name).unlink()
    with pytest.raises(BundleError, match=f"{name} is missing"):
        bundle.load(folder, verify=verify)


@pytest.mark.parametrize("verify", [True, False])
def test_file_of_another_size_is_named(folder: Path, verify: bool) -> None:
    with (folder / "model.onnx").open("ab") as file:
        file.write(b"\0")
    with pytest.raises(BundleError, match=r"model\.onnx has \d+ bytes where"):
        bundle.load(folder, verify=verify)


@pytest.mark.parametrize("name", ["model.onnx", "golden/red.png", "MODEL_CARD.md"])
def test_one_flipped_bit_is_named(folder: Path, name: str) -> None:
    data = bytearray((folder / name).read_bytes())
    data[len(data) // 2] ^= 1
    (folder / name).write_bytes(data)
    with pytest.raises(BundleError, match=f"{name} is not what manifest.json says"):
        bundle.load(folder)


@pytest.mark.parametrize("name", ["model.int8.onnx", "golden/extra.png", "deep/er/file"])
def test_unexpected_file_is_named(folder: Path, name: str) -> None:
    (folder / name).parent.mkdir(parents=True, exist_ok=True)
    (folder / name).write_bytes(b"x")
    with pytest.raises(BundleError, match=f"{name} .*remove it"):
        bundle.load(folder)


def test_what_a_file_manager_leaves_does_no_harm(folder: Path) -> None:
    (folder / ".DS_Store").write_bytes(b"x")
    assert ".DS_Store" not in bundle.seal(folder, bundle.load(folder).manifest).files
    bundle.load(folder)


def test_newer_schema_asks_for_a_newer_service(folder: Path) -> None:
    edit(folder, lambda m: m.update(schema_version=3, something_new=1))
    with pytest.raises(BundleError, match=r"is of schema 3, this service knows 2: update the service"):
        bundle.load(folder)


def test_older_schema_asks_for_another_bundle(folder: Path) -> None:
    edit(folder, lambda m: m.update(schema_version=1))
    with pytest.raises(BundleError, match=r"is of schema 1, this version reads 2: make the bundle anew"):
        bundle.load(folder)


@pytest.mark.parametrize(
    "text",
    ["", "{", "null", "[]", '"x"', "{}", '{"schema_version": "x"}', '{"schema_version": 0}', "[" * 100_000],
)
def test_damaged_manifest_is_named(folder: Path, text: str) -> None:
    (folder / "manifest.json").write_text(text)
    with pytest.raises(BundleError, match=r"manifest\.json is (damaged|invalid)"):
        bundle.load(folder)


def test_manifest_that_is_no_text_is_named(folder: Path) -> None:
    (folder / "manifest.json").write_bytes(b"\xff\xfe\x00")
    with pytest.raises(BundleError, match=r"manifest\.json is damaged"):
        bundle.load(folder)


ESCAPES = [
    "../model.onnx",
    "/etc/passwd",
    "a/../../b",
    "golden/..",
    "./model.onnx",
    "a//b",
    "",
    "C:/x",
    "..\\x",
    "a\0b",
]


@pytest.mark.parametrize("name", ESCAPES)
def test_no_path_leads_out_of_the_bundle(folder: Path, name: str) -> None:
    outside = folder.parent / "model.onnx"
    shutil.copy(folder / "model.onnx", outside)
    for change in (
        lambda m: m["variants"]["fp32"].update(file=name),
        lambda m: m["golden"][0].update(file=name),
        lambda m: m["files"].update({name: m["files"]["model.onnx"]}),
    ):
        make_bundle(folder)
        edit(folder, change)
        with pytest.raises(BundleError, match="no plain path inside the bundle"):
            bundle.load(folder)


def test_a_model_that_is_not_listed_is_refused(folder: Path) -> None:
    edit(folder, lambda m: m["files"].pop("model.onnx"))
    with pytest.raises(BundleError, match=r"speaks of model\.onnx"):
        bundle.load(folder)


@pytest.mark.parametrize(
    ("change", "culprit"),
    [
        (lambda m: m.update(labels=["art"]), "labels"),
        (lambda m: m.update(labels=["art", "art", "text"]), "twice"),
        (lambda m: m.update(labels=["art", "", "text"]), "labels"),
        (lambda m: m.update(labels=["art", "plant\x1b[2J", "text"]), "can't be shown"),
        (lambda m: m.update(labels=["art", "plant"]), "one probability per label"),
        (lambda m: m.update(default_variant="int8"), "default_variant"),
        (lambda m: m.update(default_variant="fp64"), "default_variant"),
        (lambda m: m.update(version="../x"), "version"),
        (lambda m: m.update(created="2026-01-02T03:04:05"), "created"),
        (lambda m: m.update(variants={}), "variants"),
        (lambda m: m["variants"]["fp32"].update(threshold=1.5), "threshold"),
        (lambda m: m["variants"]["fp32"].update(threshold=float("nan")), "threshold"),
        (lambda m: m["variants"]["fp32"].update(temperature=0), "temperature"),
        (lambda m: m["input"].update(size=0), "size"),
        (lambda m: m["input"].update(crop="squash"), "crop"),
        (lambda m: m["golden"][0]["id_score"].pop("fp32"), "every variant"),
        (lambda m: m["files"]["model.onnx"].update(sha256="x"), "sha256"),
        (lambda m: m.pop("lineage"), "lineage"),
        (lambda m: m.update(surprise=1), "surprise"),
    ],
)
def test_invalid_manifest_names_the_field(
    folder: Path, change: Callable[[dict[str, Any]], object], culprit: str
) -> None:
    edit(folder, change)
    with pytest.raises(BundleError, match=culprit) as caught:
        bundle.load(folder)
    assert "\n" not in str(caught.value)
    assert "manifest.json" in str(caught.value)


def test_files_may_be_links_into_a_cache(folder: Path, tmp_path: Path) -> None:
    """As DVC makes them with ``cache.type symlink``."""
    (folder / "model.onnx").rename(tmp_path / "cached")
    (folder / "model.onnx").symlink_to(tmp_path / "cached")
    bundle.load(folder)
    (tmp_path / "cached").unlink()
    with pytest.raises(BundleError, match=r"model\.onnx is missing"):
        bundle.load(folder)


def test_a_file_that_changes_after_loading_is_not_read(folder: Path) -> None:
    loaded = bundle.load(folder)
    make_bundle(folder, bias=(1.0, 0.0, 0.0))
    with pytest.raises(BundleError, match="sha256 differs"):
        loaded.read("model.onnx")


def test_files_are_compared_without_being_held_in_memory(folder: Path) -> None:
    (folder / "large.bin").write_bytes(bytes(20_000_000))
    bundle.seal(folder, bundle.load_manifest(folder))
    tracemalloc.start()
    try:
        assert bundle.load(folder).verified("large.bin") == folder / "large.bin"
        assert tracemalloc.get_traced_memory()[1] < 2_000_000
    finally:
        tracemalloc.stop()


def test_fingerprint_is_that_of_the_answers(tmp_path: Path) -> None:
    def of(**options: Any) -> str:
        return bundle.fingerprint(make_bundle(tmp_path / "b", **options).manifest)

    reference = of()
    assert of() == reference
    assert of(version="another-1", card=False) == reference
    shutil.rmtree(tmp_path / "b")
    others = [
        of(bias=(0.1, 0.0, 0.0)),
        of(labels=("art", "plant", "words")),
        of(size=48),
        of(threshold=0.4),
        of(variants=("fp32", "int8")),
        of(variants=("int8", "fp32")),
    ]
    assert len({reference, *others}) == 7


def test_fingerprint_ignores_where_a_model_came_from(folder: Path) -> None:
    manifest = bundle.load(folder).manifest
    lineage = manifest.lineage.model_copy(update={"mlflow_run_id": "f" * 32, "git_dirty": True})
    other = manifest.model_copy(update={"lineage": lineage, "metrics": {"accuracy": 1.0}, "golden": ()})
    assert bundle.fingerprint(other) == bundle.fingerprint(manifest)


def test_fingerprint_needs_hashed_models(folder: Path) -> None:
    manifest = bundle.load(folder).manifest
    empty = manifest.model_copy(update={"files": {}})
    with pytest.raises(BundleError, match="inventory"):
        bundle.fingerprint(empty)
    filled = empty.model_copy(update={"files": bundle.inventory(folder)})
    assert bundle.fingerprint(filled) == bundle.fingerprint(manifest)
