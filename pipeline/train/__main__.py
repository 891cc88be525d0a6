"""`python -m pipeline.train`: train the model."""

import sys

from pipeline.core.errors import run_stage
from pipeline.train import stage

sys.exit(run_stage(stage.train, description=stage.__doc__))
