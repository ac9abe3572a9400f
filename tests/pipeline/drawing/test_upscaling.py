import sys
from pathlib import Path

import numpy as np
import pytest
import torch
from PIL import Image
from safetensors.torch import save_file
from skimage import data
from torch.nn import functional as F

from pipeline.bases.latents import pixels
from pipeline.drawing.upscaling import Upscaler, load_upscaler, starts, tiled, upscaled
from pipeline.errors import UserError

CPU = torch.device("cpu")


def rrdb(channels: int, features: int = 8) -> dict[str, torch.Tensor]:
    """One block by the first ESRGAN's names: 3 channels enlarge 4x, 12 (2x2 pixels folded) 2x."""
    shapes = {"0": (features, channels), "1.sub.1": (features, features), "10": (3, features)}
    shapes |= dict.fromkeys(("3", "6", "8"), (features, features))
    for dense in (1, 2, 3):
        for n in range(1, 6):
            width = features if n == 5 else 32
            shapes[f"1.sub.0.RDB{dense}.conv{n}.0"] = (width, features + 32 * (n - 1))
    numbers, found = torch.Generator().manual_seed(0), {}
    for name, shape in sorted(shapes.items()):
        found[f"model.{name}.weight"] = torch.randn(*shape, 3, 3, generator=numbers) / 20
        found[f"model.{name}.bias"] = torch.randn(shape[0], generator=numbers) / 20
    return found


def rrdb_by_hand(w: dict[str, torch.Tensor], x: torch.Tensor, fold: int) -> torch.Tensor:
    """Its formula written out (Wang et al., ESRGAN, arXiv:1809.00219)."""

    def conv(name: str, x: torch.Tensor) -> torch.Tensor:
        return F.conv2d(x, w[f"model.{name}.weight"], w[f"model.{name}.bias"], padding=1)

    start = conv("0", F.pixel_unshuffle(x, fold))
    inner = start
    for dense in (1, 2, 3):
        name, seen = f"1.sub.0.RDB{dense}", [inner]
        for n in (1, 2, 3, 4):
            seen.append(F.leaky_relu(conv(f"{name}.conv{n}.0", torch.cat(seen, 1)), 0.2))
        inner = inner + 0.2 * conv(f"{name}.conv5.0", torch.cat(seen, 1))
    x = start + conv("1.sub.1", start + 0.2 * inner)
    for up in ("3", "6"):
        x = F.leaky_relu(conv(up, x.repeat_interleave(2, 2).repeat_interleave(2, 3)), 0.2)
    return conv("10", F.leaky_relu(conv("8", x), 0.2))


def compact() -> dict[str, torch.Tensor]:
    """Real-ESRGAN's compact network, 2x: two convolutions and a PReLU."""
    numbers = torch.Generator().manual_seed(0)
    shapes = {"0.weight": (4, 3, 3, 3), "0.bias": (4,), "1.weight": (4,)}
    shapes |= {"2.weight": (4, 4, 3, 3), "2.bias": (4,), "3.weight": (4,)}
    shapes |= {"4.weight": (12, 4, 3, 3), "4.bias": (12,)}
    return {f"body.{name}": torch.randn(*shape, generator=numbers) / 20 for name, shape in shapes.items()}


def compact_by_hand(w: dict[str, torch.Tensor], x: torch.Tensor) -> torch.Tensor:
    inner = x
    for number in (0, 2):
        inner = F.conv2d(inner, w[f"body.{number}.weight"], w[f"body.{number}.bias"], padding=1)
        inner = torch.where(inner > 0, inner, inner * w[f"body.{number + 1}.weight"][:, None, None])
    inner = F.conv2d(inner, w["body.4.weight"], w["body.4.bias"], padding=1)
    return F.pixel_shuffle(inner, 2) + x.repeat_interleave(2, 2).repeat_interleave(2, 3)


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


@pytest.mark.parametrize(("channels", "fold", "scale"), [(3, 1, 4), (12, 2, 2)])
def test_a_real_esrgan_file_enlarges_as_its_formula(
    channels: int, fold: int, scale: int, tmp_path: Path
) -> None:
    pytest.importorskip("spandrel", reason="the extra `upscale` is not installed", exc_type=ImportError)
    weights, picture = rrdb(channels), photograph(24, 32)
    save_file(weights, tmp_path / "x.safetensors")
    torch.save({"params_ema": weights}, tmp_path / "x.pth")
    expected = rrdb_by_hand(weights, picture[None], fold)[0].clamp(0, 1)
    for name in ("x.safetensors", "x.pth"):
        found = load_upscaler(tmp_path / name, CPU)
        assert found.scale == scale
        with torch.no_grad():
            torch.testing.assert_close(tiled(found, picture), expected)


def test_the_compact_network_enlarges_as_its_formula(tmp_path: Path) -> None:
    pytest.importorskip("spandrel", reason="the extra `upscale` is not installed", exc_type=ImportError)
    torch.save({"params": compact()}, tmp_path / "x.pth")
    found, picture = load_upscaler(tmp_path / "x.pth", CPU), photograph(12, 16)
    with torch.no_grad():
        expected = compact_by_hand(compact(), picture[None])[0].clamp(0, 1)
        torch.testing.assert_close(tiled(found, picture), expected)


def test_what_is_no_upscaler_is_named(tmp_path: Path) -> None:
    pytest.importorskip("spandrel", reason="the extra `upscale` is not installed", exc_type=ImportError)
    save_file({"x": torch.zeros(3)}, tmp_path / "x.safetensors")
    torch.save({"params": rrdb(3) | {"model.0.weight": torch.zeros(8, 3, 3)}}, tmp_path / "x.pth")
    for name in ("x.safetensors", "x.pth"):
        with pytest.raises(UserError, match=name):
            load_upscaler(tmp_path / name, CPU)


def test_without_spandrel_the_extra_is_named(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    save_file(rrdb(3), tmp_path / "x.safetensors")
    monkeypatch.setitem(sys.modules, "spandrel", None)
    with pytest.raises(UserError, match=r'needs spandrel.*`pip install "athanor\[upscale\]"`.*`latent`'):
        load_upscaler(tmp_path / "x.safetensors", CPU)


def test_a_torchvision_of_another_build_is_named(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """What torchvision's CUDA build raises on a torch for CPUs."""
    save_file(rrdb(3), tmp_path / "x.safetensors")
    (tmp_path / "spandrel.py").write_text("raise RuntimeError('operator torchvision::nms does not exist')\n")
    monkeypatch.delitem(sys.modules, "spandrel", raising=False)
    monkeypatch.syspath_prepend(tmp_path)
    with pytest.raises(UserError, match=r"nms does not exist\); torchvision must be the build for torch 2"):
        load_upscaler(tmp_path / "x.safetensors", CPU)
