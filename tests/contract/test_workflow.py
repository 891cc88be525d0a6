"""A fork's CI runs the commands that there are, with actions that can't change under it, and needs no secret."""

import json
import re
from typing import Any

import yaml

from tests.small_project import ROOT, files_in_git

WORKFLOWS = sorted((ROOT / ".github" / "workflows").glob("*.yml"))
TEXT = "\n".join(path.read_text(encoding="utf-8") for path in WORKFLOWS)


def steps() -> list[dict[str, Any]]:
    jobs = [job for path in WORKFLOWS for job in yaml.safe_load(path.read_text(encoding="utf-8"))["jobs"].values()]
    return [step for job in jobs for step in job["steps"]]


def test_every_action_is_pinned_by_commit_and_says_its_version() -> None:
    used = re.findall(r"uses: (.*)", TEXT)
    assert used
    for action in used:
        assert re.fullmatch(r"[\w-]+/[\w-]+@[0-9a-f]{40} # v\d+\.\d+\.\d+", action), action


def test_style_tests_and_image_are_run_by_commands_of_the_makefile() -> None:
    run = [step["run"] for step in steps() if "run" in step]
    assert run == ["make lint", "make test", "make image-test"]
    makefile = (ROOT / "Makefile").read_text(encoding="utf-8")
    for command in run:
        assert re.search(rf"^{command.removeprefix('make ')}:", makefile, re.MULTILINE), command


def test_no_secret_and_no_right_to_write_is_asked_for() -> None:
    assert "${{ secrets" not in TEXT
    for path in WORKFLOWS:
        assert yaml.safe_load(path.read_text(encoding="utf-8"))["permissions"] == {"contents": "read"}


def test_dependabot_looks_into_every_folder_that_has_dependencies() -> None:
    updates = yaml.safe_load((ROOT / ".github" / "dependabot.yml").read_text(encoding="utf-8"))["updates"]
    folders = {update["package-ecosystem"]: update.get("directories", [update.get("directory")]) for update in updates}
    assert folders.keys() == {"pip", "npm", "github-actions", "docker", "docker-compose"}
    for folder in folders["npm"]:
        assert json.loads((ROOT / folder.strip("/") / "package.json").read_text(encoding="utf-8"))
    for folder in folders["docker"]:
        assert list((ROOT / folder.strip("/")).glob("*Dockerfile"))
    tracked = (ROOT / name for name in files_in_git() if name.endswith(".lock"))
    locks = {path.parent for path in tracked if path.parent != ROOT}
    assert locks <= {ROOT / folder.strip("/") for folder in folders["pip"]}
