"""Runs side by side: any DVC experiments or commits, their settings, figures, curves and pictures."""
