"""The stages of dvc.yaml: which recordings there are, and a GIF of each."""

from pathlib import Path

import pytest
import yaml

from pipeline.core.config import compose
from pipeline.core.errors import PipelineError
from scripts.gif.settings import GifSettings
from scripts.gif.stage import gifs, recordings
from tests.gif import blocks
from tests.gif.conftest import Film
from tests.small_project import ROOT


@pytest.fixture
def project(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """A checkout in which the stages run: params.yaml, and no data yet."""
    settings = compose(["gif=screen"], ROOT / "conf")["gif"]
    place = tmp_path / "project"
    place.mkdir()
    (place / "params.yaml").write_text(yaml.safe_dump({"gif": settings}), encoding="utf-8")
    monkeypatch.chdir(place)
    return place


def record(film: Film, project: Path, *names: str) -> None:
    (project / "data" / "recordings").mkdir(parents=True, exist_ok=True)
    for name in names:
        film(name).rename(project / "data" / "recordings" / name)


def make() -> None:
    """Both stages."""
    recordings.write()
    gifs.make()


def test_each_recording_has_its_gif_and_its_text(project: Path, film: Film) -> None:
    record(film, project, "one.mp4", "two.mkv")
    (project / "data/recordings/one.txt").write_text("What one shows.\n", encoding="utf-8")
    (project / "data/recordings/.hidden.mp4").touch()
    make()
    made = project / "docs" / "gifs"
    assert sorted(path.name for path in made.iterdir()) == ["one.gif", "one.txt", "two.gif", "two.txt"]
    assert (made / "one.txt").read_text(encoding="utf-8") == "What one shows.\n"
    assert blocks.read(made / "two.gif").size == (160, 120)


def test_the_same_recording_gives_the_same_bytes(project: Path, film: Film) -> None:
    record(film, project, "one.mp4")
    make()
    before = (project / "docs/gifs/one.gif").read_bytes()
    make()
    assert (project / "docs/gifs/one.gif").read_bytes() == before


@pytest.mark.parametrize("folder", [None, "data", "data/recordings"])
def test_without_recordings_it_says_so_and_keeps_what_is_there(
    folder: str | None, project: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    if folder:
        (project / folder).mkdir(parents=True)
    make()
    assert "no recordings in data/recordings" in capsys.readouterr().out
    assert (project / "docs" / "gifs").is_dir(), "an output that DVC asks for"
    (project / "docs/gifs/demo.gif").write_text("kept", encoding="utf-8")
    make()
    assert (project / "docs/gifs/demo.gif").exists()


def test_a_bad_recording_keeps_the_gifs_that_are_there(project: Path, film: Film) -> None:
    record(film, project, "one.mp4")
    make()
    (project / "data/recordings/two.mp4").write_bytes(b"no film")
    with pytest.raises(Exception, match=r"two\.mp4: this is no film"):
        make()
    assert sorted(path.name for path in (project / "docs/gifs").iterdir()) == ["one.gif", "one.txt"]


def test_recordings_that_would_be_one_gif_are_refused(project: Path, film: Film) -> None:
    record(film, project, "one.mp4", "one.mkv")
    with pytest.raises(PipelineError, match=r"one\.gif: it is there already"):
        make()


def test_list_changes_with_a_recording_and_with_nothing_else(project: Path, film: Film) -> None:
    record(film, project, "one.mp4")
    listed = project / "build" / "recordings.csv"
    recordings.write()
    first = listed.read_text(encoding="utf-8")
    (project / "data" / "images").mkdir()
    (project / "data/images/new.jpg").touch()
    (project / "data/recordings/one.mp4").touch()
    recordings.write()
    assert listed.read_text(encoding="utf-8") == first
    (project / "data/recordings/one.txt").write_text("What is seen.\n", encoding="utf-8")
    recordings.write()
    second = listed.read_text(encoding="utf-8")
    assert second != first, "its text is written beside the GIF"
    record(film, project, "two.mp4")
    recordings.write()
    assert listed.read_text(encoding="utf-8") != second


def test_settings_of_the_project_are_those_of_a_preset() -> None:
    assert GifSettings.model_validate(compose((), ROOT / "conf")["gif"]).max_bytes
