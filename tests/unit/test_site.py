"""A folder for any static host: whole or not at all, with what a browser needs of the model and no more."""

from pathlib import Path

import pytest

from pipeline.core.errors import PipelineError
from scripts.dev import node
from scripts.release.site import site
from tests.tiny_bundle import make_bundle


@pytest.fixture(autouse=True)
def _npm(monkeypatch: pytest.MonkeyPatch) -> None:
    """Stands for npm; test_node.py and the tests in a browser have the real one."""

    def built(script: str, target: Path, *_: object) -> None:
        assert script == "site"
        (target / "assets").mkdir(parents=True)
        for name in ("index.html", "service-worker.js", "assets/index-1.js", node.STAMP):
            (target / name).touch()

    monkeypatch.setattr(node, "build", built)
    monkeypatch.setattr(node, "identity", lambda *_: "")


def _files(folder: Path) -> set[str]:
    return {path.relative_to(folder).as_posix() for path in folder.rglob("*") if path.is_file()}


def test_site_has_the_page_and_what_a_browser_needs_of_the_model(tmp_path: Path) -> None:
    manifest = make_bundle(tmp_path / "model", variants=("fp32", "int8")).manifest
    site(tmp_path / "model", tmp_path / "site")
    golden = {f"model/{each.file}" for each in manifest.golden}
    page = {"index.html", "service-worker.js", "assets/index-1.js"}
    model = {"model/manifest.json", "model/model.onnx", "model/MODEL_CARD.html"}
    assert _files(tmp_path / "site") == page | model | golden
    for name in ("manifest.json", "model.onnx"):
        assert (tmp_path / "site/model" / name).read_bytes() == (tmp_path / "model" / name).read_bytes()


def test_damaged_model_makes_no_site(tmp_path: Path) -> None:
    make_bundle(tmp_path / "model")
    (tmp_path / "model" / "model.onnx").write_bytes(b"something else")
    with pytest.raises(PipelineError, match=r"model\.onnx"):
        site(tmp_path / "model", tmp_path / "site")
    assert not (tmp_path / "site").exists()


def test_model_without_a_variant_for_browsers_is_named(tmp_path: Path) -> None:
    make_bundle(tmp_path / "model", variants=("int8",))
    with pytest.raises(PipelineError, match="tiny-00000000 has no variant fp32"):
        site(tmp_path / "model", tmp_path / "site")


def test_failed_build_leaves_the_site_that_was_there(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    make_bundle(tmp_path / "model")
    site(tmp_path / "model", tmp_path / "site")
    before = _files(tmp_path / "site")

    def failing(*_: object) -> None:
        raise PipelineError("npm failed")

    monkeypatch.setattr(node, "build", failing)
    with pytest.raises(PipelineError, match="npm failed"):
        site(tmp_path / "model", tmp_path / "site")
    assert _files(tmp_path / "site") == before
    assert not list(tmp_path.glob(".site*"))
