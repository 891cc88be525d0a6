"""What git holds fits together: nothing of a machine, locks that lock, settings that compose, figures."""

import json
import re
import subprocess
import sys
from pathlib import Path

import pytest
import yaml

from pipeline.core.config import PARAMS, compose
from scripts.dev import environment
from scripts.dev import readme as readme_parts
from tests.small_project import ROOT, files_in_git

ENVIRONMENTS = ("pipeline", "service")
TEXT = re.compile(r"\.(py|md|toml|ya?ml|in|lock|json|html|css|csv|txt|cfg|dvc)$|^(Makefile|LICENSE|\.[\w/.-]+)$")
# Assembled, so that this file does not hold what it forbids.
REGISTRIES = (
    "pypi" + ".org",
    "python" + "hosted.org",
    "npm" + "js.org",
    "deb.debian" + ".org",
    "download.pytorch" + ".org",
)
MACHINE_PATHS = re.compile(r"(?<![\w./~-])/(?:work|root|home|Users|opt)/\w")


def in_git() -> list[Path]:
    """Files that git tracks or would add, less the bytes of the DVC remote."""
    return [Path(name) for name in files_in_git() if not name.startswith(".bundled/")]


def test_nothing_of_a_machine_or_a_registry_is_in_git() -> None:
    found = []
    for path in in_git():
        if TEXT.search(path.as_posix()) and (ROOT / path).is_file():
            for number, line in enumerate((ROOT / path).read_text(encoding="utf-8").splitlines(), 1):
                if any(host in line for host in REGISTRIES) or MACHINE_PATHS.search(line):
                    found.append(f"{path}:{number}: {line.strip()[:100]}")
    assert not found, "\n".join(found)


@pytest.mark.parametrize("name", ENVIRONMENTS)
def test_lock_holds_exact_versions_and_no_address(name: str) -> None:
    pins = environment.packages(ROOT / "requirements" / f"{name}.lock")
    assert len(pins) > 5
    for pin in pins:
        assert re.fullmatch(r"[A-Za-z0-9._-]+==[A-Za-z0-9.!_-]+( *;.*)?", pin), (
            f"{name}.lock: {pin!r} is no exact version"
        )


@pytest.mark.parametrize("name", ENVIRONMENTS)
def test_lock_has_every_package_that_is_asked_for(name: str) -> None:
    asked, locked = (_versions(ROOT / "requirements" / f"{name}.{kind}") for kind in ("in", "lock"))
    assert asked.keys() <= locked.keys()
    for package, version in asked.items():
        assert locked[package] == version or not version, f"{name}.lock: {package}{locked[package]}, asked {version}"


def test_pipeline_and_service_share_what_makes_the_golden_frames() -> None:
    pipeline, service = (_versions(ROOT / "requirements" / f"{name}.lock") for name in ENVIRONMENTS)
    for package in ("numpy", "openvino", "pillow", "pydantic"):
        assert pipeline[package] == service[package]


def _versions(file: Path) -> dict[str, str]:
    found = (re.match(r"([A-Za-z0-9._-]+)(?:\[[\w,-]+\])?((?:==\S+)?)", pin) for pin in environment.packages(file))
    return {re.sub("[-_.]+", "-", match[1].lower()): match[2] for match in found if match}


def test_lock_drops_what_is_tied_to_a_machine(tmp_path: Path) -> None:
    freeze = "zlib==1\ntorch==2.13.0+cpu\nnvidia-nccl==2\npip==23\nours @ file:///somewhere\nAlpha==1\n"
    python = tmp_path / ".venv-some/bin/python"
    python.parent.mkdir(parents=True)
    python.write_text(f"#!/bin/sh\ncat <<END\n{freeze}END\n", encoding="utf-8")
    python.chmod(0o755)
    (tmp_path / "requirements").mkdir()
    subprocess.run(["make", "--file", ROOT / "Makefile", "lock", "NAME=some"], cwd=tmp_path, check=True)
    made = (tmp_path / "requirements/some.lock").read_text(encoding="utf-8").splitlines()
    assert made[1:] == ["Alpha==1", "torch==2.13.0", "zlib==1"]


def test_table_of_contents_names_every_group() -> None:
    groups = {path.name for path in (ROOT / "conf").iterdir() if path.is_dir()}
    assert groups == set(compose((), ROOT / "conf"))


def test_params_are_what_conf_composes() -> None:
    params = yaml.safe_load((ROOT / PARAMS).read_text(encoding="utf-8"))
    assert params == compose((), ROOT / "conf"), "run `dvc repro`; after an experiment, write its settings into conf/"


def test_make_help_lists_every_target() -> None:
    makefile = (ROOT / "Makefile").read_text(encoding="utf-8")
    targets = set(re.findall(r"^\.PHONY: (\S+)", makefile, re.MULTILINE)) - {
        "data",
        "promoted",
        "browser",
    }  # what others need, not a user
    shown = subprocess.run(["make"], cwd=ROOT, check=True, capture_output=True, text=True).stdout
    assert targets == set(re.findall(r"^  make (\S+)  +\S", shown, re.MULTILINE))


def test_every_make_command_in_the_documents_exists() -> None:
    targets = set(re.findall(r"^([a-z][a-z-]*):", (ROOT / "Makefile").read_text(encoding="utf-8"), re.MULTILINE))
    for document in ("README.md", "CONTRIBUTING.md"):
        text = (ROOT / document).read_text(encoding="utf-8")
        named = set(re.findall(r"(?:^    |`)make ([a-z][a-z-]*)", text, re.MULTILINE))
        assert named <= targets, f"{document} names {sorted(named - targets)}, which the Makefile hasn't"


def test_remote_that_travels_with_the_clone_holds_photos_recordings_and_no_model() -> None:
    """By content, so that it holds whatever photos a user has made of them."""
    pictures = (b"\xff\xd8\xff", b"\x89PNG", b"RIFF")
    tables = (b"file,label,", b'[{"md5": ')  # the manifest; DVC's own list of a folder's files
    objects = [path for path in (ROOT / ".bundled").rglob("*") if path.is_file()]
    assert objects
    for path in objects:
        with path.open("rb") as file:
            head = file.read(12)
        heic = head[4:8] == b"ftyp"  # a recording, too
        words = path.stat().st_size < 2_000 and path.read_bytes().decode("utf-8", "replace").strip().isprintable()
        known = heic or head.startswith(pictures + tables) or words  # what a recording shows, in words
        assert known, f"{path.relative_to(ROOT)} is no photo: {head!r}"


def test_attribution_names_every_photo_of_the_manifest() -> None:
    command = [sys.executable, "-m", "pipeline.data", "attribution", "--check"]
    done = subprocess.run(command, cwd=ROOT, capture_output=True, text=True, check=False)
    assert done.returncode == 0, done.stderr


def test_readme_claims_what_was_measured() -> None:
    """Both as git has them: a run that is not committed changes nothing that the README says."""
    readme, evaluation = (_in_index(path) for path in ("README.md", "reports/evaluation.json"))
    if evaluation is None:
        pytest.fail("reports/evaluation.json is not in git: `dvc repro`, then `git add reports/evaluation.json`")
    assert readme is not None
    claimed = readme_parts.part(readme, "figures")
    assert claimed == readme_parts.figures(json.loads(evaluation)), "run `python -m scripts.dev.readme`"


def _in_index(path: str) -> str | None:
    done = subprocess.run(["git", "show", f":{path}"], cwd=ROOT, capture_output=True, text=True, check=False)
    return None if done.returncode else done.stdout
