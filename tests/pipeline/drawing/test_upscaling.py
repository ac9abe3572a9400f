import importlib.util
from pathlib import Path

import numpy as np
import pytest
import torch
from PIL import Image
from safetensors.torch import save_file
from skimage import data
from torch.nn import functional as F

from pipeline.bases.latents import pixels
from pipeline.drawing.esrgan import esrgan
from pipeline.drawing.upscaling import Upscaler, load_upscaler, starts, tiled, upscaled
from pipeline.errors import UserError

CPU = torch.device("cpu")
HAS_SPANDREL = importlib.util.find_spec("spandrel") is not None


def doubled(picture: torch.Tensor) -> torch.Tensor:
    """Looks one pixel around, so that a tile's edge comes out otherwise than the whole's."""
    return F.interpolate(picture, scale_factor=2, mode="bilinear")


def photograph(height: int, width: int) -> torch.Tensor:
    return (pixels(Image.fromarray(data.astronaut()[:height, :width])) + 1) / 2


@pytest.mark.parametrize(
    ("length", "expected"), [(10, [0]), (64, [0]), (65, [0, 1]), (112, [0, 48]), (113, [0, 24, 49])]
)
def test_tiles_cover_the_length_by_hand(length: int, expected: list[int]) -> None:
    assert starts(length, 64, 16) == expected


@pytest.mark.parametrize("shape", [(30, 200), (64, 64), (130, 101)])
def test_tiles_make_the_whole(shape: tuple[int, int]) -> None:
    picture = photograph(*shape)
    found = tiled(Upscaler(doubled, 2, CPU), picture, tile=64, overlap=16)
    whole = doubled(picture[None])[0]
    assert found.shape == whole.shape
    # Only a tile's outermost pixels differ, and there it counts for a 32nd.
    assert (found - whole).abs().max() < 0.02


def test_a_seam_fades() -> None:
    """Tiles that are each of one shade blend in a straight line."""
    shades = iter([0.0, 1.0])
    network = Upscaler(lambda tile: torch.full_like(tile, next(shades)), 1, CPU)
    row = tiled(network, torch.zeros(3, 4, 24), tile=16, overlap=8)[0, 0]
    assert row[:8].tolist() == [0.0] * 8
    assert row[8:16].tolist() == pytest.approx([n / 9 for n in range(1, 9)])
    assert row[16:].tolist() == [1.0] * 8


def test_a_network_runs_until_it_is_enough_and_lanczos_does_the_rest() -> None:
    calls = []

    def network(picture: torch.Tensor) -> torch.Tensor:
        calls.append(tuple(picture.shape[2:]))
        return doubled(picture)

    found = upscaled(Upscaler(network, 2, CPU), Image.fromarray(data.astronaut()[:32, :48]), 144, 96)
    assert found.size == (144, 96)
    assert calls == [(32, 48), (64, 96)]


def test_a_network_that_enlarges_nothing_runs_once() -> None:
    calls = []

    def mended(picture: torch.Tensor) -> torch.Tensor:
        calls.append(tuple(picture.shape[2:]))
        return picture

    assert upscaled(Upscaler(mended, 1, CPU), Image.new("RGB", (32, 32)), 64, 64).size == (64, 64)
    assert calls == [(32, 32)]


def test_colours_stay_in_their_order() -> None:
    red = Image.new("RGB", (16, 16), (200, 10, 30))
    found = upscaled(Upscaler(doubled, 2, CPU), red, 32, 32)
    assert np.asarray(found).reshape(-1, 3).tolist() == [[200, 10, 30]] * 1024


def test_a_missing_or_damaged_file_is_named(tmp_path: Path) -> None:
    with pytest.raises(UserError, match="no such upscaler network"):
        load_upscaler(tmp_path / "x.pth", CPU)
    (tmp_path / "x.pth").write_bytes(b"x")
    with pytest.raises(UserError, match="only tensors and plain values"):
        load_upscaler(tmp_path / "x.pth", CPU)


@pytest.mark.skipif(not HAS_SPANDREL, reason="the extra `upscale` is not installed")
def test_a_real_esrgan_file_is_loaded_and_enlarges(tmp_path: Path) -> None:
    from spandrel.architectures.ESRGAN.__arch.RRDB import RRDBNet

    torch.manual_seed(0)
    network = RRDBNet(scale=4, num_filters=8, num_blocks=1).eval()
    save_file(network.state_dict(), tmp_path / "x4.safetensors")
    torch.save({"params_ema": network.state_dict()}, tmp_path / "x4.pth")
    picture = photograph(24, 32)
    with torch.no_grad():
        wanted = network(picture[None])[0]
    for name in ("x4.safetensors", "x4.pth"):
        found = load_upscaler(tmp_path / name, CPU)
        assert found.scale == 4
        with torch.no_grad():
            torch.testing.assert_close(tiled(found, picture), wanted.clamp(0, 1))


@pytest.mark.skipif(not HAS_SPANDREL, reason="the extra `upscale` is not installed")
def test_our_own_networks_answer_as_spandrels() -> None:
    from spandrel.architectures.Compact.__arch.SRVGG import SRVGGNetCompact
    from spandrel.architectures.ESRGAN.__arch.RRDB import RRDBNet

    torch.manual_seed(0)
    theirs = [
        RRDBNet(scale=4, num_filters=8, num_blocks=2),
        RRDBNet(in_nc=12, scale=4, shuffle_factor=2, num_filters=8, num_blocks=1),
        SRVGGNetCompact(num_feat=8, num_conv=2, upscale=4),
    ]
    for network in theirs:
        x, ours = torch.rand(1, 3, 9, 13), esrgan(network.state_dict())
        assert ours is not None
        with torch.no_grad():
            torch.testing.assert_close(ours(x), network.eval()(x))


@pytest.mark.skipif(not HAS_SPANDREL, reason="the extra `upscale` is not installed")
def test_what_is_no_upscaler_is_named(tmp_path: Path) -> None:
    save_file({"x": torch.zeros(3)}, tmp_path / "x.safetensors")
    (tmp_path / "x.pth").write_bytes(b"no pickle")
    for name in ("x.safetensors", "x.pth"):
        with pytest.raises(UserError, match=name):
            load_upscaler(tmp_path / name, CPU)
