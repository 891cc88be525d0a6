"""Recordings to GIFs. Its imports are relative: pyproject.toml packs this folder as `palette_gif` (docs/gif.md)."""
