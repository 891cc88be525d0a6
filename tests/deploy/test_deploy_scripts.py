"""The commands around an image: labels, the branch that hosts build from, the seed of a cache, the list of parts."""

import importlib.util
import json
import os
import subprocess
import sys
from pathlib import Path
from types import ModuleType

import pytest

import bundle
from pipeline.core.errors import PipelineError
from scripts.release import deploy_branch, image, sbom
from service.models.registry import RegistrySource
from service.settings import Settings
from tests.small_project import ROOT
from tests.tiny_bundle import make_bundle


@pytest.fixture
def checkout(tmp_path: Path) -> Path:
    """A repository with one commit, and a promoted model that it ignores."""
    root = tmp_path / "checkout"
    (root / "service").mkdir(parents=True)
    (root / "service" / "app.py").write_text("one = 1\n")
    (root / "pyproject.toml").write_text('[project]\nversion = "1.2.3"\n')
    (root / ".gitignore").write_text("/models/\n")
    (root / ".gitattributes").write_text("* text=auto\n")
    make_bundle(root / "models" / "promoted", version="tiny-1")
    (root / "models" / "promoted" / "MODEL_CARD.md").write_bytes(b"# Card\r\n")  # git would like to change it
    bundle.seal(root / "models" / "promoted", bundle.load_manifest(root / "models" / "promoted"))
    git(root, "init", "--quiet", "--initial-branch", "main")
    for name, value in (("user.name", "A test"), ("user.email", "test@example.org")):
        git(root, "config", name, value)
    git(root, "add", "--all")
    git(root, "commit", "--quiet", "-m", "one")
    return root


def git(root: Path, *words: str) -> str:
    environment = {name: value for name, value in os.environ.items() if not name.startswith("GIT_")}
    done = subprocess.run(["git", *words], cwd=root, env=environment, capture_output=True, text=True, check=False)
    assert done.returncode == 0, done.stderr
    return done.stdout.strip()


def test_labels_name_version_commit_and_model(checkout: Path) -> None:
    promoted = bundle.load(checkout / "models" / "promoted").manifest
    words = image.arguments(checkout)
    assert set(words[1::2]) == {
        "VERSION=1.2.3",
        f"REVISION={git(checkout, 'rev-parse', 'HEAD')}",
        "MODEL_VERSION=tiny-1",
        f"MODEL_FINGERPRINT={bundle.fingerprint(promoted)}",
    }
    (checkout / "service" / "app.py").write_text("two = 2\n")
    assert f"REVISION={git(checkout, 'rev-parse', 'HEAD')}-dirty" in image.arguments(checkout)


def test_without_a_model_there_is_no_image_unless_one_without_is_asked_for(checkout: Path) -> None:
    (checkout / "models" / "promoted").rename(checkout / "models" / "gone")
    with pytest.raises(PipelineError, match="there is no model bundle"):
        image.arguments(checkout)
    assert "BUNDLE=" in image.arguments(checkout, with_model=False)


def test_the_branch_has_the_code_and_the_model_byte_for_byte_and_touches_nothing_else(
    checkout: Path, tmp_path: Path
) -> None:
    before = (
        git(checkout, "rev-parse", "HEAD"),
        git(checkout, "status", "--porcelain"),
        git(checkout, "ls-files"),
    )
    said = deploy_branch.make(checkout)
    assert "tiny-1" in said
    assert (
        git(checkout, "rev-parse", "HEAD"),
        git(checkout, "status", "--porcelain"),
        git(checkout, "ls-files"),
    ) == before
    git(tmp_path, "clone", "--quiet", "--branch", "deploy", str(checkout), "host")
    built = bundle.load(tmp_path / "host" / "models" / "promoted")
    assert built.manifest == bundle.load(checkout / "models" / "promoted").manifest
    assert (tmp_path / "host" / "service" / "app.py").read_text() == "one = 1\n"
    assert git(checkout, "rev-parse", "deploy^") == before[0]


