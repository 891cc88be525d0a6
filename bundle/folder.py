"""A model bundle: the folder that is the only contract between the pipeline, the service and the page.

    model.onnx        in: image uint8 [batch, size, size, 3]; out: probabilities float32 [batch, labels],
                      calibrated, id_score float32 [batch], 0..1: how sure that it is one of the labels at
                      all (in-distribution score), and evidence float32 [batch, labels, height, width]: the
                      class activation map, whose mean over the places plus the bias is the label's logit
    head.onnx         the last bytes of model.onnx: the head. What comes before them is the body, which models of other
                      photos share, so that whoever holds one model needs some KB for the next; older bundles have none
    model.int8.onnx   the same, quantised, where it passed its gates
    golden/           a few pictures, whose answers stand in the manifest
    MODEL_CARD.md     what the model is for and how it fails; written once it is measured
    MODEL_CARD.html   the same as a sanitised fragment of HTML; older bundles have none
    manifest.json     everything else, and the sha256 of every other file

The pipeline writes bundles through `seal`, everybody reads them through `load`. A change of a field's name or
meaning raises `SCHEMA_VERSION`; `load` refuses a newer one rather than guess.
"""

import hashlib
import json
import os
import tempfile
from dataclasses import dataclass
from pathlib import Path, PurePosixPath
from typing import Final

from pydantic import ValidationError

from bundle.errors import BundleError
from bundle.manifest import SCHEMA_VERSION, FileEntry, Manifest

MANIFEST: Final = "manifest.json"
HEAD: Final = "head.onnx"
WORD: Final = "TAINTED"  # a file in place of a bundle, where no model is left that may be served: it says why
DEFAULT_FOLDER: Final = Path("models/promoted")

_MAKE_ONE: Final = "`make run` (or `dvc repro`) makes one"
_MAKE_ANEW: Final = "copy the bundle again, or remove the folder and run `dvc repro`"
_LITTER: Final = {".DS_Store", "Thumbs.db", "desktop.ini"}  # file managers leave them wherever a person looks


@dataclass(frozen=True)
class Bundle:
    """A folder and the manifest that was read from it."""

    folder: Path
    manifest: Manifest

    def path(self, name: str) -> Path:
        """Where the bundle's file ``name`` lies."""
        return self.folder / name

    def verified(self, name: str) -> Path:
        """Where a file lies that still is what the manifest says: the folder may be replaced.

        Raises:
            BundleError: it is gone or another.
        """
        path = self.path(name)
        if _sha256(path, _MAKE_ANEW) != self.manifest.files[name].sha256:
            raise BundleError(f"{path} is not what {MANIFEST} says (sha256 differs); {_MAKE_ANEW}")
        return path

    def read(self, name: str) -> bytes:
        """Read a file that still is what the manifest says.

        Raises:
            BundleError: it is gone or another.
        """
        return self.verified(name).read_bytes()


def load(folder: Path, verify: bool = True) -> Bundle:
    """Read a bundle and check it.

    Args:
        folder: the bundle.
        verify: read every file and compare its sha256; else compare names and sizes only.

    Raises:
        BundleError: there is none, or it is damaged, incomplete, or of a newer schema. Names the file.
    """
    manifest = load_manifest(folder)
    for name in sorted(manifest.named_files() - manifest.files.keys()):
        raise BundleError(f"{folder / MANIFEST} speaks of {name}, which is not among its files; {_MAKE_ANEW}")
    found = _listing(folder)
    for name in sorted(found - manifest.files.keys()):
        raise BundleError(f"{folder / name} does not belong to the bundle: {MANIFEST} has no such file; remove it")
    bundle = Bundle(folder, manifest)
    for name, entry in sorted(manifest.files.items()):
        path = folder / name
        if name not in found or not path.is_file():  # found, but no file: a link into the void
            raise BundleError(f"{path} is missing; {_MAKE_ANEW}")
        if (size := path.stat().st_size) != entry.bytes:
            raise BundleError(f"{path} has {size} bytes where {MANIFEST} says {entry.bytes}; {_MAKE_ANEW}")
        if verify:
            bundle.verified(name)
    return bundle


