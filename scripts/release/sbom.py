"""What an image is made of, and under which licences: `python -m scripts.release.sbom [IMAGE]`.

Writes build/sbom/image.cdx.json (CycloneDX) and build/sbom/licences.md. Syft looks into the image for what Debian and
Python have installed there. What it can't see is added: the packages that are built into the page, by the page's lock,
and the model, by its manifest. Fails where a package of ours (not Debian's) does not say its licence.
"""

import json
import os
import subprocess
import sys
from collections import defaultdict
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import bundle
from bundle.errors import BundleError
from pipeline.core import files
from pipeline.core.errors import PipelineError, run_stage
from scripts.release.image import PROMOTED, ROOT, TAG

SYFT = ROOT / ".venv-sbom" / "bin" / "syft"
PAGE_LOCK = ROOT / "web" / "package-lock.json"
FOLDER = ROOT / "build" / "sbom"
KINDS = {"pypi": "Python", "npm": "the page", "deb": "Debian"}

Component = dict[str, Any]


class SbomError(PipelineError):
    """Why there is no list, in one sentence with the way out."""


def scan(image: str) -> dict[str, Any]:
    """The CycloneDX document of what is installed in an image.

    Raises:
        SbomError: there is no Syft, or no such image.
    """
    if not SYFT.exists():
        raise SbomError(f"{SYFT.relative_to(ROOT)} is missing: `make sbom` sets it up")
    done = subprocess.run(
        [SYFT, "scan", f"docker:{image}", "--quiet", "--output", "cyclonedx-json"],
        env=os.environ | {"SYFT_CHECK_FOR_APP_UPDATE": "false"},
        capture_output=True,
        text=True,
        check=False,
    )
    if done.returncode:
        raise SbomError(f"{image} can't be looked into: {done.stderr.strip().splitlines()[-1]}; `make image` makes one")
    document: dict[str, Any] = json.loads(done.stdout)
    return document


def page_packages(lock: Path) -> Iterator[Component]:
    """The packages that are built into the page: those of its lock that are not only for development."""
    for place, entry in json.loads(lock.read_text(encoding="utf-8"))["packages"].items():
        name = place.rpartition("node_modules/")[2]
        if not name or entry.get("dev") or entry.get("optional"):
            continue
        component: Component = {
            "type": "library",
            "bom-ref": f"pkg:npm/{name.replace('@', '%40')}@{entry['version']}",
            "name": name,
            "version": entry["version"],
            "purl": f"pkg:npm/{name.replace('@', '%40')}@{entry['version']}",
        }
        if "license" in entry:
            component["licenses"] = [{"expression": entry["license"]}]
        yield component


def model(folder: Path) -> Component:
    """The promoted model, with the sha256 of each file that answers are made with.

    Raises:
        SbomError: there is none, or it is damaged.
    """
    try:
        manifest = bundle.load(folder).manifest
    except BundleError as error:
        raise SbomError(str(error)) from error
    models = [variant.file for variant in manifest.variants.values()]
    return {
        "type": "machine-learning-model",
        "bom-ref": f"model/{manifest.version}",
        "name": "art-text-plant",
        "version": manifest.version,
        "description": "trained on the photos of data.dvc, whose authors and licences are in ATTRIBUTION.md",
        "licenses": [{"license": {"id": "Apache-2.0"}}],
        "components": [
            {
                "type": "file",
                "name": name,
                "hashes": [{"alg": "SHA-256", "content": manifest.files[name].sha256}],
            }
            for name in models
        ],
    }


def licences_of(component: Component) -> list[str]:
    """What a component says of its licence, sorted; empty where it says nothing."""
    found = set()
    for entry in component.get("licenses", ()):
        licence = entry.get("license", {})
        said = entry.get("expression") or licence.get("id") or licence.get("name")
        if said:
            found.add(" ".join(str(said).split()))
    return sorted(found)


def kind(component: Component) -> str:
    """Where a component comes from: a name of `KINDS`; empty for what is no package."""
    return KINDS.get(component.get("purl", "").removeprefix("pkg:").partition("/")[0], "")


def listing(components: list[Component], image: str) -> str:
    """The components by origin and licence, as Markdown."""
    lines = [
        f"# Licences of what is in {image}",
        "",
        "Written by `make sbom`; each licence as its package names it.",
        "",
    ]
    for origin in KINDS.values():
        by_licence: dict[str, list[str]] = defaultdict(list)
        for component in components:
            if kind(component) == origin:
                said = ", ".join(licences_of(component)) or "not named"
                by_licence[said].append(f"{component['name']} {component['version']}")
        lines += [f"## {origin[0].upper()}{origin[1:]}", "", "| licence | packages |", "| --- | --- |"]
        lines += [f"| {said} | {', '.join(sorted(names))} |" for said, names in sorted(by_licence.items())]
        lines.append("")
    return "\n".join(lines)


def write(image: str) -> None:
    """Write both lists of ``image`` to `FOLDER`.

    Raises:
        SbomError: it can't be looked into, or a package names no licence.
    """
    document = scan(image)
    document["components"] += [*page_packages(PAGE_LOCK), model(ROOT / PROMOTED)]
    components = [component for component in document["components"] if kind(component)]
    silent = [c["name"] for c in components if kind(c) != KINDS["deb"] and not licences_of(c)]
    if silent:
        raise SbomError(f"{', '.join(silent)}: no licence named; find it out before this is given away")
    files.write_text(FOLDER / "image.cdx.json", json.dumps(document, indent=1) + "\n")
    files.write_text(FOLDER / "licences.md", listing(components, image))
    print(f"{FOLDER.relative_to(ROOT)}: {len(components)} packages and the model, their licences in licences.md")


def main(arguments: list[str]) -> int:
    """The exit status."""
    return run_stage(lambda: write(arguments[0] if arguments else TAG))


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
