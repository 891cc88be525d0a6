"""`python -m pipeline.train`: train the model."""

import sys

from pipeline.train.stage import main

sys.exit(main())
