"""Node: the machine's own or one from PyPI; packages and page are made when their sources change, and only then."""

import os
import shutil
from pathlib import Path

import pytest

from pipeline.core.errors import PipelineError
from scripts.dev import environment, node

# Stands for npm: `ci` makes node_modules, `run … --outDir FOLDER` writes a page there. It notes what it was asked.
NPM = """#!/bin/sh
echo "$*" >> "$LOG"
if [ -e "$FAIL" ]; then echo "something is wrong on line 7"; exit 3; fi
if [ "$1" = ci ]; then mkdir -p node_modules; fi
if [ "$1" = run ]; then mkdir -p "$5/assets"; echo page > "$5/index.html"; fi
"""


@pytest.fixture
def log(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """What npm was asked, a line each; the machine has a Node that fits."""
    programs = tmp_path / "bin"
    programs.mkdir()
    _program(programs / "npm", NPM)
    _program(programs / "node", "#!/bin/sh\necho v22.20.0\n")
    monkeypatch.setenv("PATH", f"{programs}:{os.defpath}")
    monkeypatch.setenv("LOG", str(tmp_path / "asked"))
    monkeypatch.setenv("FAIL", str(tmp_path / "fail"))
    return tmp_path / "asked"


@pytest.fixture
def web(tmp_path: Path) -> Path:
    """A page's sources."""
    folder = tmp_path / "web"
    (folder / "src").mkdir(parents=True)
    (folder / "package-lock.json").write_text("{}", encoding="utf-8")
    (folder / "src" / "main.ts").write_text("let one = 1", encoding="utf-8")
    return folder


def _program(path: Path, text: str) -> None:
    path.write_text(text, encoding="utf-8")
    path.chmod(0o755)


def _asked(log: Path) -> list[str]:
    """First words of what npm was asked since the last look."""
    words = [line.split()[0] for line in log.read_text(encoding="utf-8").splitlines()] if log.exists() else []
    log.unlink(missing_ok=True)
    return words


def test_page_is_built_once(web: Path, log: Path) -> None:
    assert node.page(web)
    assert (web / "dist" / "index.html").read_text(encoding="utf-8") == "page\n"
    assert _asked(log) == ["ci", "run"]
    assert not node.page(web)
    assert _asked(log) == []


def test_changed_source_is_built_without_a_new_install(web: Path, log: Path) -> None:
    node.page(web)
    _asked(log)
    (web / "src" / "main.ts").write_text("let one = 2", encoding="utf-8")
    assert node.page(web)
    assert _asked(log) == ["run"]


def test_renamed_source_is_a_change(web: Path) -> None:
    before = node.identity(web)
    (web / "src" / "main.ts").rename(web / "src" / "other.ts")
    assert node.identity(web) != before


def test_what_is_built_is_no_source(web: Path, log: Path) -> None:
    before = node.identity(web)
    node.page(web)
    for name in ("site", "bench", ".cache"):
        (web / name).mkdir()
        (web / name / "file").touch()
    assert node.identity(web) == before


def test_changed_lock_is_installed(web: Path, log: Path) -> None:
    node.page(web)
    _asked(log)
    (web / "package-lock.json").write_text('{"changed": true}', encoding="utf-8")
    assert node.page(web)
    assert _asked(log) == ["ci", "run"]


def test_failed_build_leaves_the_page_and_shows_what_was_said(web: Path, log: Path) -> None:
    node.page(web)
    (web / "src" / "main.ts").write_text("let one =", encoding="utf-8")
    Path(os.environ["FAIL"]).touch()
    with pytest.raises(PipelineError, match=r"(?s)wrong on line 7.*`npm run build` failed"):
        node.page(web)
    assert (web / "dist" / "index.html").exists()
    Path(os.environ["FAIL"]).unlink()
    assert node.page(web)


def test_failed_install_is_done_again(web: Path, log: Path) -> None:
    Path(os.environ["FAIL"]).touch()
    with pytest.raises(PipelineError, match="`npm ci --no-audit` failed"):
        node.page(web)
    Path(os.environ["FAIL"]).unlink()
    assert node.page(web)


@pytest.mark.parametrize(
    ("version", "fit"),
    [
        ("v20.20.2", True),
        ("v20.18.0", False),
        ("v22.12.0", True),
        ("v22.4.1", False),
        ("v24.19.0", True),
        ("v18.20.0", False),
        ("v21.7.3", False),
        ("", False),
        ("no version", False),
    ],
)
def test_only_versions_that_build_the_page_fit(version: str, fit: bool) -> None:
    assert node.fits(version) is fit


@pytest.mark.parametrize("have", ["nothing", "old", "no npm"])
def test_machine_without_a_fitting_node_gets_one(have: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    programs = tmp_path / "bin"
    programs.mkdir()
    if have != "nothing":
        _program(programs / "node", f"#!/bin/sh\necho {'v18.1.0' if have == 'old' else 'v22.20.0'}\n")
    if have == "old":
        _program(programs / "npm", NPM)
    monkeypatch.setenv("PATH", str(programs))
    monkeypatch.setattr(node, "ENVIRONMENT", tmp_path / "environment")
    monkeypatch.setattr(environment, "make", _unpacked)
    path = node.env()["PATH"]
    for program in ("npm", "node"):
        assert Path(shutil.which(program, path=path) or "").parent == tmp_path / "environment/bin"


def _unpacked(_: Path, folder: Path) -> bool:
    """What the package from PyPI leaves: both programs."""
    (folder / "bin").mkdir(parents=True)
    for program in ("node", "npm"):
        _program(folder / "bin" / program, "#!/bin/sh\necho v24.19.0\n")
    return True


def test_wrong_call_says_what_there_is(capsys: pytest.CaptureFixture[str]) -> None:
    assert node.main(["pages"]) == 2
    assert "usage: node.py page | npm" in capsys.readouterr().err


def test_missing_sources_are_one_sentence(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    monkeypatch.chdir(tmp_path)
    assert node.main(["page"]) == 1
    assert capsys.readouterr().err.startswith("error: ")
