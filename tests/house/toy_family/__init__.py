"""A family that no file of the project names: three levels, two text encoders of different widths, a pooled vector."""
