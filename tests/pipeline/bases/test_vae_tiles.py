"""A VAE in tiles, on the demo's base."""

from pathlib import Path

import numpy as np
import pytest
import torch
from PIL import Image

from pipeline.bases import vae_tiles
from pipeline.bases.base import Base
from pipeline.bases.latents import decoded, moments
from pipeline.bases.load import load_base
from pipeline.schemas import BaseConfig

pytestmark = pytest.mark.usefixtures("root")


def base_of(tiles: str) -> Base:
    return load_base(BaseConfig.plain("demo/base", vae_tiles=tiles))


def picture(px: int) -> Image.Image:
    file = sorted(Path("demo/pictures").rglob("*.png"))[0]
    return Image.open(file).convert("RGB").resize((px, px))


@torch.no_grad()
def levels(base: Base, latents: torch.Tensor) -> np.ndarray:
    return np.stack([np.asarray(each, np.float32) for each in decoded(base, latents)])


def test_pictures_of_a_tile_or_less_are_as_without() -> None:
    whole, tiled = base_of("none"), base_of("drawing")
    latents = moments(whole, picture(128))[None, :4]
    assert torch.equal(moments(tiled, picture(128))[None, :4], latents)
    assert np.array_equal(levels(tiled, latents), levels(whole, latents))


def test_several_pictures_are_drawn_one_at_a_time_alike() -> None:
    """Slices: the last bits may differ from a batch's, so a level here and there."""
    whole, tiled = base_of("none"), base_of("drawing")
    latents = torch.cat([moments(whole, picture(px).resize((128, 128)))[None, :4] for px in (32, 64, 128)])
    seen: list[int] = []
    tiled.vae.decoder.register_forward_hook(lambda _, given, __: seen.append(len(given[0])))
    assert np.abs(levels(tiled, latents) - levels(whole, latents)).max() <= 1
    assert seen == [1, 1, 1]


def test_the_error_of_tiles_is_bounded(monkeypatch: pytest.MonkeyPatch) -> None:
    """Tiles of half the side; docs/bases.md states what was measured on six pictures."""
    monkeypatch.setattr(vae_tiles, "VAE_TILE_PX", 64)
    whole, tiled = base_of("none"), base_of("all")
    exact, rough = moments(whole, picture(128))[:4], moments(tiled, picture(128))[:4]
    assert 0 < (rough - exact).square().mean().sqrt() < 0.4 * exact.std()
    drawn, wanted = levels(tiled, exact[None]), levels(whole, exact[None])
    assert 0 < np.abs(drawn - wanted).mean() < 15


def test_the_largest_tensor_is_a_tiles(monkeypatch: pytest.MonkeyPatch) -> None:
    def largest(base: Base) -> int:
        made = [0]
        for module in base.vae.modules():
            if not list(module.children()):
                module.register_forward_hook(lambda _, __, out: made.append(out.numel()))
        levels(base, torch.zeros(2, 4, 64 // base.latents.cell_px * 4, 64 // base.latents.cell_px * 4))
        return max(made)

    monkeypatch.setattr(vae_tiles, "VAE_TILE_PX", 64)
    # 2 pictures of 256 px in one piece against one tile of 64 px.
    assert largest(base_of("none")) == 2 * 16 * largest(base_of("drawing"))
