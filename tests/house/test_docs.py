"""The site of docs/ and of the library's docstrings builds, and nothing in it points nowhere."""

import subprocess
import sys
from pathlib import Path

from tests.conftest import ROOT


def test_the_site_builds_without_a_warning(tmp_path: Path) -> None:
    command = [
        sys.executable,
        "-m",
        "mkdocs",
        "build",
        "--strict",
        "--quiet",
        "--site-dir",
        str(tmp_path / "site"),
    ]
    built = subprocess.run(command, cwd=ROOT, capture_output=True, text=True, check=False)
    assert built.returncode == 0, built.stderr
    page = (tmp_path / "site/library/objectives/index.html").read_text()
    assert "pipeline.objectives.diffusion.Diffusion" in page
