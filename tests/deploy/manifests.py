"""What `kubectl kustomize` makes of deploy/k8s, and how to find things in it."""

import re
import shutil
import subprocess
from collections.abc import Iterator, Sequence
from functools import cache
from pathlib import Path
from typing import Any

import yaml

ROOT = Path(__file__).parents[2]
KUSTOMIZATIONS = ("small", "large", "training")
SERVICE_IMAGE = "art-text-plant"
TRAINING_IMAGE = "art-text-plant-pipeline"
UNITS = {"": 1.0, "m": 1e-3, "k": 1e3, "M": 1e6, "G": 1e9, "Ki": 2.0**10, "Mi": 2.0**20, "Gi": 2.0**30}

Object = dict[str, Any]


def why_not() -> str:
    """Why manifests can't be built here; empty where they can."""
    if not shutil.which("kubectl"):
        return "kubectl is missing: install it, version 1.27 or newer"
    said = subprocess.run(["kubectl", "version", "--client"], capture_output=True, text=True, check=False).stdout
    kustomize = re.search(r"Kustomize Version: v(\d+)", said)
    return "" if kustomize and int(kustomize[1]) >= 5 else "kubectl is too old for deploy/k8s: 1.27 or newer is needed"


@cache
def text(name: str) -> str:
    """The YAML of deploy/k8s/``name``; kustomize's own sentence where it can't be built."""
    command = ["kubectl", "kustomize", str(ROOT / "deploy" / "k8s" / name)]
    done = subprocess.run(command, capture_output=True, text=True, check=False)
    assert done.returncode == 0, done.stderr
    return done.stdout


def objects(name: str) -> list[Object]:
    """The objects of deploy/k8s/``name``, new ones each time."""
    return [each for each in yaml.safe_load_all(text(name)) if each]


def of_kind(all_of_them: Sequence[Object], *kinds: str) -> list[Object]:
    """Those of some kinds."""
    return [each for each in all_of_them if each["kind"] in kinds]


def named(each: Object) -> str:
    """An object as a sentence names it."""
    return f"{each['kind']} {each['metadata']['name']}"


def quantity(text: str | int) -> float:
    """Kubernetes' `1500m`, `256Mi`, `2` as a number."""
    match = re.fullmatch(r"([0-9.]+)([a-zA-Z]*)", str(text))
    assert match, text
    return float(match[1]) * UNITS[match[2]]


def pods(all_of_them: Sequence[Object]) -> Iterator[tuple[Object, Object]]:
    """Each object that makes pods, with its pod template."""
    for each in of_kind(all_of_them, "Deployment", "Job"):
        yield each, each["spec"]["template"]


def containers(pod: Object) -> list[Object]:
    """Of a pod template, those that prepare included."""
    return [*pod["spec"].get("initContainers", []), *pod["spec"]["containers"]]


def probes(container: Object) -> dict[str, Object]:
    """The probes of a container by their field."""
    return {name: container[name] for name in ("startupProbe", "livenessProbe", "readinessProbe") if name in container}


def image(container: Object) -> tuple[str, str]:
    """Name without its registry, and tag."""
    name, _, tag = container["image"].rpartition(":")
    return name.rpartition("/")[2], tag


def variables(all_of_them: Sequence[Object], container: Object) -> dict[str, str | None]:
    """The variables of a container that the manifests know by name; None where a Secret has the value."""
    config = {each["metadata"]["name"]: each.get("data", {}) for each in of_kind(all_of_them, "ConfigMap")}
    known: dict[str, str | None] = {}
    for source in container.get("envFrom", []):
        known |= config.get(source.get("configMapRef", {}).get("name"), {})
    return known | {each["name"]: each.get("value") for each in container.get("env", [])}


def labels_of(each: Object) -> dict[str, str]:
    """Of an object or a pod template."""
    return dict(each["metadata"].get("labels", {}))


def holds(labels: dict[str, str], selector: dict[str, str]) -> bool:
    """Whether a selector chooses what has these labels."""
    return all(labels.get(name) == value for name, value in selector.items())
