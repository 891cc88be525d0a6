"""What is written down in deploy/, compose.yaml and render.yaml fits together, and fits the service."""

import fnmatch
import re
import shutil
import subprocess
import sys
from pathlib import Path
from typing import Any

import pytest
import yaml

from scripts.release import deploy_branch
from service.settings import Settings
from tests.small_project import ROOT, files_in_git

DOCKERFILES = ("deploy/Dockerfile", "deploy/pipeline.Dockerfile")
UNIT = ROOT / "deploy" / "art-text-plant.service"
MOST_EXPOSED = 15  # tenths, as systemd-analyze counts from 0 (nothing may be done) to 100
SETTINGS = {name.upper() for name in Settings.model_fields}


def ignored(path: str, patterns: list[str]) -> bool:
    """Whether Docker leaves a file out of the build context: the last pattern that matches it or a parent decides."""
    parts = path.split("/")
    parents = ["/".join(parts[: end + 1]) for end in range(len(parts))]
    out = False
    for line in patterns:
        pattern = line.removeprefix("!")
        if any(_matches(parent, pattern) for parent in parents):
            out = not line.startswith("!")
    return out


def _matches(path: str, pattern: str) -> bool:
    if pattern.startswith("**/"):
        return any(fnmatch.fnmatchcase(part, pattern[3:]) for part in path.split("/"))
    return path.count("/") == pattern.count("/") and fnmatch.fnmatchcase(path, pattern)


def patterns(file: str) -> list[str]:
    lines = (ROOT / file).read_text(encoding="utf-8").splitlines()
    return [line for line in lines if line and not line.startswith("#")]


def copied(dockerfile: str) -> list[str]:
    """What a Dockerfile copies from the build context."""
    text = (ROOT / dockerfile).read_text(encoding="utf-8")
    found = re.findall(r"^COPY (?!--from)(?:--\S+ )*(.+) \S+$", text, re.MULTILINE)
    return [source for sources in found for source in sources.split()]


@pytest.mark.parametrize("file", DOCKERFILES)
def test_hadolint_finds_nothing(file: str) -> None:
    hadolint = Path(sys.prefix) / "bin" / "hadolint"
    done = subprocess.run([hadolint, "--no-color", file], cwd=ROOT, capture_output=True, text=True, check=False)
    assert done.returncode == 0, done.stdout + done.stderr


@pytest.mark.parametrize("file", DOCKERFILES)
def test_bases_are_arguments_and_the_last_user_is_a_number_that_is_not_root(file: str) -> None:
    text = (ROOT / file).read_text(encoding="utf-8")
    bases = re.findall(r"^FROM (\S+)", text, re.MULTILINE)
    assert bases
    assert all(re.fullmatch(r"\$\{\w+\}|scratch", base) for base in bases), bases
    assert re.fullmatch(r"[1-9]\d*:[1-9]\d*", re.findall(r"^USER (\S+)", text, re.MULTILINE)[-1])


def test_the_build_context_holds_what_is_served_and_nothing_else() -> None:
    rules = patterns(".dockerignore")
    assert rules[0] == "*", "a list of what is let in, so that what comes later stays out"
    let_in = {name for name in files_in_git() if not ignored(name, rules)}
    allowed = re.compile(
        r"(bundle|service)/[\w/]+\.py|web/(src|public)/.+|web/[\w.-]+\.(json|ts|html)|web/\.npmrc|LICENSE|deploy/(first_run|seed)\.py"
        r"|requirements/service\.lock"
    )
    assert {name for name in let_in if not allowed.fullmatch(name)} == set()
    assert not [name for name in let_in if ".test." in name]
    assert "service/__main__.py" in let_in
    for kept in (
        "data/images/a.jpg",
        ".env",
        ".git/config",
        "models/candidate/model.onnx",
        "web/node_modules/a.js",
    ):
        assert ignored(kept, rules), kept
    assert not ignored("models/promoted/model.onnx", rules)


