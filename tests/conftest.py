"""How the tests are run: no limit of time in Hypothesis, and how pytest-xdist spreads them over processes (`-n 2`).

A file stays in one process, so that what it starts is started once; the files of the small project stay together, as
its first `dvc repro` takes a minute. The long ones come first. In one process alone the order changes and nothing else.
"""

from pathlib import Path

import pytest
from hypothesis import HealthCheck, settings
from xdist.remote import Producer
from xdist.scheduler import LoadScopeScheduling

PROJECT = ("stale_configuration", "end_to_end", "own_photos", "make", "keep")  # of tests/pipeline
ORDER = ("pipeline", "e2e", "demo", "gif", "service")  # the other folders are done in seconds

# Hypothesis' own limits (0.2 s an example, 1 s to make some) would let a test fail on a busy machine.
settings.register_profile("unhurried", deadline=None, suppress_health_check=[HealthCheck.too_slow])
settings.load_profile("unhurried")


class ByFile(LoadScopeScheduling):  # type: ignore[misc]  # xdist has no types
    """xdist's own `--dist=loadfile`, with some files taken for one."""

    def _split_scope(self, nodeid: str) -> str:
        file, _, _ = nodeid.partition("::")
        return "the small project" if _has_project(Path(file)) else file


def pytest_xdist_make_scheduler(config: pytest.Config, log: Producer) -> ByFile:
    """What xdist asks for."""
    return ByFile(config, log)


def pytest_collection_modifyitems(items: list[pytest.Item]) -> None:
    """Put the long ones first, else one process ends with them while the others have nothing left to do."""
    items.sort(key=lambda item: _place(item.path))


def _has_project(file: Path) -> bool:
    return file.parent.name == "pipeline" and file.stem.removeprefix("test_") in PROJECT


def _place(file: Path) -> tuple[bool, int]:
    folder = file.relative_to(Path(__file__).parent).parts[0]
    return not _has_project(file), ORDER.index(folder) if folder in ORDER else len(ORDER)
