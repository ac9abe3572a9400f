"""Base checkpoints: one folder per family, and what the families share."""
