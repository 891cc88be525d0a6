"""What a model is, wherever it is used: the folder, its manifest, a picture's way to a frame, the engine.

The pipeline writes bundles, the service serves them, scripts read them; none of the three is imported here. The names
below are the folder's; `bundle.decode`, `bundle.engine` and `bundle.errors` are imported by name, so that whoever only
reads a manifest loads no engine.
"""

import os
import sys

# ONNX Runtime, which the pipeline and tests import beside this, starts a thread that reports usage to its maker unless
# this is set before.
os.environ.setdefault("ORT_DISABLE_TELEMETRY", "1")

from bundle.folder import (
    DEFAULT_FOLDER,
    HEAD,
    MANIFEST,
    WORD,
    Bundle,
    fingerprint,
    inventory,
    load,
    load_manifest,
    seal,
)
from bundle.manifest import (
    SCHEMA_VERSION,
    FileEntry,
    Golden,
    InputSpec,
    Lineage,
    Manifest,
    Variant,
    VariantName,
)

# `import openvino` would also import its converter of other formats, where that is installed: 50 ms and 5 MB.
sys.modules.setdefault("openvino.tools", None)  # type: ignore[arg-type]  # Python's way to say: it can't be found

__all__ = [
    "DEFAULT_FOLDER",
    "HEAD",
    "MANIFEST",
    "SCHEMA_VERSION",
    "WORD",
    "Bundle",
    "FileEntry",
    "Golden",
    "InputSpec",
    "Lineage",
    "Manifest",
    "Variant",
    "VariantName",
    "fingerprint",
    "inventory",
    "load",
    "load_manifest",
    "seal",
]
