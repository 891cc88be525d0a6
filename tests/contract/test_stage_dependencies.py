"""dvc.yaml tells the truth about the stages: an edit that matters to a stage reruns it, another doesn't."""

import ast
from pathlib import Path
from typing import Any

import pytest
import yaml

from scripts.stage_dependencies import PACKAGES, module_of, of_module, of_stage

ROOT = Path(__file__).parents[2]
STAGES: dict[str, dict[str, Any]] = yaml.safe_load((ROOT / "dvc.yaml").read_text(encoding="utf-8"))["stages"]


@pytest.mark.parametrize("name", STAGES)
def test_stage_lists_exactly_the_modules_that_it_imports(name: str) -> None:
    wanted = of_stage(STAGES[name], ROOT)
    assert STAGES[name]["deps"] == wanted, (
        f"run `python -m scripts.stage_dependencies`, or write under {name}.deps in dvc.yaml:\n"
        + "\n".join(f"      - {path}" for path in wanted)
    )


@pytest.mark.parametrize("name", STAGES)
def test_stage_lists_exactly_the_settings_that_it_reads(name: str) -> None:
    """Under params stand the sections that its own `config.load` calls read, and none that nobody reads."""
    module = module_of(STAGES[name])
    listed = set(STAGES[name].get("params", ()))
    own = _sections(ROOT.joinpath(*module.split(".")).with_suffix(".py"))
    anywhere = set().union(
        *(_sections(ROOT / path) for path in of_module(module, ROOT) if path.endswith(".py"))
    )
    assert own <= listed, f"{name}: add {sorted(own - listed)} under params"
    assert listed <= anywhere, f"{name}: no module of it reads {sorted(listed - anywhere)}"


def _sections(path: Path) -> set[str]:
    calls = (
        node for node in ast.walk(ast.parse(path.read_text(encoding="utf-8"))) if isinstance(node, ast.Call)
    )
    return {
        call.args[0].value
        for call in calls
        if ast.unparse(call.func) in {"config.load", "load"}
        and call.args
        and isinstance(call.args[0], ast.Constant)
        and isinstance(call.args[0].value, str)
    }


@pytest.mark.parametrize("name", STAGES)
def test_no_output_can_be_pushed(name: str) -> None:
    """A cached output would be pushed, and would make a plain `dvc pull` fail where it was never pushed."""
    for kind in ("outs", "metrics", "plots"):
        for out in STAGES[name].get(kind, ()):
            assert isinstance(out, dict), f"{name}: {out} needs `cache: false`"
            for path, options in out.items():
                assert options.get("cache") is False, f"{name}: {path} needs `cache: false`"


def test_no_stage_imports_another() -> None:
    modules = {name: module_of(stage) for name, stage in STAGES.items() if name != "configure"}
    for name, module in modules.items():
        others = {f"{other.replace('.', '/')}.py" for other in modules.values() if other != module}
        assert not others & set(of_module(module, ROOT)), f"{name} imports another stage"


def test_imports_are_followed_wherever_they_stand(tmp_path: Path) -> None:
    package = tmp_path / PACKAGES[0]
    (package / "templates").mkdir(parents=True)
    sources = {
        "__init__": "",
        "stage": "from pipeline import one, NAME\nT = 'page.html'\ndef f():\n    from . import lazy",
        "one": "from pipeline.two import thing",
        "two": "import importlib\ndef f():\n    return importlib.import_module('pipeline.named')",
        "lazy": "from typing import TYPE_CHECKING\nif TYPE_CHECKING:\n    from pipeline import never",
        "named": "",
        "never": "",
        "unused": "",
    }
    for name, text in sources.items():
        (package / f"{name}.py").write_text(text, encoding="utf-8")
    (package / "templates" / "page.html").touch()
    (package / "templates" / "unused.html").touch()
    names = ("__init__.py", "lazy.py", "named.py", "one.py", "stage.py", "templates/page.html", "two.py")
    assert of_module("pipeline.stage", tmp_path) == [f"pipeline/{name}" for name in names]
