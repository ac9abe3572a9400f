from pathlib import Path

import pytest

from pipeline.closure import closure

pytestmark = pytest.mark.usefixtures("root")


def test_imports_inside_functions_and_of_imports_count() -> None:
    files = closure(Path("stages/tag.py"))
    assert "pipeline/captions/onnx_tagger.py" in files
    assert "pipeline/files/atomic.py" in files
    assert "stages/crop.py" not in files


def test_data_of_the_package_counts() -> None:
    assert "pipeline/base/sd1" in closure(Path("stages/encode.py"))
