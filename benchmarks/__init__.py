"""Ratios against the bare minimum, measured in one run."""
