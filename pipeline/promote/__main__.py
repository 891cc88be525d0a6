"""`python -m pipeline.promote`: decide, roll back, show the history."""

import sys

from pipeline.promote.stage import main

sys.exit(main())
