"""Screen recordings to GIFs: ``python -m scripts.gif RECORDING…``, and the stage ``gif`` of dvc.yaml."""
