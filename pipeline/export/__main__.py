"""`python -m pipeline.export`: write the bundle."""

import sys

from pipeline.export.stage import main

sys.exit(main())
