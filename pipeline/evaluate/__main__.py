"""`python -m pipeline.evaluate`: measure the bundle."""

import sys

from pipeline.core.errors import run_stage
from pipeline.evaluate import stage

sys.exit(run_stage(stage.evaluate, description=stage.__doc__))
