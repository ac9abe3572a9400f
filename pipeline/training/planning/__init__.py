"""Predicts what a training will do and cost."""
