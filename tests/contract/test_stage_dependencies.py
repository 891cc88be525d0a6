"""dvc.yaml tells the truth about the stages: an edit that matters to a stage reruns it, another doesn't."""

import ast
import re
from pathlib import Path
from typing import Any

import grimp
import pytest
import yaml

ROOT = Path(__file__).parents[2]
STAGES: dict[str, dict[str, Any]] = yaml.safe_load((ROOT / "dvc.yaml").read_text(encoding="utf-8"))["stages"]
PACKAGES = ("bundle", "pipeline", "service", "scripts")


@pytest.fixture(scope="module")
def imports() -> grimp.ImportGraph:
    """Every import in the project, the lazy ones inside functions as well."""
    return grimp.build_graph(*PACKAGES, cache_dir=None)


def module_of(name: str) -> str:
    found = re.search(r"python -m ([\w.]+)", STAGES[name]["cmd"])
    assert found, STAGES[name]["cmd"]
    return found[1]


def modules_of(name: str, graph: grimp.ImportGraph) -> set[str]:
    """The modules that running the stage may load: its own, and all that they import."""
    module = module_of(name)
    own = module if f"{module}.__main__" not in graph.modules else f"{module}.__main__"
    return {own} | graph.find_upstream_modules(own)


def path_of(module: str) -> Path:
    base = ROOT.joinpath(*module.split("."))
    return (base / "__init__.py" if base.is_dir() else base.with_suffix(".py")).relative_to(ROOT)


@pytest.mark.parametrize("name", STAGES)
def test_an_edit_of_a_module_that_the_stage_loads_reruns_it(name: str, imports: grimp.ImportGraph) -> None:
    listed = {Path(path) for path in STAGES[name]["deps"]}
    paths = {path_of(module) for module in modules_of(name, imports)}
    # A package above the folder that is imported holds nothing but its docstring.
    missing = {
        path for path in paths if not listed & {path, *path.parents} and ast.parse((ROOT / path).read_text()).body[1:]
    }
    assert not missing, f"add their folders under {name}.deps in dvc.yaml: {sorted(map(str, missing))}"


@pytest.mark.parametrize("name", STAGES)
def test_a_stage_depends_on_no_folder_that_it_does_not_load(name: str, imports: grimp.ImportGraph) -> None:
    paths = {path_of(module) for module in modules_of(name, imports)}
    code = [Path(path) for path in STAGES[name]["deps"] if path.split("/")[0] in PACKAGES]
    idle = [folder for folder in code if not any(folder in {path, *path.parents} for path in paths)]
    assert not idle, f"remove from {name}.deps in dvc.yaml: {idle}"


def test_an_edit_of_a_plot_does_not_retrain(imports: grimp.ImportGraph) -> None:
    assert not [module for module in modules_of("train", imports) if module.startswith("pipeline.evaluate")]


@pytest.mark.parametrize("name", STAGES)
def test_stage_lists_exactly_the_settings_that_it_reads(name: str, imports: grimp.ImportGraph) -> None:
    """Under params stand the sections that its modules' `config.load` calls read, and none that nobody reads."""
    listed = set(STAGES[name].get("params", ()))
    modules = modules_of(name, imports)
    folder = module_of(name)
    own = set().union(*(_sections(path_of(m)) for m in modules if m == folder or m.startswith(f"{folder}.")))
    anywhere = set().union(*(_sections(path_of(m)) for m in modules))
    assert own <= listed, f"{name}: add {sorted(own - listed)} under params"
    assert listed <= anywhere, f"{name}: no module of it reads {sorted(listed - anywhere)}"


def _sections(path: Path) -> set[str]:
    calls = (
        node for node in ast.walk(ast.parse((ROOT / path).read_text(encoding="utf-8"))) if isinstance(node, ast.Call)
    )
    return {
        call.args[0].value
        for call in calls
        if ast.unparse(call.func) in {"config.load", "load"}
        and call.args
        and isinstance(call.args[0], ast.Constant)
        and isinstance(call.args[0].value, str)
    }


def test_no_output_is_pushed_to_the_remote_that_travels_with_the_clone() -> None:
    pushed = set()
    for stage in STAGES.values():
        for kind in ("outs", "metrics", "plots"):
            for out in stage.get(kind, ()):
                for path, options in out.items() if isinstance(out, dict) else [(out, {})]:
                    if options.get("cache", True) and options.get("push", True):
                        pushed.add(path)
    assert not pushed, f"dvc.yaml: push: false for {sorted(pushed)}"


def test_git_holds_what_dvc_does_not_cache() -> None:
    """An output that neither keeps would be lost by a checkout."""
    loose = set()
    for stage in STAGES.values():
        for kind in ("outs", "metrics", "plots"):
            for out in stage.get(kind, ()):
                if isinstance(out, dict):
                    loose |= {path for path, options in out.items() if options.get("cache") is False}
    assert loose == {"params.yaml", "reports/evaluation.json", "docs/gifs"}
