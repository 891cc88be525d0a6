"""The image holds what is served and nothing else, and serves it with as little as a host may give."""

import json
import re
import tomllib
from collections.abc import Iterator
from pathlib import Path

import pytest

import bundle
from tests.deploy.containers import HARDENED, IMAGE, SMALLEST, Container, docker, network, started, wait
from tests.tiny_bundle import picture

ROOT = Path(__file__).parents[2]
MOST_MB = 300  # OpenVINO is about 100 of them, trimmed
FORBIDDEN_PACKAGES = {
    "torch", "torchvision", "fastai", "timm", "mlflow", "dvc", "hydra-core", "onnx", "pip", "setuptools", "wheel",
    "pytest", "playwright", "scikit-learn", "pandas",
}  # fmt: skip
FORBIDDEN_PROGRAMS = (
    "pip",
    "pip3",
    "node",
    "npm",
    "gcc",
    "cc",
    "g++",
    "clang",
    "make",
    "ld",
    "strip",
    "git",
    "curl",
    "wget",
)
FORBIDDEN_SYSTEM = re.compile(r"(gcc|g\+\+|cpp|clang|llvm)(-\d+)?|binutils|make|nodejs|npm|git|curl|wget|.*-dev")
LIST = "import importlib.metadata as m; print(*sorted(f'{d.name}=={d.version}' for d in m.distributions()), sep='\\n')"


def inside(*command: str) -> str:
    """What a command prints in the image, as root, so that it sees everything."""
    return docker("run", "--rm", "--network=none", "--user=0", f"--entrypoint={command[0]}", IMAGE, *command[1:])


@pytest.fixture(scope="module")
def smallest() -> Iterator[Container]:
    """The image on the smallest host, hardened, on a network with no way out; not to be stopped or changed."""
    with network("--internal") as name, started(*HARDENED, *SMALLEST, f"--network={name}") as container:
        container.await_ready()
        yield container


def test_packages_are_those_of_the_lock_and_nothing_to_train_build_or_install_with() -> None:
    lock = (ROOT / "requirements" / "service.lock").read_text(encoding="utf-8")
    locked = {f"{name}=={version}" for name, version in re.findall(r"^([\w.-]+)==([^\s;\\]+)", lock, re.MULTILINE)}
    found = {name.lower().replace("_", "-") for name in inside("/app/.venv/bin/python", "-c", LIST).splitlines()}
    assert {name.partition("==")[0] for name in found} & FORBIDDEN_PACKAGES == set()
    assert found <= {name.lower().replace("_", "-") for name in locked}
    assert len(found) > 10


def test_there_is_no_compiler_node_installer_or_downloader() -> None:
    script = "for name; do command -v $name || true; done"
    assert inside("/bin/sh", "-c", script, "sh", *FORBIDDEN_PROGRAMS) == ""
    installed = inside("/usr/bin/dpkg-query", "--show", "--showformat", "${Package}\n").splitlines()
    assert {name for name in installed if FORBIDDEN_SYSTEM.fullmatch(name)} == set()


def test_there_are_no_tests_sources_or_leftovers() -> None:
    listed = inside(
        "/usr/bin/find", "/app", "/root", "/tmp", "/var/lib/apt/lists", "/var/cache/apt", "-type", "f"
    ).splitlines()
    wrong = re.compile(r"/tests?/|\.tsx?$|/node_modules/|\.lock$|/web/src/|Dockerfile|\.deb$|/apt/lists/\w|first_run")
    allowed = re.compile(r"/\.venv/lib/python[\d.]+/site-packages/(starlette|fastapi|anyio|prometheus_client)/")
    assert [path for path in listed if wrong.search(path) and not allowed.search(path)] == []


def test_size_is_below_what_was_promised() -> None:
    size = int(docker("image", "inspect", "--format", "{{.Size}}", IMAGE)) / 1e6
    layers = docker("history", "--format", "{{.Size}}\t{{.CreatedBy}}", IMAGE)
    assert size < MOST_MB, f"{size:.0f} MB\n{layers}"


