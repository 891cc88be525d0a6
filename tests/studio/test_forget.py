"""A photo that is forgotten is found nowhere afterwards, whatever happens on the way."""

import hashlib
import json
import shutil
import socket
import zipfile
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import yaml
from dvc_data.hashfile.db import HashFileDB
from dvc_objects.fs.memory import MemoryFileSystem
from PIL import Image

from pipeline.data import adoption, forgotten, manifest
from pipeline.data.settings import DataSettings
from pipeline.promote import champion
from pipeline.tracking import store
from pipeline.tracking.registry import Registry
from studio.album import Album
from studio.errors import BusyError, NotFoundError, StudioError
from studio.forget import command, git, layout, plan, traces, work
from studio.forget.marks import Wanted, marks_of
from studio.forget.places import Folder, Remote, Server
from studio.journal import Journal
from tests import bodies, mlflow_template
from tests.mlflow_template import MLFLOWS_OWN_WARNINGS
from tests.promotion_project import Project
from tests.service.test_registry_reload import Server as MlflowServer
from tests.studio import forget_project
from tests.studio.forget_project import COPY, FILE, MD5, SECRET, SHA256, dvc, holding, run

pytestmark = MLFLOWS_OWN_WARNINGS
DATA = DataSettings(images=Path("data/images"), manifest=Path("data/manifest.csv"), ood_label="other")
WHY = "the person asked for it"
STEPS = 49  # of `forget`, see `dying`


@pytest.fixture(scope="module")
def made(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Project]:
    """The project, made once. Not to be changed: take `project`."""
    with pytest.MonkeyPatch.context() as patch:
        yield forget_project.make(tmp_path_factory.mktemp("home") / "project", patch)


