"""The stages ``recordings`` and ``gif`` of dvc.yaml; what `pip install .` packs is all of scripts/gif but this."""
