"""A family that no file of the project names: three levels, two text encoders, a pooled vector."""
