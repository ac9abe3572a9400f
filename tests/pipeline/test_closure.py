from pathlib import Path

import pytest

from pipeline.closure import closure

pytestmark = pytest.mark.usefixtures("root")


def test_imports_inside_functions_and_of_imports_count() -> None:
    files = closure(Path("stages/tag.py"))
    assert "pipeline/captions/onnx_tagger.py" in files
    assert "pipeline/files/atomic.py" in files
    assert "stages/crop.py" not in files


def test_files_that_are_found_by_their_folder_count_with_their_imports() -> None:
    files = closure(Path("stages/train.py"))
    assert "pipeline/networks/algorithms/loha.py" in files
    assert not [file for file in closure(Path("stages/tag.py")) if "algorithms" in file]


def test_data_of_the_package_counts() -> None:
    assert "pipeline/base/sd1" in closure(Path("stages/encode.py"))
