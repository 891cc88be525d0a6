"""The servers that the service is compared with, each as its own documentation has it; they run in .venv-bench.

What they need to know comes by variables of the environment, BENCH_…: `contenders` sets them.
"""
