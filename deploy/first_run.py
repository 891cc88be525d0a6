"""Run the service once while its image is built: `first_run.py BUNDLE`, in the folder of the application.

Two things come of it. A bundle goes into the image (models/promoted/) only where this image's own packages
reproduce its golden frames, and answer a picture over HTTP. And the bytecode of exactly the modules that serving
loads is left in bytecode/: the finished image can't write any, and without it a start takes twice as long.

Without a bundle (BUNDLE is a folder of nothing but the build context) the service takes its model from a registry
later; then it runs without one here.
"""

import http.client
import os
import shutil
import socket
import subprocess
import sys
import time
from collections.abc import Callable
from pathlib import Path

BYTECODE = Path("bytecode").absolute()
PROMOTED = Path("models/promoted")
NOBODY = "http://127.0.0.1:9"  # port 9, discard: a registry that is not there
PATIENCE_S = 60.0


class FirstRunError(Exception):
    """Why this image must not be made, in a sentence with the way out."""


def copy_bundle(bundle: Path) -> bool:
    """Copy the bundle to where it is served from; False where the image shall have none.

    Raises:
        FirstRunError: it is wanted, but not in the build context.
    """
    PROMOTED.mkdir(parents=True)
    if bundle.name in ("", "context"):
        return False
    if not (bundle / "manifest.json").is_file():
        raise FirstRunError(
            f"there is no model bundle at {bundle.relative_to('/context')}: make one with `make model`, or build an "
            "image that takes its model from a registry: --build-arg BUNDLE="
        )
    shutil.copytree(bundle, PROMOTED, dirs_exist_ok=True)
    for path in (PROMOTED, *PROMOTED.rglob("*")):
        path.chmod(0o755 if path.is_dir() else 0o644)  # whatever the checkout's umask was
    return True


def ask(port: int, path: str, body: bytes | None = None) -> tuple[int, bytes]:
    """Status and body of an answer; status 0 where nobody answers."""
    connection = http.client.HTTPConnection("127.0.0.1", port, timeout=10)
    try:
        connection.request("GET" if body is None else "POST", path, body, {"Content-Type": "image/png"} if body else {})
        answer = connection.getresponse()
        return answer.status, answer.read()
    except OSError:
        return 0, b""
    finally:
        connection.close()


def wait(holds: Callable[[], bool], service: "subprocess.Popen[bytes]") -> None:
    """Wait until something holds.

    Raises:
        FirstRunError: the service ended, or it takes too long; the build's log has what the service said.
    """
    end = time.monotonic() + PATIENCE_S
    while not holds():
        if service.poll() is not None or time.monotonic() > end:
            raise FirstRunError("the service did not come to serve; its last lines above say why")
        time.sleep(0.05)


def free_port() -> int:
    """A port of the loopback: a build may share the network of its host, where something may use any fixed one."""
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        return int(probe.getsockname()[1])


def run(has_model: bool) -> None:
    """Serve, answer each golden frame and stop.

    Raises:
        FirstRunError: it did not.
    """
    port = free_port()
    settings = {"BIND": "127.0.0.1", "PORT": str(port), "THREADS": "1", "PYTHONPYCACHEPREFIX": str(BYTECODE)}
    if not has_model:
        settings |= {"MODEL": "models:/none@none", "MLFLOW_TRACKING_URI": NOBODY}
    environment = {name: value for name, value in os.environ.items() if name != "PYTHONDONTWRITEBYTECODE"}
    service = subprocess.Popen([sys.executable, "-m", "service"], env=environment | settings)
    try:
        wait(lambda: ask(port, "/readyz" if has_model else "/healthz")[0] == http.client.OK, service)
        for path in ("/", "/metrics", "/docs"):
            ask(port, path)
        for picture in sorted((PROMOTED / "golden").glob("*.png")):
            status, said = ask(port, "/identify", picture.read_bytes())
            if status != http.client.OK:
                raise FirstRunError(f"{picture} is answered {status}: {said.decode(errors='replace')}")
        subprocess.run(
            [sys.executable, "-m", "service", "health"], env=environment | settings, check=has_model
        )  # for its bytecode
    finally:
        service.terminate()
        service.wait()


def main(arguments: list[str]) -> int:
    """The exit status."""
    try:
        run(copy_bundle(Path(arguments[0])))
    except FirstRunError as error:
        print(f"error: {error}", file=sys.stderr)
        return 1
    return 0


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
