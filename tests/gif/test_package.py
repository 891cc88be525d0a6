"""``pip install .[gif]`` gives the command palette-gif, with nothing of the pipeline and without torch."""

import ast
import os
import re
import shutil
import subprocess
import sys
import tomllib
import zipfile
from pathlib import Path

import pytest

from scripts.gif import settings
from tests.gif import blocks
from tests.gif.conftest import Film
from tests.small_project import ROOT

GIF = ROOT / "scripts" / "gif"
PROJECT = tomllib.loads((ROOT / "pyproject.toml").read_text(encoding="utf-8"))
MODULES = sorted(GIF.glob("*.py"))  # less the stages of dvc.yaml, which are no part of the package
PACKAGE_OF = {"ffmpeg": "ffmpeg-python", "hydra": "hydra-core", "imageio_ffmpeg": "imageio-ffmpeg"}
BROUGHT_ALONG = {"omegaconf"}  # by hydra-core, which is made of it


def imported(module: Path) -> set[str]:
    """The top-level names that ``module`` imports absolutely, also inside functions."""
    found = set()
    for node in ast.walk(ast.parse(module.read_text(encoding="utf-8"))):
        if isinstance(node, ast.Import):
            found |= {alias.name.partition(".")[0] for alias in node.names}
        elif isinstance(node, ast.ImportFrom) and not node.level:
            found.add(str(node.module).partition(".")[0])
    return found - sys.stdlib_module_names


def test_what_it_imports_is_what_it_declares() -> None:
    imports = set().union(*map(imported, MODULES)) - BROUGHT_ALONG
    declared = {re.split(r"[<>=]", need)[0] for need in PROJECT["project"]["dependencies"]}
    assert {PACKAGE_OF.get(name, name) for name in imports} == declared


@pytest.fixture(scope="module")
def installed(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A folder with the files of the wheel, made of a copy, as setuptools writes into what it packs."""
    folder = tmp_path_factory.mktemp("package")
    source = folder / "source"
    for path in ("pyproject.toml", "README.md", "LICENSE"):
        source.mkdir(exist_ok=True)
        shutil.copy(ROOT / path, source)
    for path in ("scripts/gif", "conf/gif"):
        shutil.copytree(ROOT / path, source / path, ignore=shutil.ignore_patterns("__pycache__"))
    pip = [sys.executable, "-m", "pip", "wheel", "--quiet", "--no-deps", "--no-build-isolation"]
    subprocess.run([*pip, "--wheel-dir", str(folder), str(source)], check=True)
    (wheel,) = folder.glob("*.whl")
    with zipfile.ZipFile(wheel) as archive:
        archive.extractall(folder / "site")
    return folder / "site"


def test_it_makes_a_gif_far_from_the_checkout(installed: Path, film: Film, out: Path) -> None:
    recording = film()
    entry = "import sys; from palette_gif.__main__ import command; status = command()\n"
    look = "assert not {'torch', 'pipeline', 'scripts', 'fastai'} & sys.modules.keys(); sys.exit(status)"
    done = subprocess.run(
        [sys.executable, "-P", "-c", entry + look, str(recording), "-o", str(out / "a.gif"), "fps=10"],
        cwd=out,
        env=os.environ | {"PYTHONPATH": str(installed)},
        capture_output=True,
        text=True,
        check=False,
    )
    assert done.returncode == 0, done.stderr
    assert len(blocks.read(out / "a.gif").delays) == 10


def test_presets_travel_with_it(installed: Path) -> None:
    packed = {path.stem for path in (installed / "palette_gif" / "presets").glob("*.yaml")}
    assert packed == set(settings.presets())
    assert not (installed / "palette_gif" / "stage").exists()


def test_the_command_is_the_one_that_the_page_names() -> None:
    assert PROJECT["project"]["scripts"] == {"palette-gif": "palette_gif.__main__:command"}
    assert "palette-gif screen.mp4" in (ROOT / "docs" / "gif.md").read_text(encoding="utf-8")
