"""Lets Pillow open HEIC and HEIF photos, which phones write; the pipeline alone does: the service takes web formats."""

import pillow_heif

FORMATS = ("JPEG", "PNG", "WEBP", "HEIF")

pillow_heif.register_heif_opener()
