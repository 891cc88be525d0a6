"""Serves one model bundle; needs neither torch, fastai, MLflow nor DVC."""

import os

# ONNX Runtime starts a thread on import that reports usage to its maker, unless this is set before.
os.environ.setdefault("ORT_DISABLE_TELEMETRY", "1")
