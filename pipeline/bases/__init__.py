"""Base checkpoints: one folder a family, and what the families share."""
