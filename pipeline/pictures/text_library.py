"""The optional library of the text detector `ocr`: its name, and what to type where it is missing."""

from importlib.util import find_spec

TEXT_LIBRARY = "rapidocr"
"""Its package holds PaddleOCR's networks (PP-OCR); both Apache-2.0."""


def text_library_problem() -> str | None:
    """A sentence if the library is not installed."""
    if find_spec(TEXT_LIBRARY) is not None:
        return None
    return (
        f"collect.text_detector is ocr, but {TEXT_LIBRARY} is not installed; type"
        ' `pip install "athanor[ocr]"`, or set it to `guess`'
    )
