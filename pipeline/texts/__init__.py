"""Captions as people write them: separators of tags, lines, gaps, wraps. Knows nothing of pictures."""
