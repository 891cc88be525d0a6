"""The servers that the service is compared with, each as its own documentation has it; they run in .venv-bench.

What they need to know comes by these environment variables, where a framework starts them and hands on no arguments.
"""

from typing import Final

BUNDLE: Final = "BENCH_BUNDLE"  # folder of the model bundle
VARIANT: Final = "BENCH_VARIANT"  # fp32 or int8
WORKERS: Final = "BENCH_WORKERS"  # processes
TRAINED: Final = "BENCH_TRAINED"  # folder that the train stage wrote
PICTURE: Final = "BENCH_PICTURE"  # any picture file
