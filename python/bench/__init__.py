"""Benchmark of the package beside its peers: ``make bench-python``."""
