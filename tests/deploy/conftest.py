"""Tests of an image need one, and an engine: they are skipped, and say so, where there is none."""

import pytest

from tests.deploy import containers


def pytest_collection_modifyitems(items: list[pytest.Item]) -> None:
    """Skip what can't be run here, rather than fail."""
    if why := containers.why_not():
        for item in items:
            if item.path.name.startswith("test_image"):
                item.add_marker(pytest.mark.skip(reason=why))
