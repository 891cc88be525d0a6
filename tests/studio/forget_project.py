"""A checkout in which a photo has got everywhere: its stores, two registered versions, reports and caches."""

import hashlib
import shutil
import subprocess
import sys
import zipfile
from pathlib import Path

import numpy as np
import pytest
import yaml

import bundle
from bundle.decode import open_rgb, to_frame
from bundle.engine import Engine
from pipeline.core import files
from pipeline.data import attribution
from pipeline.evaluate import plots
from pipeline.metrics.scores import Answers
from tests import promotion_project, tiny_bundle
from tests.photo_folder import PhotoFolder, encoded, picture
from tests.promotion_project import EQUAL, GOOD, Project

LABELS = ("art", "plant", "text")
FILE, COPY = "art/secret.jpg", "art/again.jpg"  # one photo under two names
SECRET = encoded(picture(7))
SHA256 = hashlib.sha256(SECRET).hexdigest()
MD5 = hashlib.md5(SECRET, usedforsecurity=False).hexdigest()
SIZE = 32


def run(*command: str) -> str:
    """Run a command in the current folder; it must succeed."""
    done = subprocess.run(command, capture_output=True, text=True, check=False)
    assert done.returncode == 0, f"{command}: {done.stdout}{done.stderr}"
    return done.stdout


def dvc(*arguments: str) -> str:
    """Run DVC."""
    return run(sys.executable, "-m", "dvc", *arguments)


def make(root: Path, patch: pytest.MonkeyPatch) -> Project:
    """A checkout in ``root``, with a remote inside and one beside it; it becomes the current folder."""
    root.mkdir(parents=True)
    project = promotion_project.make(root, patch)
    shutil.rmtree(root / "data")
    photos = PhotoFolder(root)
    photos.fill(dict.fromkeys(LABELS, 9))
    photos.register()
    photos.configure(size=SIZE)
    params = project.params | yaml.safe_load((root / "params.yaml").read_text())
    project.params = params
    project.write_params()
    assert photos.validate() == 0
    project.candidate(GOOD)
    promotion_project.run()
    photos.put(FILE, SECRET)
    photos.put(COPY, SECRET)
    photos.register()
    assert photos.validate() == 0
    project.candidate(EQUAL)
    promotion_project.run()
    _stores(root)
    _made_of_it(root, project)
    return project


def _stores(root: Path) -> None:
    shutil.copy(Path(__file__).parents[2] / ".dvcignore", root)
    run("git", "init", "--quiet", "--initial-branch", "main")
    run("git", "config", "user.name", "A test")
    run("git", "config", "user.email", "test@example.org")
    (root / ".gitignore").write_text("/data\n/build/\n/.studio/\n/models/\n/.mlflow/\n/reports/\n")
    dvc("init", "--quiet")
    dvc("config", "core.analytics", "false")
    dvc("remote", "add", "--default", "bundled", ".bundled")
    dvc("remote", "add", "disk", str(root.parent / "disk"))
    dvc("add", "--quiet", "data")
    dvc("push", "--quiet", "data.dvc")
    dvc("push", "--quiet", "--remote", "disk", "data.dvc")
    attribution.update(root / "data/manifest.csv", root / "ATTRIBUTION.md")
    run("git", "add", "--all")
    run("git", "commit", "--quiet", "-m", "with the photo")


def _made_of_it(root: Path, project: Project) -> None:
    """What the pipeline, the studio and people make of a photo."""
    made = tiny_bundle.make_bundle(root.parent / "model", LABELS, size=SIZE)
    frame = to_frame(open_rgb(SECRET, min_side=SIZE), SIZE)
    frames = np.stack([frame, np.full_like(frame, 9)])
    truth, probabilities = np.array([0, 1]), np.array([[0.1, 0.9, 0.0], [0.9, 0.1, 0.0]])
    answers = Answers(LABELS, truth, probabilities, np.ones(2), 0.5, ("a", "b"))
    plots._mistakes(answers, frames, Engine(bundle.load(made.folder), "fp32"), (*LABELS, "none"))
    sheet, page = root / plots.FOLDER / "worst_mistakes.png", root / "reports/validation.html"
    for file in (sheet, page):
        digest = hashlib.md5(file.read_bytes(), usedforsecurity=False).hexdigest()
        for store in (".dvc/cache", "../disk"):
            files.write_bytes(root / store / "files/md5" / digest[:2] / digest[2:], file.read_bytes())
    runs = root / ".dvc/cache/runs/ab/abc/def"
    files.write_text(runs, f"cmd: x\nouts:\n- path: y\n  md5: {MD5}\n")
    with zipfile.ZipFile(root / "reports/sent.zip", "w") as archive:
        archive.writestr("a.jpg", SECRET)
        archive.writestr("b.txt", "stays")
    run_id = project.registry.versions()[0].run_id
    project.registry.store.call("log_artifact", run_id, str(sheet), "plots")
    for name in ("removed", "wrong"):
        files.write_bytes(root / ".studio" / name / SHA256, SECRET)
    files.write_bytes(root / f".studio/thumbs/{SHA256}-96.jpg", b"a thumbnail")
    files.write_bytes(root / f".studio/thumbs/{'0' * 64}-96.jpg", b"of another photo")


def holding(*folders: Path) -> list[str]:
    """Every file that holds the bytes of the photo, found without any code of the project; git's own store aside."""
    return [
        str(path)
        for folder in folders
        for path in sorted(folder.rglob("*"))
        if path.is_file() and ".git" not in path.parts and SECRET in path.read_bytes()
    ]
