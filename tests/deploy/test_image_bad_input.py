"""Whatever is wrong with what a container is given: one clear line, and the right exit status or readiness."""

import json
import shutil
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

import pytest

from tests.deploy.containers import HARDENED, IMAGE, Container, docker, network, readable, started, wait
from tests.tiny_bundle import make_bundle

HERE = Path(__file__).parent
FOLDER = "--env=MODEL=/models/promoted"
REGISTERED = (
    "--env=MODEL=models:/tiny@champion",
    "--env=MLFLOW_TRACKING_URI=http://registry:5000",
    "--env=POLL_S=0.2",
)
CACHE = "/app/models/fetched"


def last_words(*options: str, hardened: tuple[str, ...] = HARDENED) -> str:
    """The one line of error of a container that must end with status 1."""
    with started(*hardened, *options) as container:
        assert container.status == 1, "\n".join(container.output)
        said = [line for line in container.output if line.startswith("error: ")]
        assert len(said) == 1, "\n".join(container.output)
        assert not any("Traceback" in line for line in container.output)
        return said[0]


@pytest.fixture
def models(tmp_path: Path) -> Path:
    """A folder with a sound bundle, that the container may read."""
    make_bundle(tmp_path / "models" / "promoted", version="sound")
    tmp_path.chmod(0o755)
    return readable(tmp_path / "models")


def mount(models: Path) -> tuple[str, ...]:
    return f"--volume={models}:/models:ro", FOLDER


@contextmanager
def registry(models: Path, net: str) -> Iterator[Container]:
    """A registry whose first version is the sound bundle, called `registry` on the network."""
    if not (models / "1").exists():
        shutil.copytree(models / "promoted", models / "1")
    script = f"--volume={HERE / 'one_model_registry.py'}:/registry.py:ro"
    options = (
        script,
        f"--volume={models}:/models:ro",
        f"--network={net}",
        "--network-alias=registry",
        "--no-healthcheck",
    )
    with started(*options, "--entrypoint=python", image=IMAGE, command=("/registry.py", "/models")) as container:
        yield container


def test_no_bundle() -> None:
    assert "there is no model bundle at /nowhere" in last_words("--env=MODEL=/nowhere")


def test_a_damaged_bundle(models: Path) -> None:
    (models / "promoted" / "model.onnx").write_bytes(b"no model")
    said = last_words(*mount(models))
    assert "/models/promoted/model.onnx" in said
    assert "copy the bundle again" in said


def test_a_bundle_of_a_newer_manifest_version(models: Path) -> None:
    path = models / "promoted" / "manifest.json"
    path.write_text(json.dumps(json.loads(path.read_text()) | {"schema_version": 3}))
    said = last_words(*mount(models))
    assert "is of schema 3, this service knows 2: update the service" in said


def test_no_place_for_temporary_files(models: Path) -> None:
    said = last_words(*mount(models), hardened=("--read-only",))
    assert "there is no place for temporary files" in said
    assert "set TMPDIR" in said


def test_a_place_for_temporary_files_that_is_too_small(models: Path) -> None:
    (models / "promoted" / "golden" / "large").write_bytes(bytes(3_000_000))
    bundle_of(models)
    said = last_words(*mount(models), hardened=("--read-only", "--tmpfs=/tmp:size=1m,mode=1777"))
    assert "No space left on device" in said


def bundle_of(models: Path) -> None:
    """Seal the bundle again, with whatever else lies in it now."""
    import bundle

    manifest = bundle.load_manifest(models / "promoted")
    bundle.seal(models / "promoted", manifest)
    readable(models)


def test_a_port_that_is_in_use(models: Path) -> None:
    with started(*HARDENED, *mount(models)) as first:
        first.await_ready()
        said = last_words(*mount(models), f"--network=container:{first.name}")
    assert "8000" in said
    assert "in use" in said


@pytest.mark.parametrize("memory", ["64m", "92m"])
def test_too_little_memory(memory: str) -> None:
    said = last_words(f"--memory={memory}", f"--memory-swap={memory}")
    assert "memory limit" in said
    assert "may be needed" in said


def test_a_setting_that_is_wrong() -> None:
    assert "PORT" in last_words("--env=PORT=eighty")


def test_a_registry_that_is_down_at_the_start_and_comes_up_later(models: Path) -> None:
    with (
        network("--internal") as net,
        started(*HARDENED, *REGISTERED, f"--volume={CACHE}", f"--network={net}") as container,
    ):
        wait(lambda: container.get("/healthz")[0] == 200, "it to be alive")
        wait(lambda: any("can't be reached" in line for line in container.errors), "the reason")
        assert container.get("/readyz")[0] == 503
        assert len(container.errors) == 1, "said once, not at every look"
        assert container.inspect(".RestartCount") == 0
        with registry(models, net):
            container.await_ready("sound")


def test_a_registry_that_goes_away_and_a_restart_without_it(models: Path) -> None:
    with (
        network("--internal") as net,
        started(*HARDENED, *REGISTERED, f"--volume={CACHE}", f"--network={net}") as container,
    ):
        with registry(models, net):
            container.await_ready("sound")
        wait(lambda: container.get("/readyz")[1]["trouble"] == "unreachable", "it to notice")
        assert container.model == "sound"
        docker("restart", container.name)
        container.await_ready("sound")


def test_a_cache_that_can_not_be_written(models: Path) -> None:
    """As on a read-only root file system without a volume for it: the model serves; a restart fetches it again."""
    with (
        network("--internal") as net,
        registry(models, net),
        started(*HARDENED, *REGISTERED, f"--network={net}") as container,
    ):
        wait(lambda: any("unwritable" in line for line in container.errors), "the reason")
        (line,) = [line for line in container.errors if "unwritable" in line]
        assert CACHE.removeprefix("/app/") in line
        assert "Read-only file system" in line
        status, answer = container.get("/readyz")
        assert (status, answer["trouble"]) == (200, "unwritable")
        assert container.get("/healthz")[0] == 200
        assert len(container.errors) == 1
