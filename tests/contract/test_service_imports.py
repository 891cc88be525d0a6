"""The service stands alone: nothing of the pipeline or its heavy packages, only what its own lock holds."""

import ast
import re
import subprocess
import sys
from pathlib import Path

import pytest

ROOT = Path(__file__).parents[2]
MODULES = sorted(path for name in ("bundle", "service") for path in (ROOT / name).rglob("*.py"))
FORBIDDEN = {
    "pipeline",
    "torch",
    "torchvision",
    "fastai",
    "timm",
    "mlflow",
    "dvc",
    "hydra",
    "omegaconf",
    "onnx",
    "onnxscript",
    "sklearn",
    "scipy",
    "pandas",
    "matplotlib",
    "cleanvision",
    "imagehash",
    "safetensors",
}
DISTRIBUTIONS = {"PIL": "pillow"}  # where a module is called otherwise than its package


def imported(path: Path) -> set[str]:
    """Top-level names of all that a module imports, at its head or inside a function."""
    names = set()
    for node in ast.walk(ast.parse(path.read_text())):
        if isinstance(node, ast.Import):
            names |= {alias.name for alias in node.names}
        elif isinstance(node, ast.ImportFrom):
            assert node.level == 0, f"{path}: imports are absolute"
            names.add(node.module or "")
    return {name.split(".")[0] for name in names}


def locked(name: str) -> dict[str, str]:
    """Package to version, of a lock under requirements/."""
    text = (ROOT / "requirements" / name).read_text()
    return {n.lower().replace("_", "-"): v for n, v in re.findall(r"^([\w.-]+)==([^\s;\\]+)", text, re.MULTILINE)}


@pytest.mark.parametrize("path", MODULES, ids=lambda path: f"{path.parent.name}/{path.stem}")
def test_service_imports_nothing_of_the_pipeline(path: Path) -> None:
    assert imported(path) & FORBIDDEN == set()


@pytest.mark.parametrize("path", MODULES, ids=lambda path: f"{path.parent.name}/{path.stem}")
def test_service_imports_only_what_its_lock_holds(path: Path) -> None:
    foreign = imported(path) - sys.stdlib_module_names - {"bundle", "service"}
    assert {DISTRIBUTIONS.get(name, name).replace("_", "-") for name in foreign} <= locked("service.lock").keys()


def test_nothing_heavy_is_loaded_by_the_modules_that_are_used() -> None:
    """In a fresh process, because this one has loaded everything already."""
    code = (
        "import sys, bundle.engine, service.cli.identify, service.cli.serve, service.__main__;"
        "assert 'openvino.tools.ovc' not in sys.modules, 'its converter of models takes memory and time';"
        "print(*{name.split('.')[0] for name in sys.modules})"
    )
    loaded = subprocess.run(
        [sys.executable, "-c", code], cwd=ROOT, capture_output=True, text=True, check=True, timeout=60
    ).stdout.split()
    assert {"numpy", "openvino", "PIL", "pydantic", "service"} <= set(loaded)
    assert set(loaded) & FORBIDDEN == set()


@pytest.mark.parametrize("package", ["numpy", "openvino", "pillow", "pydantic", "pydantic-core"])
def test_both_locks_agree_on_what_decides_an_answer(package: str) -> None:
    """Golden frames are made with the pipeline's packages and checked with the service's."""
    assert locked("service.lock")[package] == locked("pipeline.lock")[package]


def test_lock_has_hashes_and_no_address() -> None:
    text = (ROOT / "requirements/service.lock").read_text()
    assert "://" not in text
    assert "index" not in text
    packages = re.split(r"^(?=[\w.-]+==)", text, flags=re.MULTILINE)[1:]
    assert packages
    assert [p.split()[0] for p in packages if not re.search(r"--hash=sha256:[0-9a-f]{64}", p)] == []


def test_lock_holds_what_service_in_asks_for() -> None:
    wanted = re.findall(r"^([\w.-]+)==(\S+)", (ROOT / "requirements/service.in").read_text(), re.MULTILINE)
    have = locked("service.lock")
    assert {name: have.get(name.lower()) for name, _ in wanted} == dict(wanted)