@pytest.fixture
def project(made: Project, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Project:
    """A copy that a test may change; the current folder."""
    for name in ("project", "disk"):
        shutil.copytree(made.root.parent / name, tmp_path / name, symlinks=True)
    monkeypatch.chdir(tmp_path / "project")
    config = Path(".dvc/config")
    config.write_text(config.read_text().replace(str(made.root.parent), str(tmp_path)))
    mlflow_template.shorten_mlflows_patience(monkeypatch)
    mlflow_template.forget_stores()
    copy = object.__new__(Project)
    copy.root, copy.params = tmp_path / "project", made.params
    return copy


def silent(_: str) -> None:
    """Nothing is said."""


def forget() -> forgotten.Receipt:
    (receipt,) = work.forget([FILE], WHY, train=False, say=silent)
    return receipt


def test_the_bytes_are_found_nowhere_afterwards(project: Project) -> None:
    home = project.root.parent
    assert len(holding(home)) == 8  # under two names, removed, sent in, in the cache and both remotes
    receipt = forget()
    assert holding(home) == []
    assert (receipt.sha256, receipt.why, receipt.open) == (SHA256, WHY, {})
    assert set(receipt.removed) == {
        *("registered versions", "manifest", "workspace", "DVC's cache", "MLflow's files"),
        *("remote bundled", "remote disk"),
    }
    assert {row.file for row in manifest.read(DATA.manifest)}.isdisjoint({FILE, COPY})
    assert "secret.jpg" not in Path("ATTRIBUTION.md").read_text()
    assert plan.standing() == []
    assert forgotten.hashes(DATA) == {SHA256}
    text = Path("data/forgotten.jsonl").read_text()
    assert "secret" not in text
    assert "git filter-branch" in text


def test_what_was_made_of_it_goes_and_what_was_made_of_others_stays(project: Project) -> None:
    (cache,) = Path("build/features").glob("*.npz")
    (measures,) = Path("build/features").glob("measures-*.json")
    with np.load(cache) as kept:
        before = {sha: row.tobytes() for sha, row in zip(kept["sha256"], kept["features"], strict=True)}
    assert SHA256 in before
    forget()
    with np.load(cache) as kept:
        after = {sha: row.tobytes() for sha, row in zip(kept["sha256"], kept["features"], strict=True)}
    assert after == {sha: row for sha, row in before.items() if sha != SHA256}
    assert json.loads(measures.read_text()).keys() == after.keys()
    for gone in ("reports/validation.html", "reports/plots/worst_mistakes.png", f".studio/thumbs/{SHA256}-96.jpg"):
        assert not Path(gone).exists(), gone
    assert [path.read_bytes() for path in Path(".studio/thumbs").iterdir()] == [b"of another photo"]
    assert not [*Path(".mlflow").rglob("worst_mistakes.png")]
    assert [path.name for path in Path(".dvc/cache/runs").rglob("*") if path.is_file()] == []
    with zipfile.ZipFile("reports/sent.zip") as archive:
        assert archive.namelist() == ["b.txt"]
    assert [step.kind for step in Journal(Path("data/edits.jsonl")).steps.values()] == ["forget"]


def test_the_version_that_knew_it_is_named_and_tagged_and_the_clean_one_before_is_served(project: Project) -> None:
    clean, tainted = sorted(project.registry.versions(), key=lambda version: version.number)
    receipt = forget()
    (learnt,) = receipt.versions
    assert (learnt.version, learnt.bundle) == (tainted.number, tainted.bundle)
    after = {version.number: version.tainted for version in project.registry.versions()}
    assert after[clean.number] == ""
    assert "on a photo that was forgotten" in after[tainted.number]
    assert project.champion() == project.promoted() == clean.fingerprint


class Killed(BaseException):
    """As SIGKILL: no code of the project sees it."""


POINTS = ("write", "find", "erase", "edit", "taint", "replace_tainted", "append", "_dvc")  # see `dying`


@contextmanager
def dying(at: int) -> Iterator[Callable[[], int]]:
    """For a block, the process dies before the step number ``at``; how many steps there were."""
    counted = 0

    def before(real: Callable[..., Any]) -> Callable[..., Any]:
        def step(*arguments: Any, **named: Any) -> Any:
            nonlocal counted
            counted += 1
            if counted == at:
                raise Killed
            return real(*arguments, **named)

        return step

    owners = (plan.Plan, Folder, traces, Album, Registry, champion, forgotten, work)
    with pytest.MonkeyPatch.context() as patch:
        for owner, name in zip(owners, POINTS, strict=True):
            patch.setattr(owner, name, before(getattr(owner, name)))
        yield lambda: counted


def test_the_steps_at_which_it_may_be_killed_are_known(project: Project) -> None:
    with dying(0) as steps:
        forget()
    assert steps() == STEPS, "correct the number, so that steps to the last are tried"


@pytest.mark.parametrize("point", range(1, STEPS + 1, 5))
def test_killed_at_any_point_and_run_again_it_finishes(project: Project, point: int) -> None:
    with dying(point), pytest.raises(Killed):
        forget()
    work.forget([FILE], WHY, train=False, say=silent)
    assert [receipt.open for receipt in forgotten.read(DATA)][-1] == {}
    assert holding(project.root.parent) == []
    assert forgotten.hashes(DATA) == {SHA256}
    assert plan.standing() == []
    assert [version.number for version in project.registry.versions() if version.tainted] == [2]
    assert project.champion() == project.promoted()
    assert dvc("status", "--json", "data.dvc").strip() == "{}"


def test_a_remote_that_is_not_there_is_named_and_done_when_it_is(project: Project) -> None:
    disk, away = Path("../disk"), Path("../away")
    disk.rename(away)
    receipt = forget()
    assert list(receipt.open) == ["remote disk"]
    assert "is its disk connected?" in receipt.open["remote disk"]
    assert holding(project.root) == []
    assert holding(away) != []
    assert len(plan.standing()) == 1
    assert SHA256 in forgotten.hashes(DATA)
    away.rename(disk)
    (second,) = work.resume(train=False, say=silent)
    assert second.open == {}
    assert second.request == receipt.request
    assert holding(project.root.parent) == []
    assert plan.standing() == []


def test_a_forgotten_photo_is_not_adopted_again(project: Project, capsys: pytest.CaptureFixture[str]) -> None:
    forget()
    Path("data/images/plant/innocent.jpg").write_bytes(SECRET)
    adoption.adopt(DATA)
    assert "plant/innocent.jpg (it was forgotten" in capsys.readouterr().out
    assert "plant/innocent.jpg" not in {row.file for row in manifest.read(DATA.manifest)}


def test_a_photo_that_has_left_the_photos_is_forgotten_by_its_hash(project: Project) -> None:
    for name in (FILE, COPY):
        (DATA.images / name).unlink()
    adoption.adopt(DATA)
    work.forget([SHA256], WHY, train=False, say=silent)
    assert holding(project.root.parent) == []


def test_an_mlflow_server_that_is_down_stays_on_the_list(project: Project, monkeypatch: pytest.MonkeyPatch) -> None:
    with socket.socket() as free:
        free.bind(("127.0.0.1", 0))
        monkeypatch.setenv("MLFLOW_TRACKING_URI", f"http://127.0.0.1:{free.getsockname()[1]}")
    receipt = forget()
    assert receipt.open.keys() == {"registered versions", "MLflow"}
    assert "doesn't answer" in receipt.open["MLflow"]
    assert holding(project.root.parent) == []
    monkeypatch.delenv("MLFLOW_TRACKING_URI")
    (second,) = work.resume(train=False, say=silent)
    assert [learnt.version for learnt in second.versions] == [2]
    assert second.open.keys() == {"MLflow"}  # that server was told to hold artifacts, and is not asked any more


def test_the_artifacts_of_an_mlflow_server_are_searched_and_cleaned(
    project: Project, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    wanted = Wanted.of([marks_of(DATA.images / FILE, (), {forget_project.SIZE}, Path("build/features"))])
    (tmp_path / "server").mkdir()
    server = MlflowServer(tmp_path / "server")
    server.start()
    try:
        monkeypatch.setenv("MLFLOW_TRACKING_URI", server.url)
        tracking = store.open_store(mlflow_template.SETTINGS)
        run_id = tracking.client.create_run(tracking.experiment_id).info.run_id
        for path in ("reports/plots/worst_mistakes.png", "params.yaml"):
            tracking.call("log_artifact", run_id, path, "plots")
        place = Server(tracking)
        found = place.find(wanted)
        assert [(where.partition("#")[2], what) for where, what in found.items()] == [
            ("plots/worst_mistakes.png", traces.SHEET)
        ]
        place.remove(wanted, found)
        assert place.find(wanted) == {}
        assert [each.path for each in tracking.client.list_artifacts(run_id, "plots")] == ["plots/params.yaml"]
    finally:
        server.stop()


def test_a_remote_that_is_no_folder_is_asked_by_name(project: Project) -> None:
    wanted = Wanted.of([marks_of(DATA.images / FILE, (), (), Path("build/features"))])
    memory: Any = MemoryFileSystem
    database: Any = HashFileDB(memory(), "/bucket/files/md5", hash_name="md5")
    for name in (MD5, "0" * 32):
        database.add_bytes(name, b"x")
    place = Remote("remote s3", [database])
    found = place.find(wanted)
    assert len(found) == 1
    place.remove(wanted, found)
    assert place.find(wanted) == {}
    assert [*database.all()] == ["0" * 32]


def test_near_duplicates_are_offered_and_taken_where_they_are_asked_for(
    project: Project, capsys: pytest.CaptureFixture[str]
) -> None:
    bodies.lend(project.root)
    params = yaml.safe_load(Path("params.yaml").read_text())
    params["validate"]["near_duplicate_similarity"] = 0.98
    Path("params.yaml").write_text(yaml.safe_dump(params))
    with Image.open(DATA.images / FILE) as image:
        image.save(DATA.images / "art/nearly.jpg", quality=80)
    adoption.adopt(DATA)
    assert command.main([FILE, "--why", WHY, "--yes", "--no-train"]) == 0
    said = capsys.readouterr().out
    assert "nearly the same: art/nearly.jpg (" in said
    assert "is tainted: the photo was on its side" in said
    assert (DATA.images / "art/nearly.jpg").exists()
    (DATA.images / "art/other.jpg").write_bytes((DATA.images / "art/nearly.jpg").read_bytes() + b"\0")
    adoption.adopt(DATA)
    assert command.main(["art/nearly.jpg", "--why", WHY, "--yes", "--no-train", "--near"]) == 0
    assert not [*DATA.images.glob("art/[no][et]*.jpg")]
    assert len(forgotten.hashes(DATA)) >= 3


def test_a_recording_that_shows_it_goes_with_its_gif(project: Project) -> None:
    for place in ("data/recordings/walk.mp4", "data/recordings/walk.txt", "docs/gifs/walk.gif", "docs/gifs/other.gif"):
        Path(place).parent.mkdir(parents=True, exist_ok=True)
        Path(place).write_bytes(b"film of " + place.encode())
    work.forget([FILE], WHY, recordings=["walk"], train=False, say=silent)
    left = [path.name for folder in ("data/recordings", "docs/gifs") for path in Path(folder).glob("*")]
    assert left == ["other.gif"]
    with pytest.raises(NotFoundError, match="no recording 'nothing'"):
        work.forget(["art/000.jpg"], WHY, recordings=["nothing"], train=False, say=silent)


def test_nobody_is_asked_where_nobody_is_there(project: Project) -> None:
    with pytest.raises(StudioError, match="give --yes"):
        command.main([FILE, "--why", WHY])
    with pytest.raises(StudioError, match="say why"):
        command.main([FILE])
    assert command.main(["--list"]) == 0


def test_a_name_that_is_not_there_changes_nothing(project: Project) -> None:
    with pytest.raises(NotFoundError, match=r"art/nobody\.jpg is not there"):
        work.forget(["art/nobody.jpg"], WHY, say=silent)
    with pytest.raises(NotFoundError, match="no file here has the sha256 0000"):
        work.forget(["0" * 64], WHY, say=silent)
    with pytest.raises(StudioError, match="say why"):
        work.forget([FILE], " ", say=silent)
    assert plan.standing() == []
    assert len(holding(project.root)) > 6


def test_a_dvc_command_that_runs_is_respected_and_said(project: Project) -> None:
    with layout.alone(), pytest.raises(BusyError, match="another `dvc` command works here"):
        forget()
    assert plan.standing() == []


def test_the_command_that_is_given_rewrites_the_history_without_the_bytes(project: Project) -> None:
    receipt = forget()
    (said,) = [line for line in receipt.unreachable if "filter-branch" in line]
    run("git", "add", "--all")
    run("git", "commit", "--quiet", "-m", "a photo was forgotten")
    blob = git_blob()
    assert git.held([blob]) == [blob]
    run("bash", "-ec", said[said.index("FILTER_BRANCH") :])
    assert git.held([blob]) == []
    assert run("git", "log", "--format=%s").splitlines() == ["a photo was forgotten", "with the photo"]
    assert run("git", "status", "--short") == ""
    run("git", "fsck", "--full")


def git_blob() -> str:
    data = SECRET
    return hashlib.sha1(b"blob %d\0" % len(data) + data, usedforsecurity=False).hexdigest()