@pytest.mark.parametrize(
    ("file", "rules"),
    [
        ("deploy/Dockerfile", ".dockerignore"),
        ("deploy/pipeline.Dockerfile", "deploy/pipeline.Dockerfile.dockerignore"),
    ],
)
def test_everything_that_is_copied_is_let_in(file: str, rules: str) -> None:
    names = [*copied(file), *(["deploy/first_run.py"] if file == "deploy/Dockerfile" else [])]
    assert names
    for name in names:
        assert (ROOT / name).exists(), name
        inside = f"{name}/src/main.tsx" if name == "web" else f"{name}/app.py" if (ROOT / name).is_dir() else name
        assert not ignored(inside, patterns(rules)), name


def compose() -> dict[str, Any]:
    services: dict[str, Any] = yaml.safe_load((ROOT / "compose.yaml").read_text(encoding="utf-8"))["services"]
    return services


def test_compose_publishes_the_page_and_mlflow_alone_and_both_on_loopback() -> None:
    published = {name: service["ports"] for name, service in compose().items() if "ports" in service}
    assert set(published) == {"service", "mlflow"}
    for ports in published.values():
        assert all(re.fullmatch(r"\$\{\w+:-127\.0\.0\.1:\d+\}:\d+", port) for port in ports)


@pytest.mark.parametrize("name", compose())
def test_compose_hardens_and_orders_every_service(name: str) -> None:
    service = compose()[name]
    assert "no-new-privileges:true" in service["security_opt"]
    if name != "postgres":  # its image begins as root, and changes to its own user
        assert service["read_only"]
        assert service["cap_drop"] == ["ALL"]
    if service["restart"] != "no":
        limits = service["deploy"]["resources"]["limits"]
        assert {"cpus", "memory", "pids"} <= limits.keys()
        assert "healthcheck" in service or name == "service", "the image of the service brings its own"
    for needed, how in service.get("depends_on", {}).items():
        assert needed in compose()
        assert how["condition"] != "service_healthy" or needed in ("mlflow", "postgres")


def test_compose_and_render_set_what_the_service_knows() -> None:
    assert set(compose()["service"]["environment"]) <= SETTINGS
    [service] = yaml.safe_load((ROOT / "render.yaml").read_text(encoding="utf-8"))["services"]
    values = {each["key"]: each["value"] for each in service["envVars"]}
    assert set(values) <= SETTINGS
    Settings.model_validate({name.lower(): value for name, value in values.items()})
    assert (ROOT / service["dockerfilePath"]).is_file()
    assert service["healthCheckPath"] == "/readyz"
    assert service["branch"] == deploy_branch.BRANCH


def test_compose_is_what_docker_understands() -> None:
    if shutil.which("docker") is None:
        pytest.skip("there is no docker here")
    if subprocess.run(["docker", "compose", "version"], capture_output=True, check=False).returncode:
        pytest.skip("this docker has no compose")
    command = ["docker", "compose", "--profile", "postgres", "--profile", "pipeline", "config", "--services"]
    done = subprocess.run(command, cwd=ROOT, capture_output=True, text=True, check=False)
    assert done.returncode == 0, done.stderr
    assert set(done.stdout.split()) == set(compose())


def test_systemd_unit_is_understood_and_may_do_little() -> None:
    if shutil.which("systemd-analyze") is None:
        pytest.skip("there is no systemd-analyze here")
    verified = subprocess.run(["systemd-analyze", "verify", UNIT], capture_output=True, text=True, check=False)
    wrong = [line for line in verified.stderr.splitlines() if UNIT.name in line and "is not executable" not in line]
    assert wrong == []
    options = ["--offline=true", f"--threshold={MOST_EXPOSED}", "--no-pager"]
    judged = subprocess.run(
        ["systemd-analyze", "security", *options, UNIT], capture_output=True, text=True, check=False
    )
    assert judged.returncode == 0, judged.stdout.splitlines()[-1]


def test_systemd_unit_stops_within_its_time_and_sets_what_the_service_knows() -> None:
    text = UNIT.read_text(encoding="utf-8")
    names = re.findall(r"(\w+)=", " ".join(re.findall(r"^Environment=(.*)$", text, re.MULTILINE)))
    assert {name for name in names if not name.startswith("PYTHON")} <= SETTINGS
    assert "ExecStart=/srv/art-text-plant/.venv-service/bin/python -m service\n" in text
    assert re.search(r"^StartLimitBurst=\d+$", text, re.MULTILINE), "no endless restarts"
