"""Containers of the image under test, on the engine that `docker` reaches; what tests start, they remove."""

import json
import os
import shutil
import subprocess
import time
import urllib.error
import urllib.request
import uuid
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import Any

IMAGE = os.environ.get("IMAGE", "")  # the tag that `make image-test` built
MLFLOW_IMAGE = os.environ.get("MLFLOW_IMAGE", "")
PATIENCE_S = 60.0
HARDENED = (
    "--read-only",
    "--tmpfs=/tmp:size=128m,mode=1777",
    "--cap-drop=ALL",
    "--security-opt=no-new-privileges",
    "--pids-limit=128",
)
SMALLEST = (
    "--memory=384m",
    "--memory-swap=384m",
    "--cpus=1",
    "--env=DECODE_BYTES=30000000",
    "--env=BUFFER_BYTES=20000000",
    "--env=STREAMS=8",
    "--env=CONNECTIONS=64",
)


def docker(*arguments: str, check: bool = True) -> str:
    """Run the client; what it printed on stdout. Its error text is in the assertion where it fails."""
    done = subprocess.run(["docker", *arguments], capture_output=True, text=True, check=False)
    assert done.returncode == 0 or not check, f"docker {' '.join(arguments)}: {done.stderr}"
    return done.stdout.strip()


def why_not() -> str:
    """Why images can't be tested here; empty where they can."""
    if not IMAGE:
        return "IMAGE names no image: `make image-test` builds and tests one"
    if shutil.which("docker") is None:
        return "there is no docker here"
    return ""


@dataclass(frozen=True)
class Container:
    """One that was started."""

    name: str

    def inspect(self, what: str) -> Any:
        """A part of `docker inspect`, by Go template."""
        return json.loads(docker("inspect", "--format", f"{{{{json {what}}}}}", self.name))

    @property
    def address(self) -> str:
        """Where its port 8000 answers: published on loopback, or its own address on a network without a way out."""
        ports = self.inspect(".NetworkSettings.Ports") or {}
        if bound := ports.get("8000/tcp"):
            return f"http://127.0.0.1:{bound[0]['HostPort']}"
        networks = self.inspect(".NetworkSettings.Networks").values()
        return f"http://{next(iter(networks))['IPAddress']}:8000"

    @property
    def running(self) -> bool:
        """Whether it runs now."""
        return bool(self.inspect(".State.Running"))

    @property
    def status(self) -> int:
        """Its exit status, once it has ended."""
        wait(lambda: not self.running, f"{self.name} to end")
        return int(self.inspect(".State.ExitCode"))

    @property
    def output(self) -> list[str]:
        """What it wrote, both streams."""
        done = subprocess.run(["docker", "logs", self.name], capture_output=True, text=True, check=True)
        return (done.stdout + done.stderr).splitlines()

    @property
    def errors(self) -> list[str]:
        """The lines that say what is wrong."""
        return [line for line in self.output if line.startswith("error: ") or '"level": "error"' in line]

    def run(self, *command: str, check: bool = True) -> str:
        """Run a command inside."""
        return docker("exec", self.name, *command, check=check)

    def get(self, path: str, body: bytes | None = None) -> tuple[int, dict[str, Any]]:
        """Status and JSON of an answer; 0 and nothing where nobody answers."""
        request = urllib.request.Request(self.address + path, body, {"Content-Type": "image/png"} if body else {})
        opener = urllib.request.build_opener(urllib.request.ProxyHandler({}))
        try:
            with opener.open(request, timeout=10) as answer:
                return answer.status, json.loads(answer.read())
        except urllib.error.HTTPError as error:
            with error:
                return error.code, json.loads(error.read())
        except OSError:
            return 0, {}

    def identify(self, picture: bytes) -> dict[str, Any]:
        """The answer to a picture."""
        status, answer = self.get("/identify", picture)
        assert status == 200, answer
        return answer

    @property
    def model(self) -> str | None:
        """The model that is served; None while it is not ready."""
        status, answer = self.get("/readyz")
        return str(answer["model"]) if status == 200 else None

    def await_ready(self, model: str | None = None) -> None:
        """Wait until it serves, this model if one is named."""

        def ready() -> bool:
            assert self.running, "\n".join(self.output)
            return self.model is not None and model in (None, self.model)

        wait(ready, f"{self.name} to serve {model or 'a model'}")

    def processes(self) -> dict[int, str]:
        """Process ids as this machine counts them, and the command lines."""
        lines = docker("top", self.name, "-eo", "pid,args").splitlines()[1:]
        return {int(line.split()[0]): line.split(None, 1)[1] for line in lines}


@contextmanager
def started(*options: str, image: str = "", command: tuple[str, ...] = ()) -> Iterator[Container]:
    """A container for a block."""
    container = Container(f"art-text-plant-test-{uuid.uuid4().hex[:12]}")
    docker("run", "--detach", "--name", container.name, *options, image or IMAGE, *command)
    try:
        yield container
    finally:
        docker("rm", "--force", "--volumes", container.name, check=False)


@contextmanager
def network(*options: str) -> Iterator[str]:
    """A network for a block."""
    name = f"art-text-plant-test-{uuid.uuid4().hex[:12]}"
    docker("network", "create", *options, name)
    try:
        yield name
    finally:
        docker("network", "rm", name, check=False)


def wait(holds: Any, what: str, patience_s: float = PATIENCE_S) -> None:
    """Wait until something holds, and fail where it does not come to."""
    end = time.monotonic() + patience_s
    while not holds():
        assert time.monotonic() < end, f"waited {patience_s:g} s for {what}"
        time.sleep(0.05)


def readable(folder: Path) -> Path:
    """Let everybody read a folder of a test, as the container's user is another."""
    for path in (folder, *folder.rglob("*")):
        path.chmod(0o755 if path.is_dir() else 0o644)
    return folder
