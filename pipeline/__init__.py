"""The stages that turn photos into a promoted model bundle, one module a stage, and the nouns they share."""

import os

# ONNX Runtime starts a thread on import that reports usage to its maker, unless this is set before.
os.environ.setdefault("ORT_DISABLE_TELEMETRY", "1")
