"""The old place of `spaced`; it lives in pipeline/captions/text.py."""

from pipeline.captions.text import KAOMOJI, spaced

__all__ = ["KAOMOJI", "spaced"]
