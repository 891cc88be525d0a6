"""Model swaps under load, as many as fit in a time: no request fails, and memory stays flat.

    python -m scripts.bench.service.swaps --seconds 120        # or --swaps 1000

Two bundles of the promoted model, which differ in their version alone, take each other's place in a served folder while
four clients ask. Prints a line of JSON.
"""

import argparse
import http.client
import json
import shutil
import sys
import tempfile
import threading
import time
from collections import Counter
from collections.abc import Sequence
from pathlib import Path

import bundle
from scripts.bench.service import pictures
from scripts.bench.service.contenders import ROOT, SERVED, Task
from scripts.bench.service.server import Cores, free_port, running

PROMOTED = Path("models/promoted")
CLIENTS = 4
PATIENCE_S = 60.0


def _twin(folder: Path, version: str) -> None:
    shutil.copytree(ROOT / PROMOTED, folder)
    bundle.seal(folder, bundle.load_manifest(folder).model_copy(update={"version": version}))


class Asking:
    """Clients that ask all the time."""

    def __init__(self, port: int, photo: bytes) -> None:
        self.statuses: Counter[str] = Counter()
        self.models: Counter[str] = Counter()
        self.over = threading.Event()
        self._port, self._photo = port, photo
        self.threads = [threading.Thread(target=self._ask) for _ in range(CLIENTS)]
        for thread in self.threads:
            thread.start()

    def _ask(self) -> None:
        connection = http.client.HTTPConnection("127.0.0.1", self._port, timeout=30)
        while not self.over.is_set():
            try:
                connection.request("POST", "/identify", self._photo, {"Content-Type": "image/jpeg"})
                answer = connection.getresponse()
                values = json.loads(answer.read())
            except (OSError, http.client.HTTPException) as error:
                self.statuses[type(error).__name__] += 1
                connection.close()
                continue
            self.statuses[str(answer.status)] += 1
            self.models[values.get("model", "none")] += 1
        connection.close()


def _served(port: int) -> str:
    connection = http.client.HTTPConnection("127.0.0.1", port, timeout=30)
    try:
        connection.request("GET", "/readyz")
        return str(json.loads(connection.getresponse().read()).get("model"))
    finally:
        connection.close()


def main(argv: Sequence[str] | None = None) -> int:
    """Swap, and say what was seen; exit status 1 where a request failed."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--seconds", type=float, default=120)
    parser.add_argument("--swaps", type=int, default=1_000)
    given = parser.parse_args(argv)
    with tempfile.TemporaryDirectory(prefix="swaps-") as folder:
        scratch = Path(folder)
        versions = ("one", "two")
        for version in versions:
            _twin(scratch / version, version)
        live = scratch / "live"
        shutil.copytree(scratch / "one", live)
        variant = bundle.load_manifest(live).default_variant
        task = Task(live, variant, free_port(), scratch, scratch / "none")
        command = [*SERVED.command(task), "--poll-s", "0.05", "--log-level", "error"]
        with running(
            command,
            ready=SERVED.ready,
            port=task.port,
            log=scratch / "log",
            environment=SERVED.variables(task),
            cores=Cores.choose().server,
        ) as server:
            asking, done, memory = Asking(task.port, pictures.small()), 0, []
            begun = time.monotonic()
            while done < given.swaps and time.monotonic() - begun < given.seconds:
                version = versions[(done + 1) % 2]
                coming = scratch / "coming"
                shutil.copytree(scratch / version, coming)
                live.rename(scratch / "gone")
                coming.rename(live)
                shutil.rmtree(scratch / "gone")
                patience = time.monotonic() + PATIENCE_S
                while _served(task.port) != version and time.monotonic() < patience:
                    time.sleep(0.02)
                done += 1
                memory.append(round(server.memory()[1], 1))
            asking.over.set()
            for thread in asking.threads:
                thread.join()
    looks = [memory[at] for at in (min(4, len(memory) - 1), len(memory) // 2, -1)] if memory else []
    told = {
        "swaps": done,
        "statuses": dict(asking.statuses),
        "models": dict(asking.models),
        "memory_mb": looks,
    }
    print(json.dumps(told))
    return 0 if set(asking.statuses) <= {"200"} else 1


if __name__ == "__main__":
    sys.exit(main())
