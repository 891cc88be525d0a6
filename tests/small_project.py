"""A small real project: this working tree with a few dozen of its photos, and what a user types there."""

import csv
import os
import re
import shutil
import subprocess
from dataclasses import dataclass
from pathlib import Path

import yaml

from scripts.dev.clone import environment
from tests import bodies

ROOT = Path(__file__).parents[1]
PHOTOS = {"art": 10, "text": 10, "plant": 10, "other": 10}  # 8 of a label must be enough to train on
# 64 pixels a side, where the project's default is 224: an eighth of the time. The policy asks for more than a guess
# gives, and for no more, so that what is tested does not hang on how well a dozen test pictures go.
SMALL = """
model:
  size: 64
promote:
  floors:
    served_accuracy_low: 0.34
    recall: 0.1
    auroc: 0.5
    agreement: 0.5
  ceilings:
    fnr: 0.5
    fnr_of_label: 0.8
    fpr: 1.0
    overconfidence: 0.6
    latency_ms: 1000.0
  small_set:
    below: 0
    label_below: 0
"""


@dataclass(frozen=True)
class Project:
    """A checkout in a folder of its own, with the commands that a user types there."""

    root: Path

    @property
    def environment(self) -> dict[str, str]:
        """A fresh shell's variables, with the programs of .venv first."""
        return environment() | {
            "PATH": f"{ROOT / '.venv' / 'bin'}{os.pathsep}{os.environ['PATH']}",
            "DVC_NO_ANALYTICS": "1",
            "PYTHONDONTWRITEBYTECODE": "1",
        }

    def run(self, *command: str, fails: bool = False) -> str:
        """Run ``command``; return what it printed, both streams. It must succeed, or fail where ``fails``."""
        done = subprocess.run(
            command,
            cwd=self.root,
            env=self.environment,
            stdout=subprocess.PIPE,
            stderr=subprocess.STDOUT,
            text=True,
            check=False,
        )
        assert (done.returncode != 0) == fails, f"{' '.join(command)}: {done.returncode}\n{done.stdout}"
        return done.stdout

    def repro(self, *arguments: str) -> list[str]:
        """Run ``dvc repro``; return the stages that ran, in their order."""
        return ran(self.run("dvc", "repro", *arguments))

    def commit(self, message: str = "a step of a test") -> None:
        """Commit everything that git does not ignore."""
        self.run("git", "add", "--all")
        self.run("git", "commit", "--quiet", "--allow-empty", "-m", message)

    def edit(self, path: str, old: str, new: str) -> None:
        """Replace ``old``, which must be there, in a file."""
        file = self.root / path
        text = file.read_text(encoding="utf-8")
        assert old in text, f"{path} has no {old!r}"
        file.write_text(text.replace(old, new), encoding="utf-8")

    def set(self, path: str, key: str, value: object) -> None:
        """Give a key, which must be there once at any depth, of a YAML file another value."""
        file = self.root / path
        text, found = re.subn(rf"(?m)^( *{key}: ).*$", rf"\g<1>{value}", file.read_text(encoding="utf-8"))
        assert found == 1, f"{path} has {key} {found} times"
        file.write_text(text, encoding="utf-8")

    def params(self) -> dict[str, dict[str, object]]:
        """params.yaml as it is now."""
        values: dict[str, dict[str, object]] = yaml.safe_load((self.root / "params.yaml").read_text(encoding="utf-8"))
        return values

    def copy(self, to: Path) -> "Project":
        """All of it, outputs and runs as well, in another folder."""
        shutil.copytree(self.root, to, symlinks=True)
        return Project(to)


def ran(output: str) -> list[str]:
    """The stages that an output of DVC says were run."""
    marker = "Running stage '"
    return [line.removeprefix(marker).partition("'")[0] for line in output.splitlines() if line.startswith(marker)]


def photos(of: Path, to: Path) -> None:
    """Copy a few photos of ``of`` (a data/ folder), spread over its manifest, and their rows to ``to``."""
    with (of / "manifest.csv").open(encoding="utf-8", newline="") as file:
        reader = csv.DictReader(file)
        rows = list(reader)
        columns = reader.fieldnames or []
    chosen = []
    for label, number in PHOTOS.items():
        candidates = [row for row in rows if row["label"] == label and row["kind"] == "real"]
        chosen += candidates[:: len(candidates) // number][:number]
    for row in chosen:
        target = to / "images" / row["file"]
        target.parent.mkdir(parents=True, exist_ok=True)
        shutil.copyfile(of / "images" / row["file"], target)
    with (to / "manifest.csv").open("w", encoding="utf-8", newline="") as file:
        writer = csv.DictWriter(file, columns, lineterminator="\n")
        writer.writeheader()
        writer.writerows(chosen)


def files_in_git() -> list[str]:
    """Files of this working tree that git tracks or would add, sorted."""
    listed = subprocess.run(
        ["git", "ls-files", "--cached", "--others", "--exclude-standard", "-z"],
        cwd=ROOT,
        check=True,
        capture_output=True,
        text=True,
    ).stdout.split("\0")
    return sorted({name for name in listed if name})


def make(root: Path) -> Project:
    """Make the small project in the folder ``root`` and commit it; nothing is run yet."""
    for name in files_in_git():
        left_out = name.startswith((".bundled/", "tests/", "data.dvc", "dvc.lock"))
        if not left_out and (ROOT / name).is_file():
            (root / name).parent.mkdir(parents=True, exist_ok=True)
            shutil.copy2(ROOT / name, root / name)
    photos(ROOT / "data", root / "data")
    bodies.lend(root)
    project = Project(root)
    with (root / "conf" / "config.yaml").open("a", encoding="utf-8") as file:
        file.write(SMALL)
    project.run("git", "init", "--quiet", "--initial-branch", "main")
    project.run("git", "config", "user.name", "A test")
    project.run("git", "config", "user.email", "test@example.org")
    project.run("dvc", "add", "--quiet", "data")
    project.run("dvc", "push", "--quiet", "data.dvc")
    project.commit("a small project")
    return project
