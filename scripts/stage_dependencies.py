"""Write into dvc.yaml which of the project's files each stage is made of.

DVC does not follow Python's imports: a module that a stage imports and does not list could be edited without
the stage being run again. This follows them, also the lazy ones inside functions, and the templates that a
module names; the paths of data in `deps` stay as they are. A test compares the lists with what this finds.
"""

import ast
import io
import sys
from collections.abc import Iterator
from pathlib import Path
from typing import Any

from ruamel.yaml import YAML

from pipeline import files

PACKAGES = ("pipeline", "service", "scripts")
DVC_YAML = Path("dvc.yaml")


def of_module(name: str, root: Path = Path()) -> list[str]:
    """The project's files that running ``python -m name`` may read as code: sorted paths from ``root``."""
    found: set[str] = set()
    open_ends = [name]
    seen: set[str] = set()
    while open_ends:
        module = open_ends.pop()
        if module in seen:
            continue
        seen.add(module)
        path = _path(module, root)
        if path is None:
            continue
        found.add(path.relative_to(root).as_posix())
        tree = ast.parse(path.read_text(encoding="utf-8"))
        found.update(_templates(tree, path, root))
        for imported in _imports(tree, module):
            # Importing a.b runs a/__init__.py first.
            parts = imported.split(".")
            open_ends += [".".join(parts[: end + 1]) for end in range(len(parts))]
    return sorted(found)


def _path(module: str, root: Path) -> Path | None:
    """Where ``module`` lies, None where it is not the project's."""
    if module.partition(".")[0] not in PACKAGES:
        return None
    base = root.joinpath(*module.split("."))
    candidates = (base.with_suffix(".py"), base / "__init__.py")
    return next((path for path in candidates if path.is_file()), None)


def _imports(tree: ast.Module, module: str) -> Iterator[str]:
    """Dotted names that ``module`` may import; those that are no modules are the caller's to drop."""
    for node in _walk(tree):
        if isinstance(node, ast.Import):
            yield from (alias.name for alias in node.names)
        elif isinstance(node, ast.ImportFrom):
            package = module.split(".")[: -node.level] if node.level else []
            base = ".".join([*package, *([node.module] if node.module else [])])
            yield base
            yield from (f"{base}.{alias.name}" for alias in node.names)
        elif isinstance(node, ast.Constant) and isinstance(node.value, str):
            # importlib.import_module("pipeline.heif"), [sys.executable, "-m", "pipeline.heif"]
            first, dot, rest = node.value.partition(".")
            if dot and first in PACKAGES and rest.replace(".", "").isidentifier():
                yield node.value


def _walk(node: ast.AST) -> Iterator[ast.AST]:
    """Every node but those under ``if TYPE_CHECKING``, which never run."""
    if isinstance(node, ast.If) and ast.unparse(node.test).endswith("TYPE_CHECKING"):
        return
    yield node
    for child in ast.iter_child_nodes(node):
        yield from _walk(child)


def _templates(tree: ast.Module, module: Path, root: Path) -> Iterator[str]:
    """Files other than Python beside or under the module's package whose name stands in the module."""
    names = {
        node.value for node in _walk(tree) if isinstance(node, ast.Constant) and isinstance(node.value, str)
    }
    for path in module.parent.rglob("*"):
        beside = path.relative_to(module.parent).as_posix()
        if path.suffix not in {".py", ".pyc"} and path.is_file() and {path.name, beside} & names:
            yield path.relative_to(root).as_posix()


def of_stage(stage: dict[str, Any], root: Path = Path()) -> list[str]:
    """What the ``deps`` of a stage of dvc.yaml should be: its paths of data, then the project's files."""
    data = [path for path in stage.get("deps", ()) if path.partition("/")[0] not in PACKAGES]
    return [*data, *of_module(module_of(stage), root)]


def module_of(stage: dict[str, Any]) -> str:
    """The module that a stage's command runs: ``pipeline.train`` of ``NAME=value python -m pipeline.train``."""
    words: list[str] = stage["cmd"].split()
    return words[words.index("-m") + 1]


def main() -> int:
    """Rewrite dvc.yaml, comments kept, where a list differs."""
    yaml = YAML()
    yaml.indent(mapping=2, sequence=4, offset=2)
    yaml.width = 120
    pipeline = yaml.load(DVC_YAML.read_text(encoding="utf-8"))
    changed = False
    for name, stage in pipeline["stages"].items():
        wanted = of_stage(stage)
        if list(stage["deps"]) != wanted:
            print(f"{name}: {', '.join(sorted(set(wanted) ^ set(stage['deps']))) or 'order'}")
            stage["deps"] = wanted
            changed = True
    if changed:
        text = io.StringIO()
        yaml.dump(pipeline, text)
        files.write_text(DVC_YAML, text.getvalue())
    print(f"{DVC_YAML} {'written' if changed else 'lists them all'}")
    return 0


if __name__ == "__main__":
    sys.exit(main())
