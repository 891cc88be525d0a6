"""Clients that ask a service for answers all the time."""

import threading
import time

import httpx

BROKEN_PAUSE_S = 0.05  # after an answer that did not come


class Load:
    """Some clients for a block, each with a connection of its own; they send ``picture`` and rest ``pause_s``."""

    def __init__(self, address: str, clients: int, picture: bytes, pause_s: float = 0.0) -> None:
        self.statuses: list[int] = []
        self.seconds: list[float] = []  # of each answer
        self.models: list[str] = []  # of each picture that was answered, in the order in which they came
        self.broken: list[Exception] = []  # connections that were refused or broke
        self._address, self._picture, self._pause_s = address, picture, pause_s
        self._over = threading.Event()
        self._threads = [threading.Thread(target=self._ask) for _ in range(clients)]

    def __enter__(self) -> "Load":
        for thread in self._threads:
            thread.start()
        return self

    def __exit__(self, *_: object) -> None:
        self._over.set()
        for thread in self._threads:
            thread.join()

    @property
    def answered(self) -> int:
        """How many pictures were answered so far."""
        return len(self.models)

    def _ask(self) -> None:
        with httpx.Client(base_url=self._address, timeout=20, trust_env=False) as client:
            while not self._over.is_set():
                begun = time.monotonic()
                try:
                    answer = client.post("/identify", content=self._picture)
                except httpx.TransportError as error:
                    self.broken.append(error)
                    time.sleep(BROKEN_PAUSE_S)
                    continue
                self.seconds.append(time.monotonic() - begun)
                self.statuses.append(answer.status_code)
                if answer.status_code == 200:
                    self.models.append(answer.json()["model"])
                time.sleep(self._pause_s)
