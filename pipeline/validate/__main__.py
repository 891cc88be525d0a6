"""`python -m pipeline.validate`: look at every photo and split the set."""

import sys

from pipeline.validate.stage import main

sys.exit(main())
