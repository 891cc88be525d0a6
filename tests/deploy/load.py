"""Clients that ask a service for answers all the time."""

import threading
import time

import httpx

PAUSE_S = 0.05  # after an answer that did not come


class Load:
    """Some clients, each with a connection of its own, for a block."""

    def __init__(self, address: str, clients: int, picture: bytes) -> None:
        self.statuses: list[int] = []
        self.models: list[str] = []  # of each answer, in the order in which they came
        self.broken = 0  # connections that were refused or broke
        self._address, self._picture = address, picture
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
                try:
                    answer = client.post("/identify", content=self._picture)
                except httpx.TransportError:
                    self.broken += 1
                    time.sleep(PAUSE_S)
                    continue
                self.statuses.append(answer.status_code)
                if answer.status_code == 200:
                    self.models.append(answer.json()["model"])
                else:
                    time.sleep(PAUSE_S)
