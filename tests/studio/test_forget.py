"""A photo that is forgotten is found nowhere afterwards, whatever happens on the way."""

import json
import shutil
from collections.abc import Iterator
from pathlib import Path

import numpy as np
import pytest

from pipeline.data import adoption, forgotten, manifest
from pipeline.data.settings import DataSettings
from studio.errors import BusyError, NotFoundError, StudioError
from studio.forget import git, layout, places, plan, work
from studio.journal import Journal
from tests import mlflow_template
from tests.mlflow_template import MLFLOWS_OWN_WARNINGS
from tests.promotion_project import Project
from tests.studio import forget_project
from tests.studio.forget_project import COPY, FILE, SHA256, holding, run

pytestmark = MLFLOWS_OWN_WARNINGS
DATA = DataSettings(images=Path("data/images"), manifest=Path("data/manifest.csv"), ood_label="other")
WHY = "the person asked for it"


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


def forget(**options: bool) -> forgotten.Receipt:
    (receipt,) = work.forget([FILE], WHY, train=False, say=silent, **options)
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
    import zipfile

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


@pytest.mark.parametrize("point", range(20))
def test_killed_at_any_point_and_run_again_it_finishes(
    project: Project, monkeypatch: pytest.MonkeyPatch, point: int
) -> None:
    """Points: before and after each writing of the plan, and in each removal half way."""
    counted = 0

    def dies_at(name: str, owner: object) -> None:
        real = getattr(owner, name)

        def step(*arguments: object, **named: object) -> object:
            nonlocal counted
            counted += 1
            if counted == point + 1:
                raise Killed
            return real(*arguments, **named)

        monkeypatch.setattr(owner, name, step)

    with monkeypatch.context() as patch:
        monkeypatch = patch
        dies_at("write", plan.Plan)
        dies_at("erase", places.traces)
        dies_at("append", forgotten)
        dies_at("_dvc", work)
        with pytest.raises(Killed):
            forget()
    (receipt, *_) = work.forget([FILE], WHY, train=False, say=silent) or forgotten.read(DATA)
    assert receipt.open == {}
    assert holding(project.root.parent) == []
    assert forgotten.hashes(DATA) == {SHA256}
    assert plan.standing() == []
    assert [version.number for version in project.registry.versions() if version.tainted] == [2]


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
    Path("data/images/plant/innocent.jpg").write_bytes(forget_project.SECRET)
    adoption.adopt(DATA)
    assert "plant/innocent.jpg (it was forgotten" in capsys.readouterr().out
    assert "plant/innocent.jpg" not in {row.file for row in manifest.read(DATA.manifest)}


def test_a_photo_that_has_left_the_photos_is_forgotten_by_its_hash(project: Project) -> None:
    for name in (FILE, COPY):
        (DATA.images / name).unlink()
    adoption.adopt(DATA)
    work.forget([SHA256], WHY, train=False, say=silent)
    assert holding(project.root.parent) == []


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
    (request,) = {receipt.request}
    blob = git_blob()
    assert git.held([blob]) == [blob]
    run("bash", "-ec", said[said.index("FILTER_BRANCH") :])
    assert git.held([blob]) == []
    assert run("git", "log", "--format=%s").splitlines() == ["a photo was forgotten", "with the photo"]
    assert run("git", "status", "--short") == ""
    run("git", "fsck", "--full")
    assert request


def git_blob() -> str:
    import hashlib

    data = forget_project.SECRET
    return hashlib.sha1(b"blob %d\0" % len(data) + data, usedforsecurity=False).hexdigest()
