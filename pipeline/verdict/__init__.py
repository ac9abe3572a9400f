"""Judges the networks of a sample grid: measures of pictures with intervals, and one rule that proposes an
epoch and a weight. Pure.
"""
