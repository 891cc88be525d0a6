"""Serves one model bundle; needs neither torch, fastai, MLflow nor DVC."""
