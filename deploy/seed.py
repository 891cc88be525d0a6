"""Fill an empty cache with the bundle that is in the image: `seed.py`, with the settings of the service.

A service that takes its model from a registry has none until somebody promotes one there. With the cache seeded it
serves the image's own bundle until then, and takes the registry's champion over as soon as there is one.
"""

import sys
from pathlib import Path

import bundle
from bundle.errors import UserError
from service import settings
from service.models.registry import Version, archive, keep, kept_token

BAKED = Path("models/promoted")
NUMBER = "0"  # registries count from 1


def seed(values: settings.Settings) -> str:
    """Seed the cache; what was done, in a sentence.

    Raises:
        UserError: MODEL is no model of a registry, or the image's bundle is damaged.
        OSError: the cache can't be written.
    """
    if values.registered is None:
        raise UserError("MODEL is a folder, which needs no cache: seed one for MODEL=models:/NAME@ALIAS")
    kept = archive(values)
    if kept_token(kept) is not None:
        return f"{values.cache} holds a model already"
    if not (BAKED / bundle.MANIFEST).is_file():
        return "the image has no bundle; the service waits for the registry"
    found = bundle.load(BAKED)
    keep(kept, Version(NUMBER, bundle.fingerprint(found.manifest)).token, BAKED)
    return f"{values.cache} begins with {found.manifest.version}, which is in the image"


def main() -> int:
    """The exit status."""
    try:
        print(seed(settings.read()))
    except UserError as error:
        print(f"error: {error}", file=sys.stderr)
        return 1
    except OSError as error:
        print(
            f"error: {error.filename}: {error.strerror}; check space and permissions of CACHE",
            file=sys.stderr,
        )
        return 1
    return 0


if __name__ == "__main__":
    sys.exit(main())
