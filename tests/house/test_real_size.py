"""A base of SD 1.5's real size with random weights, and real photographs, through every stage: `make
test-large`.

Takes about ten minutes on two cores, 15 GB of memory and 15 GB of disk.
"""

import resource
from pathlib import Path
from typing import Any

import matplotlib as mpl
import pytest
import skimage.data
import torch
from diffusers import StableDiffusionPipeline
from PIL import Image
from sklearn.datasets import load_sample_images

from benchmarks.train_step import random_sd15
from pipeline.bases.load import load_base
from pipeline.bases.save import save_file, save_folder
from pipeline.networks.network import AdapterNetwork
from pipeline.networks.network_files import read_weights
from pipeline.schemas import BaseConfig
from tests.pipeline.networks.test_network import answer
from tests.stages.project import make_project, run_all

pytestmark = pytest.mark.large

CHANGES: dict[str, dict[str, Any]] = {
    "crop": {"resolution": 256},
    "class_images": {"resolution": 256},
    "train": {"epochs": 1, "batch": 3},
    "network": {"dim": 16, "alpha": 8},
    "optimizer": {"lr": 0.01, "text_encoder_lr": 0.01},
    "sample_grid": {"resolution": 256, "steps": 1, "weights": [1.0], "seeds": [1]},
}


def write_photographs(folder: Path) -> None:
    """Nine that ship with scikit-image, matplotlib and scikit-learn."""
    folder.mkdir(parents=True)
    for name in ("astronaut", "chelsea", "coffee", "rocket", "retina", "camera"):
        Image.fromarray(getattr(skimage.data, name)()).convert("RGB").save(folder / f"{name}.png")
    for name, pixels in zip(("china", "flower"), load_sample_images().images, strict=True):
        Image.fromarray(pixels).save(folder / f"{name}.png")
    hopper = Path(mpl.get_data_path()) / "sample_data" / "grace_hopper.jpg"
    (folder / "hopper.jpg").write_bytes(hopper.read_bytes())


@pytest.mark.parametrize("layout", ["file", "folder"])
def test_the_graph_at_real_size(tmp_path: Path, monkeypatch: pytest.MonkeyPatch, layout: str) -> None:
    path = "base.safetensors" if layout == "file" else "sd15"
    project = make_project(tmp_path / "project", **CHANGES, base={"path": path}, merge={"layout": layout})
    save = save_file if layout == "file" else save_folder
    save(random_sd15(), project / path, "fp16", {})
    for old in (project / "photos" / "2_zib").iterdir():
        old.unlink()
    (project / "photos" / "2_zib").rmdir()
    write_photographs(project / "photos" / "1_thing")
    monkeypatch.chdir(project)
    run_all()
    weights = read_weights(project / "models/network/net.safetensors")
    modules = {key.partition(".")[0] for key in weights}
    assert sum(name.startswith("lora_unet_") for name in modules) == 192
    assert sum(name.startswith("lora_te_") for name in modules) == 72
    assert resource.getrusage(resource.RUSAGE_SELF).ru_maxrss < 20 * 2**20
    _same_in_diffusers(project, path)


def _same_in_diffusers(project: Path, path: str) -> None:
    """The U-Net answers as with our network when diffusers has loaded our file."""
    base = load_base(BaseConfig.plain(path))
    network = AdapterNetwork.load(project / "models/network/net.safetensors", base)
    with torch.no_grad(), network.attached(base):
        ours = answer(base)
    plain = answer(base)
    pipe = StableDiffusionPipeline(
        base.vae, base.text_encoders[0], base.tokenizer, base.denoiser,
        scheduler=None, safety_checker=None, feature_extractor=None, requires_safety_checker=False,
    )  # fmt: skip
    pipe.load_lora_weights(project / "models/network", weight_name="net.safetensors")
    theirs = answer(base)
    assert (ours - plain).norm() > 1e-4 * plain.norm()
    assert (ours - theirs).norm() < 1e-4 * (ours - plain).norm() + 1e-6 * plain.norm()
