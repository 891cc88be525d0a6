"""What an image is made of, and under which licences: `python -m scripts.release.sbom [IMAGE]`.

Writes build/sbom/image.cdx.json (CycloneDX) and build/sbom/licences.md. Syft looks into the image for what Debian and
Python have installed there (cyclonedx-bom sees Python alone), and into the page's lock for what is built into the page.
The model is added. Fails where a package of ours (not Debian's) does not say its licence.
"""

import json
import os
import subprocess
import sys
from collections import defaultdict
from pathlib import Path
from typing import Any

from pipeline.core import files
from pipeline.core.errors import PipelineError, run_stage
from scripts.bench.results import table
from scripts.release.image import ROOT, TAG, promoted

SYFT = ROOT / ".venv-sbom" / "bin" / "syft"
PAGE_LOCK = ROOT / "web" / "package-lock.json"
FOLDER = ROOT / "build" / "sbom"
KINDS = {"pypi": "Python", "npm": "The page", "deb": "Debian"}

Component = dict[str, Any]


def scan(source: str) -> dict[str, Any]:
    """The CycloneDX document of a ``source`` as Syft names them: ``docker:IMAGE``, or ``file:PATH`` of a lock.

    Raises:
        PipelineError: there is no Syft, or no such source.
    """
    if not SYFT.exists():
        raise PipelineError(f"{SYFT.relative_to(ROOT)} is missing: `make sbom` sets it up")
    done = subprocess.run(
        [SYFT, "scan", source, "--quiet", "--output", "cyclonedx-json"],
        env=os.environ | {"SYFT_CHECK_FOR_APP_UPDATE": "false"},
        capture_output=True,
        text=True,
        check=False,
    )
    if done.returncode:
        last = done.stderr.strip().splitlines()[-1]
        raise PipelineError(f"{source} can't be looked into: {last}; `make image` makes an image")
    document: dict[str, Any] = json.loads(done.stdout)
    return document


def model(root: Path) -> Component:
    """The promoted model, with the sha256 of each file that answers are made with.

    Raises:
        PipelineError: there is none, or it is damaged.
    """
    manifest = promoted(root)
    parts = []
    for name in (variant.file for variant in manifest.variants.values()):
        digest = {"alg": "SHA-256", "content": manifest.files[name].sha256}
        parts.append({"type": "file", "name": name, "hashes": [digest]})
    return {
        "type": "machine-learning-model",
        "bom-ref": f"model/{manifest.version}",
        "name": "art-text-plant",
        "version": manifest.version,
        "description": "trained on the photos of data.dvc, whose authors and licences are in ATTRIBUTION.md",
        "licenses": [{"license": {"id": "Apache-2.0"}}],
        "components": parts,
    }


def licences_of(component: Component) -> list[str]:
    """What a component says of its licence, sorted; empty where it says nothing."""
    found = set()
    for entry in component.get("licenses", ()):
        licence = entry.get("license", {})
        if said := entry.get("expression") or licence.get("id") or licence.get("name"):
            found.add(" ".join(str(said).split()))
    return sorted(found)


def kind(component: Component) -> str:
    """Where a component comes from: a name of `KINDS`; empty for what is no package."""
    return KINDS.get(component.get("purl", "").removeprefix("pkg:").partition("/")[0], "")


def listing(components: list[Component], image: str) -> str:
    """The components by origin and licence, as Markdown."""
    parts = [f"# Licences of what is in {image}", "Written by `make sbom`; each licence as its package names it."]
    for origin in KINDS.values():
        by_licence: dict[str, list[str]] = defaultdict(list)
        for component in components:
            if kind(component) == origin:
                said = ", ".join(licences_of(component)) or "not named"
                by_licence[said].append(f"{component['name']} {component['version']}")
        rows = [(said, ", ".join(sorted(names))) for said, names in sorted(by_licence.items())]
        parts += [f"## {origin}", table(("licence", "packages"), rows)]
    return "\n\n".join(parts) + "\n"


def write(image: str) -> None:
    """Write both lists of ``image`` to `FOLDER`.

    Raises:
        PipelineError: it can't be looked into, or a package names no licence.
    """
    document = scan(f"docker:{image}")
    document["components"] += [*scan(f"file:{PAGE_LOCK}")["components"], model(ROOT)]
    components = [component for component in document["components"] if kind(component)]
    silent = [c["name"] for c in components if kind(c) != KINDS["deb"] and not licences_of(c)]
    if silent:
        raise PipelineError(f"{', '.join(silent)}: no licence named; find it out before this is given away")
    files.write_text(FOLDER / "image.cdx.json", json.dumps(document, indent=1) + "\n")
    files.write_text(FOLDER / "licences.md", listing(components, image))
    print(f"{FOLDER.relative_to(ROOT)}: {len(components)} packages and the model, their licences in licences.md")


if __name__ == "__main__":
    sys.exit(run_stage(lambda: write(sys.argv[1] if len(sys.argv) > 1 else TAG)))
