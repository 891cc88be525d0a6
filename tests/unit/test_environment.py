"""Set-up: done once, done again after an interruption or a changed lock, and clear about what is missing."""

import importlib.util
import os
import shutil
import subprocess
import sys
from pathlib import Path

import pytest

from scripts.dev import environment
from scripts.dev.environment import STAMP, SetupError, make, packages, require, uv_settings

SCRIPT = Path(environment.__file__)


@pytest.fixture(scope="module")
def lock(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A lock file that needs no network: nothing is pinned."""
    path = tmp_path_factory.mktemp("locks") / "empty.lock"
    path.write_text("# nothing yet\n", encoding="utf-8")
    return path


@pytest.fixture(scope="module")
def folder(lock: Path) -> Path:
    """An environment made from ``lock``; a test may change it as long as `make` mends it in place."""
    path = lock.parent / "an environment"
    assert make(lock, path)
    return path


def test_second_setup_does_nothing(lock: Path, folder: Path) -> None:
    command = [sys.executable, str(SCRIPT), str(lock), str(folder)]
    done = subprocess.run(command, capture_output=True, text=True, check=True)
    assert done.stdout == ""
    assert (folder / "bin" / "python").exists()


def test_changed_lock_is_installed_into_the_same_environment(lock: Path, folder: Path, tmp_path: Path) -> None:
    kept = folder / "kept"
    kept.touch()
    changed = tmp_path / "changed.lock"
    changed.write_text("# nothing still, said otherwise\n", encoding="utf-8")
    assert make(changed, folder)
    assert kept.exists()
    assert not make(changed, folder)


def test_failed_install_leaves_no_stamp_and_shows_what_was_said(
    folder: Path, tmp_path: Path, capfd: pytest.CaptureFixture[str]
) -> None:
    broken = tmp_path / "broken.lock"
    broken.write_text("./no-such-folder\n", encoding="utf-8")
    with pytest.raises(SetupError, match="run the same command again"):
        make(broken, folder)
    assert "no-such-folder" in capfd.readouterr().err
    assert not (folder / STAMP).exists()


def test_interrupted_setup_is_made_anew(lock: Path, folder: Path) -> None:
    (folder / STAMP).unlink(missing_ok=True)
    half_installed = folder / "half installed"
    half_installed.touch()
    assert make(lock, folder)
    assert not half_installed.exists()


def test_old_python_is_named_with_the_way_out() -> None:
    with pytest.raises(SetupError, match=r"3\.11 or newer is needed, and .* is 3\.9\.2; .* make PYTHON="):
        require((3, 9, 2))


def test_missing_venv_and_git_are_named_with_the_package(monkeypatch: pytest.MonkeyPatch) -> None:
    with monkeypatch.context() as without_git:
        without_git.setattr(shutil, "which", lambda _: None)
        with pytest.raises(SetupError, match=r"git is missing.*apt-get install git"):
            require()
    monkeypatch.setattr(importlib.util, "find_spec", lambda name: None if name == "ensurepip" else object())
    with pytest.raises(SetupError, match="apt-get install python3-venv"):
        require()


def test_setup_error_is_one_sentence_without_a_traceback(tmp_path: Path) -> None:
    command = [sys.executable, str(SCRIPT), "no.lock", str(tmp_path / "env")]
    done = subprocess.run(command, capture_output=True, text=True, env={**os.environ}, check=False)
    assert done.returncode == 1
    assert done.stderr.startswith("error: ")
    assert "no.lock" in done.stderr
    assert "Traceback" not in done.stderr


def test_comments_and_hashes_are_no_packages(tmp_path: Path) -> None:
    path = tmp_path / "some.lock"
    path.write_text("# head\none==1 # why\n\ntwo==2 \\\n    --hash=sha256:00\n", encoding="utf-8")
    assert packages(path) == ["one==1", "two==2"]


def test_uv_is_told_what_pip_is_configured_to_do(folder: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    configured = tmp_path / "pip.conf"
    configured.write_text(
        "[global]\nindex-url = http://mirror.test/simple\nfind-links = /a\n /b\ncert = /own.pem\n"
        "[install]\nconstraint = /install.txt\n[download]\nconstraint = /download.txt\n"
        "[wheel]\nindex-url = http://wheel.test\n",
        encoding="utf-8",
    )
    monkeypatch.setenv("PIP_CONFIG_FILE", str(configured))
    monkeypatch.setenv("PIP_CERT", "/nearer.pem")
    for name in ("SSL_CERT_FILE", "PIP_FIND_LINKS", "PIP_INDEX_URL", "PIP_CONSTRAINT"):
        monkeypatch.delenv(name, raising=False)
    settings = uv_settings(folder / "bin" / "python")
    assert settings["UV_DEFAULT_INDEX"] == "http://mirror.test/simple"
    assert settings["UV_FIND_LINKS"] == "/a,/b"
    assert settings["SSL_CERT_FILE"] == "/nearer.pem"
    assert settings["UV_CONSTRAINT"] == "/install.txt"
