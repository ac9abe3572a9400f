"""Benchmarks: ratios to the bare minimum, both measured in one run."""
