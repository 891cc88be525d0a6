"""The stage ``recordings``: which recordings there are, so that an edit of a photo makes no GIF again.

data/recordings/ need not be there; a stage that depended on it would fail then. This one depends on data/ and takes
a moment, and the stage ``gif`` runs only when the list that this writes is another.
"""

import sys

from pipeline.core.errors import run_stage
from scripts.gif import listing


def main() -> None:
    """Write the list."""
    print(f"{listing.FOLDER}: {listing.write()} files -> {listing.LIST}")


if __name__ == "__main__":
    sys.exit(run_stage(main, description=__doc__))