def test_the_branch_is_made_anew_each_time(checkout: Path) -> None:
    for _ in range(2):
        deploy_branch.make(checkout)
    assert git(checkout, "rev-list", "--count", "main..deploy") == "1"


def test_the_branch_is_refused_where_it_would_not_be_what_is_here(checkout: Path) -> None:
    (checkout / "service" / "app.py").write_text("two = 2\n")
    with pytest.raises(PipelineError, match=r"service/app\.py is not committed"):
        deploy_branch.make(checkout)
    git(checkout, "checkout", "--quiet", "service/app.py")
    (checkout / "models" / "promoted" / "model.onnx").write_bytes(b"")
    with pytest.raises(PipelineError, match=r"model\.onnx"):
        deploy_branch.make(checkout)


@pytest.fixture
def seeding() -> ModuleType:
    """deploy/seed.py, which is no module of a package."""
    spec = importlib.util.spec_from_file_location("seed", ROOT / "deploy" / "seed.py")
    assert spec is not None
    assert spec.loader is not None
    module = importlib.util.module_from_spec(spec)
    spec.loader.exec_module(module)
    return module


def test_an_empty_cache_begins_with_the_images_bundle_and_a_full_one_is_left_alone(
    seeding: ModuleType, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.chdir(tmp_path)
    given = {
        "model": "models:/a name@champion",
        "mlflow_tracking_uri": "http://127.0.0.1:9",
        "cache": "cache",
    }
    values = Settings.model_validate(given)
    assert "has no bundle" in seeding.seed(values)
    made = make_bundle(tmp_path / "models" / "promoted", version="baked")
    assert "begins with baked" in seeding.seed(values)
    source = RegistrySource(values)
    (tmp_path / "served").mkdir()
    source.fetch(source.look(), tmp_path / "served")
    assert bundle.load(tmp_path / "served").manifest == made.manifest
    assert "holds a model already" in seeding.seed(values)


def test_a_seed_for_a_folder_is_refused(tmp_path: Path) -> None:
    done = subprocess.run(
        [sys.executable, ROOT / "deploy" / "seed.py"],
        env=os.environ | {"MODEL": "models/promoted", "PYTHONPATH": str(ROOT)},
        capture_output=True,
        text=True,
        check=False,
    )
    assert done.returncode == 1
    assert done.stderr.startswith("error: MODEL is a folder")


@pytest.mark.skipif(not sbom.SYFT.exists(), reason="Syft is not here; `make sbom` sets it up")
def test_parts_of_the_page_are_those_of_its_lock_that_are_served(tmp_path: Path) -> None:
    lock = tmp_path / "package-lock.json"
    packages = {
        "": {"name": "page", "version": "1.0.0", "license": "MIT"},
        "node_modules/react": {"version": "19.0.0", "license": "MIT"},
        "node_modules/@scope/part": {"version": "1.0.0"},
        "node_modules/vite": {"version": "8.0.0", "license": "MIT", "dev": True},
    }
    lock.write_text(json.dumps({"name": "page", "version": "1.0.0", "lockfileVersion": 3, "packages": packages}))
    found = {part["name"]: sbom.licences_of(part) for part in sbom.scan(f"file:{lock}")["components"]}
    assert found == {"page": ["MIT"], "react": ["MIT"], "@scope/part": []}


def test_listing_puts_packages_under_their_origin_and_licence() -> None:
    parts = [
        {
            "name": name,
            "version": "1",
            "purl": f"pkg:{purl}/{name}@1",
            "licenses": [{"license": {"id": licence}}],
        }
        for name, purl, licence in (("a", "pypi", "MIT"), ("b", "pypi", "MIT"), ("c", "deb/debian", "GPL-2"))
    ]
    text = sbom.listing(parts, "image:1")
    assert "| MIT | a 1, b 1 |" in text.partition("## Debian")[0]
    assert "| GPL-2 | c 1 |" in text.partition("## Debian")[2]
