"""Benchmarks: each a command that measures, writes its CSV file in docs/bench/ and the tables of its page."""
