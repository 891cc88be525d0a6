"""`python -m pipeline.export`: write the bundle."""

import sys

from pipeline.core.errors import run_stage
from pipeline.export import stage

sys.exit(run_stage(stage.export, description=stage.__doc__))
