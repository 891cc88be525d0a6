"""The service as it was before it became one process, with its own environment and the promoted model.

Its code and its lock come from git. Its bundle had another schema: the manifest is written anew, the second output of
the graph gets its old name, and outputs that it did not have go. The weights and the operations are the same.
"""

import hashlib
import io
import json
import subprocess
import tarfile
from pathlib import Path
from typing import Any, Final

import onnx

from pipeline.core.errors import PipelineError
from scripts.bench.load import ROOT
from scripts.dev import environment
from scripts.dev.environment import SetupError

COMMIT: Final = "97d1b24"
LOCK: Final = "requirements/service.lock"
KEPT: Final = ("version", "created", "labels", "default_variant", "golden_tolerance")  # as they are
LINEAGE: Final = ("git_commit", "git_dirty", "data_hash", "config", "config_hash", "mlflow_run_id", "parent")


def prepare(folder: Path, variant: str, scratch: Path) -> None:
    """Put code and bundle into ``scratch``, and bring .venv-before to its lock.

    Raises:
        PipelineError: git does not have the commit, or its packages can't be installed.
    """
    archive = subprocess.run(["git", "archive", COMMIT, "service", LOCK], cwd=ROOT, capture_output=True, check=False)
    if archive.returncode:
        raise PipelineError(f"git has no commit {COMMIT} here (a shallow clone?): {archive.stderr.decode().strip()}")
    code = scratch / "before"
    with tarfile.open(fileobj=io.BytesIO(archive.stdout)) as tar:
        tar.extractall(code, filter="data")
    try:
        environment.make(code / LOCK, ROOT / ".venv-before")
    except SetupError as error:
        raise PipelineError(str(error)) from error
    convert(folder, variant, scratch / "before-bundle")


def convert(folder: Path, variant: str, to: Path) -> None:
    """Write one variant of the bundle in ``folder`` in the old schema."""
    new: dict[str, Any] = json.loads((folder / "manifest.json").read_text(encoding="utf-8"))
    spec = new["variants"][variant]
    files = {spec["file"]: _graph(folder / spec["file"])}
    golden = []
    for each in new["golden"]:
        files[each["file"]] = (folder / each["file"]).read_bytes()
        answers = {variant: each["probabilities"][variant]}
        golden.append({"file": each["file"], "probabilities": answers, "known": {variant: each["id_score"][variant]}})
    old = {
        "schema_version": 1,
        **{name: new[name] for name in KEPT},
        "default_variant": variant,
        "input": {name: new["input"][name] for name in ("size", "crop", "resize")},
        "variants": {variant: {name: spec[name] for name in ("file", "threshold", "temperature")}},
        "golden": golden,
        "lineage": {name: new["lineage"][name] for name in LINEAGE},
        "files": {
            name: {"sha256": hashlib.sha256(data).hexdigest(), "bytes": len(data)} for name, data in files.items()
        },
    }
    for name, data in files.items():
        (to / name).parent.mkdir(parents=True, exist_ok=True)
        (to / name).write_bytes(data)
    (to / "manifest.json").write_text(json.dumps(old), encoding="utf-8")


def _graph(path: Path) -> bytes:
    model = onnx.load(path)
    for node in model.graph.node:
        for names in (node.input, node.output):
            for place, name in enumerate(names):
                names[place] = "known" if name == "id_score" else name
    outputs = [each for each in model.graph.output if each.name in ("probabilities", "id_score")]
    for each in outputs:
        each.name = "known" if each.name == "id_score" else each.name
    del model.graph.output[:]
    model.graph.output.extend(outputs)
    data: bytes = model.SerializeToString()
    return data
