"""Results kept by content, outside the outputs."""
