"""`python -m pipeline.merging` as it is typed."""

import json
import os
import re
import resource
import shutil
import signal
import subprocess
import sys
from collections.abc import Callable
from pathlib import Path

import pytest
import yaml
from diffusers import StableDiffusionPipeline

from pipeline.bases.save import save_file, save_folder
from pipeline.config.recipes import from_yaml, parse
from pipeline.errors import UserError
from pipeline.files.hashing import sha256_of_tree
from pipeline.files.safetensors_file import read_safetensors, write_safetensors
from pipeline.merging.__main__ import main
from pipeline.merging.methods import METHODS
from pipeline.merging.presets import CURVES
from tests.conftest import ROOT
from tests.pipeline.bases.random_sd1 import random_base

COMMAND = "import sys; from pipeline.command import run; from pipeline.merging.__main__ import main"


@pytest.fixture(scope="module")
def checkpoints(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """a as a file, b as a folder."""
    folder = tmp_path_factory.mktemp("checkpoints")
    save_file(random_base(0), folder / "a.safetensors", "fp32", {})
    save_folder(random_base(1), folder / "b", "fp32", {})
    return folder


@pytest.fixture
def models(checkpoints: Path, tmp_path: Path) -> Path:
    """Copies of both, and a recipe of them."""
    shutil.copytree(checkpoints, tmp_path, dirs_exist_ok=True)
    inputs = {"a": str(tmp_path / "a.safetensors"), "b": str(tmp_path / "b")}
    step = {"method": "weighted_sum", "a": "a", "b": "b", "alpha": {"blocks": {"M00": 1.0}}}
    (tmp_path / "recipe.yaml").write_text(yaml.safe_dump({"inputs": inputs, "merge": step}))
    return tmp_path


def test_a_folder_is_written_and_made_again(models: Path, capsys: pytest.CaptureFixture[str]) -> None:
    recipe, out, again = (str(models / name) for name in ("recipe.yaml", "out", "again"))
    main(["run", recipe, "merge.alpha.base_alpha=0.5", "--out", out, "--layout", "folder"])
    assert f"inputs.b.sha256 {sha256_of_tree(models / 'b')}" in capsys.readouterr().out
    main(["rebuild", out, "--out", again])
    assert sha256_of_tree(out) == sha256_of_tree(again)
    main(["run", recipe, "--out", f"{out}.safetensors", "merge.alpha.base_alpha=0.5"])
    single, _ = read_safetensors(Path(f"{out}.safetensors"))
    pipe = StableDiffusionPipeline.from_pretrained(out, safety_checker=None)
    assert pipe.unet.conv_out.weight.equal(single["model.diffusion_model.out.2.weight"].float())


def test_what_would_be_lost_or_is_misnamed_is_told(models: Path) -> None:
    recipe, a = str(models / "recipe.yaml"), str(models / "a.safetensors")
    before = (models / "a.safetensors").read_bytes()
    with pytest.raises(UserError, match="itself, which would be lost"):
        main(["run", recipe, "--out", a])
    with pytest.raises(UserError, match=r"is a \.safetensors file; end its name so"):
        main(["run", recipe, "--out", str(models / "out.ckpt")])
    with pytest.raises(UserError, match=r"is a folder; remove \.safetensors"):
        main(["run", recipe, "--out", str(models / "out.safetensors"), "--layout", "folder"])
    with pytest.raises(UserError, match=r"is a \.png file"):
        main(["inspect", a, "--out", str(models / "bars.svg")])
    with pytest.raises(SystemExit):
        main(["run", recipe, "--out", f"{a}.safetensors", "--alfa=1"])
    with pytest.raises(UserError, match="has no recipe"):
        main(["rebuild", a, "--out", str(models / "again.safetensors")])
    assert (models / "a.safetensors").read_bytes() == before


def test_a_rebuild_tells_what_is_missing_and_what_has_changed(
    checkpoints: Path, models: Path, tmp_path: Path
) -> None:
    out = models / "out.safetensors"
    main(["run", str(models / "recipe.yaml"), "--out", str(out)])
    digest = sha256_of_tree(models / "b")
    (models / "b" / "model_index.json").write_text("{}")
    with pytest.raises(UserError, match=rf"inputs\.b: b is not there; the recipe needs the sha256 {digest}"):
        main(["rebuild", str(out), "--out", str(tmp_path / "again.safetensors")])
    shutil.copytree(checkpoints / "b", models / "b", dirs_exist_ok=True)
    tensors, header = read_safetensors(out)
    tensors["model.diffusion_model.out.2.bias"] += 1
    write_safetensors(out, tensors, header)  # by hand, the recipe kept
    with pytest.raises(UserError, match="or one was changed"):
        main(["rebuild", str(out), "--out", str(tmp_path / "again.safetensors")])


@pytest.fixture
def opened(monkeypatch: pytest.MonkeyPatch) -> list[str]:
    """Every path that is hashed to find an input."""
    seen: list[str] = []

    def hashed(path: Path) -> str | None:
        seen.append(str(path))
        return sha256_of_tree(path)

    monkeypatch.setattr("pipeline.merging.recipes.sha256_of_model", hashed)
    return seen


def stated_by_a_stranger(models: Path, path: str) -> Path:
    """A merged file whose header names the input b by this path."""
    out = models / "given" / "out.safetensors"
    main(["run", str(models / "recipe.yaml"), "--out", str(out)])
    tensors, header = read_safetensors(out)
    recipe = json.loads(header["athanor.merge"])
    recipe["inputs"]["b"]["path"] = path
    write_safetensors(out, tensors, {**header, "athanor.merge": json.dumps(recipe)})
    return out


@pytest.mark.parametrize("command", ["rebuild", "run"])
@pytest.mark.parametrize("path", ["{}/secret/b", "secret/b", "given/../secret/b"])
def test_a_path_in_a_strangers_header_is_never_opened(
    path: str, command: str, models: Path, opened: list[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    """Its name alone is looked up, in the folders that the user named."""
    monkeypatch.chdir(models)
    given = stated_by_a_stranger(models, path.format(models))
    for folder in ("secret", "elsewhere"):
        (models / folder).mkdir()
    (models / "b").rename(models / "secret" / "b")
    shutil.copy(models / "a.safetensors", "elsewhere")
    with pytest.raises(UserError, match=r"inputs\.b: b is not there; the recipe needs the sha256"):
        main([command, str(given), "--out", str(models / "again.safetensors"), "--search", "elsewhere"])
    assert not [each for each in opened if "secret" in each]


@pytest.mark.parametrize("path", ["..", "/", ".", "a/..", "./", "b\n"])
def test_what_is_no_name_in_a_strangers_header_is_refused(path: str, models: Path, opened: list[str]) -> None:
    given = stated_by_a_stranger(models, path)
    with pytest.raises(UserError, match="which is not a file name"):
        main(["rebuild", str(given), "--out", str(models / "again.safetensors"), "--search", str(models)])
    assert opened == []


def test_a_search_hashes_no_folder_that_is_no_model(models: Path, opened: list[str]) -> None:
    given = stated_by_a_stranger(models, "another name")
    (models / "private").mkdir()
    (models / "private" / "letters").write_text("dear")
    again = models / "again.safetensors"
    main(["run", str(given), "--out", str(again), "--search", str(models)])
    assert again.exists()
    assert not [each for each in opened if "private" in each]


def test_a_path_that_the_user_types_is_opened(models: Path) -> None:
    given = stated_by_a_stranger(models, "b")
    (models / "b").rename(models / "moved")
    shutil.copy(models / "a.safetensors", models / "given")
    again, path = models / "again.safetensors", models / "moved"
    main(["run", str(given), f"inputs.b.path={path}", "--out", str(again)])
    assert again.exists()


def python(
    program: str, models: Path, preexec_fn: Callable[[], None] | None = None
) -> subprocess.CompletedProcess[str]:
    """Runs `main` of the command after `program`, in another process."""
    arguments = ["run", str(models / "recipe.yaml"), "--out", str(models / "out" / "out.safetensors")]
    return subprocess.run(
        [sys.executable, "-c", f"{COMMAND}\n{program}\nrun(main)", *arguments],
        cwd=ROOT, env={**os.environ, "ATHANOR_STORE": str(models / "store")},
        capture_output=True, text=True, check=False, preexec_fn=preexec_fn,
    )  # fmt: skip


def test_killed_or_out_of_disk_there_is_no_file_and_the_next_run_clears_up(models: Path) -> None:
    killing = f"""
from pipeline.files.tensor_writer import TensorWriter
import os
TensorWriter.write = lambda *_: os.kill(os.getpid(), {int(signal.SIGKILL)})
"""
    assert python(killing, models).returncode == -signal.SIGKILL
    (left,) = (models / "out").iterdir()
    assert left.name.startswith(".out.safetensors.")  # what no process can prevent
    limit = 100_000  # bytes a file may have: fewer than the result
    full = python("", models, preexec_fn=lambda: resource.setrlimit(resource.RLIMIT_FSIZE, (limit, limit)))
    assert full.returncode == 1
    assert full.stderr.startswith(f"error: {models}/out/out.safetensors needs 0.00 GB, but writing failed")
    assert "free space or write elsewhere" in full.stderr
    assert list((models / "out").iterdir()) == []


def test_the_guide_names_every_method_and_preset_and_its_recipes_are_whole() -> None:
    text = (ROOT / "docs/merging.md").read_text()
    steps = [*METHODS, "bake", "replace_vae"]
    assert [name for name in [*steps, *CURVES] if f"`{name}`" not in text] == []
    recipes = re.findall(r"```yaml\n(.*?)```", text, re.DOTALL)
    assert len(recipes) == 2
    for recipe in recipes:
        parse(from_yaml(recipe, "docs/merging.md"), "docs/merging.md")
