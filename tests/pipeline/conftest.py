"""The small project of tests/small_project.py: made once, run once, copied for each test that changes it."""

import shutil
from collections.abc import Iterator
from pathlib import Path

import pytest

from tests import bodies
from tests.small_project import Project, make


@pytest.fixture(scope="session")
def made_project(tmp_path_factory: pytest.TempPathFactory) -> Project:
    """The small project, committed, nothing run yet. Not to be changed: take `small_project`."""
    return make(tmp_path_factory.mktemp("made") / "project")


@pytest.fixture(scope="session")
def validated_project(made_project: Project, tmp_path_factory: pytest.TempPathFactory) -> Project:
    """The small project once its photos have been looked at and split; nothing is trained. Not to be changed."""
    project = made_project.copy(tmp_path_factory.mktemp("validated") / "project")
    print(project.run("dvc", "repro", "validate"))
    bodies.take(project.root)
    return project


@pytest.fixture(scope="session")
def finished_project(validated_project: Project, tmp_path_factory: pytest.TempPathFactory) -> Project:
    """The small project after one `dvc repro` from end to end, committed. Not to be changed."""
    project = validated_project.copy(tmp_path_factory.mktemp("finished") / "project")
    print(project.run("dvc", "repro"))
    project.commit("its first model")
    return project


@pytest.fixture
def small_project(finished_project: Project, tmp_path: Path) -> Iterator[Project]:
    """A copy of the finished project that a test may change."""
    project = finished_project.copy(tmp_path / "project")
    yield project
    shutil.rmtree(project.root, ignore_errors=True)  # some 30 MB a test
