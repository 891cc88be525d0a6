"""What developers and CI run: set-up, benchmarks, comparisons. Neither pipeline nor service imports it."""
