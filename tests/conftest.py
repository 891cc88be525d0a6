"""How pytest-xdist spreads the tests over its processes (`-n 2`): by file, and the long ones first.

A file stays in one process, so that what it starts is started once; so do all tests of the small project, whose
first `dvc repro` takes a minute. In one process alone the order changes and nothing else.
"""

import pytest

SMALL_PROJECT = "made_project"  # the fixture that all others of the project are made of
ORDER = ("pipeline", "e2e", "demo", "gif", "service")  # the other folders are done in seconds


@pytest.hookimpl(tryfirst=True)  # before xdist reads the groups
def pytest_collection_modifyitems(items: list[pytest.Item]) -> None:
    """Name each test's group, and put the long ones first, else one process ends with them while the others rest."""
    for item in items:
        group = SMALL_PROJECT if _needs_project(item) else item.path.relative_to(item.config.rootpath).as_posix()
        item.add_marker(pytest.mark.xdist_group(group))
    items.sort(key=_place)


def _needs_project(item: pytest.Item) -> bool:
    return SMALL_PROJECT in getattr(item, "fixturenames", ())


def _place(item: pytest.Item) -> tuple[bool, int]:
    folder = item.path.relative_to(item.config.rootpath / "tests").parts[0]
    return not _needs_project(item), ORDER.index(folder) if folder in ORDER else len(ORDER)
