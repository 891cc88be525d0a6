"""`python -m pipeline.evaluate`: measure the bundle."""

import sys

from pipeline.evaluate.stage import main

sys.exit(main())
