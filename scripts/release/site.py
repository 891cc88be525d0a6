"""Make a folder that any static host can serve: the page, and the promoted model that it runs by itself.

Writes web/site, whole or not at all.
"""

import shutil
import sys
from pathlib import Path
from typing import Final

import bundle
from bundle.errors import BundleError
from pipeline.core import files
from pipeline.core.errors import PipelineError, run_stage
from scripts.dev import node

SITE: Final = Path("web/site")
PROMOTED: Final = Path("models/promoted")
VARIANT: Final = "fp32"  # int8 is slower in a browser
CARD: Final = "MODEL_CARD.html"  # older bundles have none


def site(model: Path = PROMOTED, out: Path = SITE, web: Path = node.WEB) -> None:
    """Build the page for the bundle ``model`` and put both into ``out``.

    Raises:
        PipelineError: the bundle is damaged, has nothing for a browser, or the page can't be built; ``out`` is as it
            was.
    """
    try:
        manifest = bundle.load(model).manifest
        if VARIANT not in manifest.variants:
            raise PipelineError(f"the model {manifest.version} has no variant {VARIANT}, which browsers run")
        with files.replace_dir(out) as new:
            node.build("site", new / "page", web, node.identity(web))
            shutil.copytree(new / "page", new, dirs_exist_ok=True, ignore=shutil.ignore_patterns(node.STAMP))
            shutil.rmtree(new / "page")
            golden = [each.file for each in manifest.golden]
            cards = {CARD} & manifest.files.keys()
            for name in ("manifest.json", manifest.variants[VARIANT].file, *golden, *cards):
                (new / "model" / name).parent.mkdir(parents=True, exist_ok=True)
                shutil.copyfile(model / name, new / "model" / name)
            size = sum(path.stat().st_size for path in new.rglob("*") if path.is_file())
    except BundleError as error:
        raise PipelineError(str(error)) from error
    print(f"-> {out} ({size / 1e6:.0f} MB, model {manifest.version}); any static host serves it")
    print(f"   here: python3 -m http.server --bind 127.0.0.1 --directory {out}")


if __name__ == "__main__":
    sys.exit(run_stage(site, description=__doc__))
