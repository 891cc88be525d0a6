"""What a user types: `make` fetches the photos once and leaves what was put there. For `make photos` see own photos."""

from pathlib import Path

import pytest

from scripts.dev import environment
from tests.small_project import ROOT, Project


def link_environments(project: Project) -> None:
    """Give ``project`` this checkout's environments, which `make setup` then finds as they should be."""
    for name, lock in ((".venv", "pipeline"), (".venv-service", "service")):
        # Else the `make` in a test would set up anew the environment that the tests run in.
        wanted = environment.identity(ROOT / "requirements" / f"{lock}.lock")
        assert environment.stamped(ROOT / name / environment.STAMP, wanted), "run `make setup`"
        (project.root / name).symlink_to(ROOT / name)


@pytest.fixture
def clone(finished_project: Project, tmp_path: Path) -> Project:
    """A fresh clone: no photos, no outputs."""
    finished_project.run("git", "clone", "--quiet", ".", str(tmp_path / "clone"))
    project = Project(tmp_path / "clone")
    link_environments(project)
    return project


def test_photos_are_fetched_once_and_what_is_put_there_stays(clone: Project) -> None:
    clone.run("make", "data")
    photos = clone.root / "data" / "images"
    first, second, *_ = sorted((photos / "art").iterdir())
    mine = photos / "art" / "mine.jpg"
    mine.write_bytes(first.read_bytes())
    second.unlink()
    clone.run("make", "data")
    assert mine.exists()
    assert not second.exists()


def test_interrupted_fetch_is_completed(clone: Project) -> None:
    clone.run("make", "data")
    photos = sorted((clone.root / "data" / "images" / "art").iterdir())
    photos[0].unlink()
    (clone.root / ".dvc" / "tmp" / "fetching").touch()  # what an interruption leaves
    clone.run("make", "data")
    assert sorted((clone.root / "data" / "images" / "art").iterdir()) == photos
    assert not (clone.root / ".dvc" / "tmp" / "fetching").exists()
