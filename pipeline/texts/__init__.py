"""Captions as people write them: what parts their tags, lines, gaps and wraps. It knows no picture."""
