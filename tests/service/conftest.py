"""One service for all tests that change nothing about it."""

from collections.abc import Iterator
from pathlib import Path

import pytest

from tests.service.running import Running, running
from tests.tiny_bundle import make_bundle


@pytest.fixture(scope="session")
def service(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Running]:
    """A service with the tiny bundle, and small limits; not to be stopped or changed."""
    folder: Path = tmp_path_factory.mktemp("service")
    make_bundle(folder / "promoted", variants=("fp32", "int8"))
    with running(
        folder,
        timeout_s=1.0,
        body_bytes=1_000_000,
        frame_bytes=500_000,
        buffer_bytes=20_000_000,
        cors_origins="https://friend.example,http://127.0.0.1:5173",
    ) as one:
        yield one
        assert [line for line in one.lines if "exception" in line] == []