def load_manifest(folder: Path) -> Manifest:
    """Read manifest.json alone, and look at no other file.

    Raises:
        BundleError: there is none, or it is damaged, invalid or of a newer schema.
    """
    path = folder / MANIFEST
    if not folder.is_dir():
        raise BundleError(f"there is no model bundle at {folder}; {_MAKE_ONE}")
    try:
        values = json.loads(path.read_bytes())
    except FileNotFoundError as error:
        raise BundleError(f"{folder} holds no {MANIFEST}; {_MAKE_ONE}") from error
    except OSError as error:
        raise BundleError(f"{path} can't be read ({error.strerror})") from error
    except (ValueError, RecursionError) as error:  # ValueError: no JSON, or no UTF-8
        raise BundleError(f"{path} is damaged ({error}); {_MAKE_ANEW}") from error
    schema = values.get("schema_version") if isinstance(values, dict) else None
    if isinstance(schema, int) and schema > SCHEMA_VERSION:
        raise BundleError(
            f"{path} is of schema {schema}, this service knows {SCHEMA_VERSION}: update the service, "
            "or make the bundle with the pipeline of this checkout"
        )
    if isinstance(schema, int) and 1 <= schema < SCHEMA_VERSION:
        raise BundleError(
            f"{path} is of schema {schema}, this version reads {SCHEMA_VERSION}: make the bundle anew "
            "(`dvc repro`), or go back to the version that made it"
        )
    try:
        return Manifest.model_validate(values)
    except ValidationError as error:
        raise BundleError(f"{path} is invalid: {_explain(error)}; {_MAKE_ANEW}") from error


def inventory(folder: Path) -> dict[str, FileEntry]:
    """Hash every file of a bundle but its manifest.

    Raises:
        BundleError: a file can't be read.
    """
    return {
        name: FileEntry(sha256=_sha256(folder / name, "check its permissions"), bytes=(folder / name).stat().st_size)
        for name in sorted(_listing(folder))
    }


def fingerprint(manifest: Manifest) -> str:
    """The sha256 of all that decides an answer, and of nothing else: equal fingerprints give equal answers.

    Model files, labels, input, thresholds and the default variant count; dates, run ids, golden frames,
    metrics and the card do not.

    Raises:
        BundleError: ``manifest.files`` does not hold the model files yet (see `inventory` and `seal`).
    """
    for variant in manifest.variants.values():
        if variant.file not in manifest.files:
            raise BundleError(f"{variant.file} is not hashed yet: fill `files` by bundle.inventory() first")
    decides = {
        "labels": manifest.labels,
        "input": manifest.input.model_dump(),
        "default_variant": manifest.default_variant,
        "variants": {
            name: {
                "sha256": manifest.files[variant.file].sha256,
                "threshold": variant.threshold,
                "temperature": variant.temperature,
            }
            for name, variant in manifest.variants.items()
        },
    }
    return hashlib.sha256(json.dumps(decides, sort_keys=True).encode()).hexdigest()


def seal(folder: Path, manifest: Manifest) -> Manifest:
    """Hash what lies in ``folder`` and write manifest.json, whole or not at all.

    Returns:
        ``manifest`` with its ``files`` filled.

    Raises:
        BundleError: the manifest is invalid, speaks of a file that is not there, or can't be written.
    """
    values = manifest.model_dump() | {"files": {n: e.model_dump() for n, e in inventory(folder).items()}}
    try:
        sealed = Manifest.model_validate(values)
    except ValidationError as error:
        raise BundleError(f"the manifest of {folder} is invalid: {_explain(error)}") from error
    for name in sorted(sealed.named_files() - sealed.files.keys()):
        raise BundleError(f"{folder / name} is missing, the manifest speaks of it; write it before sealing")
    _write_atomically(folder / MANIFEST, sealed.model_dump_json(indent=2).encode() + b"\n")
    return sealed


def _explain(error: ValidationError) -> str:
    """Say in one line what is wrong: the first three of it."""
    wrong = error.errors(include_url=False, include_input=False)
    said = [f"{'.'.join(map(str, e['loc'])) or 'manifest'}: {e['msg']}" for e in wrong[:3]]
    return "; ".join(said) + (f" (and {len(wrong) - 3} more)" if len(wrong) > 3 else "")


def _sha256(path: Path, way_out: str) -> str:
    try:
        with path.open("rb") as file:
            return hashlib.file_digest(file, "sha256").hexdigest()  # in pieces: a model need not fit into memory twice
    except OSError as error:
        raise BundleError(f"{path} can't be read ({error.strerror}); {way_out}") from error


def _listing(folder: Path) -> set[str]:
    """Name every file under ``folder`` but its manifest, with slashes."""
    names = (
        PurePosixPath((Path(place) / file).relative_to(folder)).as_posix()
        for place, _, files in os.walk(folder)
        for file in files
        if file not in _LITTER
    )
    return set(names) - {MANIFEST}


def _write_atomically(path: Path, data: bytes) -> None:
    temporary: Path | None = None
    try:
        descriptor, name = tempfile.mkstemp(dir=path.parent, prefix=f".{path.name}.", suffix=".tmp")
        temporary = Path(name)
        with os.fdopen(descriptor, "wb") as file:
            file.write(data)
        temporary.chmod(0o644)  # mkstemp makes it 0600, which a service of another user can't read
        temporary.replace(path)
    except OSError as error:
        raise BundleError(f"{path} can't be written: {error.strerror}; free space or change permissions") from error
    finally:
        if temporary is not None:
            temporary.unlink(missing_ok=True)
