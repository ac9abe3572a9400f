"""Latents in 16 bits, and VAEs that overflow."""

import re
from pathlib import Path

import pytest
import torch
from safetensors.torch import load_file

from pipeline.bases.latents import moments
from pipeline.bases.save import save_folder
from pipeline.errors import UserError
from stages import collect, compose, crop, encode
from tests.noting import noting
from tests.pipeline.bases.random_sd1 import random_base
from tests.stages.project import draw_pictures, make_project

LATENTS = Path("data/encoded/latents.safetensors")
IN_BF16 = ("base.vae_precision=bf16", "--out", "tries")


@pytest.fixture
def cropped(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.chdir(make_project(tmp_path / "p"))
    for stage in (compose, collect, crop):
        stage.main([])
    Path("data/class_images").mkdir()
    Path("data/class_images/records.jsonl").touch()


@pytest.mark.usefixtures("cropped")
def test_latents_in_bf16_are_near_those_in_fp32() -> None:
    encode.main([])
    exact = load_file(LATENTS)
    encode.main([*IN_BF16])
    rough = load_file("tries" / LATENTS)
    assert rough.keys() == exact.keys()
    for name, kept in rough.items():
        assert kept.dtype == torch.float32
        assert not torch.equal(kept, exact[name])
        assert (kept - exact[name]).abs().max() <= 0.05 * exact[name].abs().max()  # bf16 has 8 bits
    encode.main([])
    assert all(torch.equal(value, exact[name]) for name, value in load_file(LATENTS).items())


def break_vae() -> None:
    """Weights whose products leave float32."""
    base = random_base()
    with torch.no_grad():
        base.vae.encoder.conv_out.weight.fill_(1e38)
    save_folder(base, Path("base"), "fp32", {})


@pytest.mark.usefixtures("cropped")
def test_a_vae_that_overflows_is_an_error_that_names_the_picture() -> None:
    break_vae()
    compose.main([])
    message = r"the VAE gives NaN or infinite latents for zib/0, zib/1, zib/2; set base\.vae to another"
    for _ in range(2):  # nothing broken is stored
        with pytest.raises(UserError, match=message):
            encode.main([])
    assert not LATENTS.exists()
    with pytest.raises(UserError, match=r"; set base\.vae_precision to fp32, set base\.vae to another VAE"):
        encode.main([*IN_BF16])


@pytest.mark.usefixtures("cropped")
def test_after_five_broken_pictures_no_more_are_encoded(monkeypatch: pytest.MonkeyPatch) -> None:
    draw_pictures(Path("photos/2_zib"), 8)
    break_vae()
    for stage in (compose, collect, crop):
        stage.main([])
    seen: list[object] = []
    monkeypatch.setattr(encode, "moments", noting(seen, lambda _base, picture: picture, moments))
    with pytest.raises(UserError, match="and perhaps others") as raised:
        encode.main([])
    assert len(seen) == 5
    assert len(re.findall(r"zib/\d", str(raised.value))) == 5


@pytest.mark.usefixtures("cropped")
def test_tiles_are_for_encode_only_where_asked(monkeypatch: pytest.MonkeyPatch) -> None:
    """Tiles of 32 px, where pictures have 64: other latents, kept under keys of their own."""
    monkeypatch.setattr("pipeline.bases.vae_tiles.VAE_TILE_PX", 32)
    encode.main([])
    exact = load_file(LATENTS)
    for tiles, is_equal in (("drawing", True), ("all", False), ("none", True)):
        encode.main([f"base.vae_tiles={tiles}", "--out", tiles])
        made = load_file(tiles / LATENTS)
        assert made.keys() == exact.keys()
        assert all(torch.equal(value, exact[name]) == is_equal for name, value in made.items())
