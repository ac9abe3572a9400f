"""docs/families.md names every file outside SD 3's folder that names SD 3, and no other."""

import re

from tests.conftest import ROOT

NAMES_SD3 = re.compile(
    r"sd ?3\b|sd3|stable diffusion 3|mmdit|joint_block|jointtransformer|x_embedder", re.IGNORECASE
)
OWN = ("bases/sd3/", "objectives/flow")
"""Its folder and its objective."""


def test_the_page_lists_the_files_that_name_sd3() -> None:
    root = ROOT / "pipeline"
    files = {path.relative_to(root).as_posix(): path.read_text() for path in root.rglob("*.py")}
    naming = {name for name, text in files.items() if NAMES_SD3.search(text) and not name.startswith(OWN)}
    assert not any(NAMES_SD3.search(path.read_text()) for path in (ROOT / "stages").glob("*.py"))
    page = (ROOT / "docs/families.md").read_text()
    rows = page.partition("| what it says of SD 3 |")[2].partition("\n\n")[0].splitlines()[2:]
    listed = {name for row in rows for name in re.findall(r"`([a-z0-9_/]+\.py)`", row.split("|")[1])}
    assert listed == naming