def test_nothing_in_the_application_can_be_written_by_its_user() -> None:
    writable = "find /app -writable -not -type l -not -path '/app/models/fetched' -not -path '/app/feedback'"
    listed = docker("run", "--rm", "--network=none", "--entrypoint=/bin/sh", IMAGE, "-c", writable)
    assert listed == ""
    user = docker("image", "inspect", "--format", "{{.Config.User}}", IMAGE)
    assert re.fullmatch(r"[1-9]\d*:[1-9]\d*", user), "a number, so that a cluster can see that it isn't root"


def test_labels_say_what_it_is_and_which_model_it_holds(smallest: Container) -> None:
    labels = json.loads(docker("image", "inspect", "--format", "{{json .Config.Labels}}", IMAGE))
    project = tomllib.loads((ROOT / "pyproject.toml").read_text(encoding="utf-8"))["project"]
    held = json.loads(smallest.run("cat", "/app/models/promoted/manifest.json"))
    assert labels["org.opencontainers.image.version"] == project["version"]
    assert re.fullmatch(r"[0-9a-f]{40}(-dirty)?", labels["org.opencontainers.image.revision"])
    assert labels["art-text-plant.model.version"] == held["version"]
    assert labels["art-text-plant.model.fingerprint"] == bundle.fingerprint(bundle.Manifest.model_validate(held))


def test_health_check_is_the_services_own_command(smallest: Container) -> None:
    health = json.loads(docker("image", "inspect", "--format", "{{json .Config.Healthcheck}}", IMAGE))
    assert health["Test"] == ["CMD", "python", "-m", "service", "health"]
    wait(lambda: smallest.inspect(".State.Health.Status") == "healthy", "the health check")


def test_it_answers_pictures_and_offers_its_page_where_there_is_no_way_out(smallest: Container) -> None:
    for kind in ("PNG", "JPEG", "WEBP"):
        answer = smallest.identify(picture("green", (640, 480), kind))
        assert abs(sum(answer["probabilities"].values()) - 1) < 1e-3
    assert smallest.run("test", "-f", "/app/web/dist/index.html") == ""
    status, manifest = smallest.get("/model")
    assert (status, manifest["version"]) == (200, smallest.model)


def test_golden_frames_are_answered_as_the_pipeline_answered_them(smallest: Container) -> None:
    """Over HTTP, as a client sees it; the service compares them itself before it is ready."""
    manifest = bundle.load(ROOT / "models" / "promoted").manifest
    if smallest.model != manifest.version:
        pytest.skip(f"the image holds {smallest.model}, this checkout {manifest.version}")
    for golden in manifest.golden:
        answer = smallest.identify((ROOT / "models" / "promoted" / golden.file).read_bytes())
        expected = golden.probabilities[manifest.default_variant]
        assert list(answer["probabilities"].values()) == pytest.approx(expected, abs=0.01)


def test_everything_that_is_loaded_has_its_bytecode_in_the_image(smallest: Container) -> None:
    """The root file system can't be written: what is missing would be compiled anew at each start."""
    code = (
        "import os, sys, service.cli.serve, service.cli.health, bundle.engine;"
        "specs = [m.__spec__ for m in list(sys.modules.values()) if getattr(m, '__spec__', None)];"
        "sources = [s for s in specs if type(s.loader).__name__ == 'SourceFileLoader'];"
        "print(*[s.origin for s in sources if not os.path.exists(s.cached)], sep='\\n')"
    )
    assert smallest.run("python", "-c", code) == ""


def test_it_stops_at_once_and_says_that_all_is_well() -> None:
    with started(*HARDENED, *SMALLEST, "--network=none") as container:
        wait(lambda: any(" serves " in line for line in container.output), "it to serve")
        docker("stop", "--time=10", container.name)
        assert container.status == 0
        assert container.errors == []
