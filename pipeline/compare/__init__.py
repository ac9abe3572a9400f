"""Compares runs, DVC experiments or commits: settings, figures, curves and pictures."""
