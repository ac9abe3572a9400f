"""Real-ESRGAN's two networks from files in three layouts, against their formulas written out."""

import re
from pathlib import Path

import pytest
import torch
from safetensors.torch import save_file
from torch import Tensor
from torch.nn import functional as F

from pipeline.drawing import upscaling
from pipeline.drawing.esrgan import esrgan
from pipeline.drawing.upscaling import load_upscaler, tiled
from pipeline.errors import UserError

CPU = torch.device("cpu")
NAMES = {"conv_first": "0", "conv_up1": "3", "conv_up2": "6", "conv_hr": "8", "conv_last": "10"}


def rrdb(channels: int = 3) -> dict[str, Tensor]:
    """Two blocks of 4 features, growth 2, by Real-ESRGAN's names."""
    shapes = {"conv_first": (4, channels), "conv_last": (3, 4)}
    shapes |= dict.fromkeys(("conv_body", "conv_up1", "conv_up2", "conv_hr"), (4, 4))
    for block in range(2):
        for dense in (1, 2, 3):
            for n in range(1, 6):
                shapes[f"body.{block}.rdb{dense}.conv{n}"] = (4 if n == 5 else 2, 4 + 2 * (n - 1))
    numbers = torch.Generator().manual_seed(0)
    found = {}
    for name, shape in sorted(shapes.items()):
        found[f"{name}.weight"] = torch.randn(*shape, 3, 3, generator=numbers) / 5
        found[f"{name}.bias"] = torch.randn(shape[0], generator=numbers) / 5
    return found


def old(weights: dict[str, Tensor]) -> dict[str, Tensor]:
    """By the first ESRGAN's names."""
    found = {}
    for name, tensor in weights.items():
        place, leaf = name.rsplit(".", 1)
        place = re.sub(r"body\.(\d)\.rdb(\d)\.conv(\d)", r"model.1.sub.\1.RDB\2.conv\3.0", place)
        place = {"conv_body": "model.1.sub.2"}.get(place, place)
        found[f"model.{NAMES[place]}.{leaf}" if place in NAMES else f"{place}.{leaf}"] = tensor
    return found


def by_hand(w: dict[str, Tensor], x: Tensor, fold: int) -> Tensor:
    def conv(name: str, x: Tensor) -> Tensor:
        return F.conv2d(x, w[f"{name}.weight"], w[f"{name}.bias"], padding=1)

    start = conv("conv_first", F.pixel_unshuffle(x, fold))
    body = start
    for block in range(2):
        inner = body
        for dense in (1, 2, 3):
            name, seen = f"body.{block}.rdb{dense}", [inner]
            for n in (1, 2, 3, 4):
                seen.append(F.leaky_relu(conv(f"{name}.conv{n}", torch.cat(seen, 1)), 0.2))
            inner = inner + 0.2 * conv(f"{name}.conv5", torch.cat(seen, 1))
        body = body + 0.2 * inner
    x = start + conv("conv_body", body)
    for up in ("conv_up1", "conv_up2"):
        x = F.leaky_relu(conv(up, x.repeat_interleave(2, 2).repeat_interleave(2, 3)), 0.2)
    return conv("conv_last", F.leaky_relu(conv("conv_hr", x), 0.2))


@pytest.mark.parametrize(("channels", "fold", "scale"), [(3, 1, 4), (12, 2, 2), (48, 4, 1)])
def test_rrdb_answers_as_its_formula(channels: int, fold: int, scale: int) -> None:
    weights, x = rrdb(channels), torch.rand(1, 3, 8, 12)
    network = esrgan(weights)
    assert network is not None
    assert network.scale == scale
    torch.testing.assert_close(network(x), by_hand(weights, x, fold))
    assert network(torch.rand(1, 3, 7, 9)).shape[2:] == (7 * scale, 9 * scale)


def test_the_old_layout_is_the_same_network() -> None:
    x, new, former = torch.rand(1, 3, 8, 8), esrgan(rrdb()), esrgan({"params_ema": old(rrdb())})
    assert new is not None
    assert former is not None
    assert torch.equal(new(x), former(x))


def test_the_compact_one_adds_to_the_picture() -> None:
    w = {
        "body.0.weight": torch.randn(4, 3, 3, 3), "body.0.bias": torch.randn(4),
        "body.1.weight": torch.rand(4), "body.2.weight": torch.randn(12, 4, 3, 3),
        "body.2.bias": torch.randn(12),
    }  # fmt: skip
    x, network = torch.rand(1, 3, 6, 5), esrgan({"params": w})
    assert network is not None
    inner = F.conv2d(x, w["body.0.weight"], w["body.0.bias"], padding=1)
    inner = torch.where(inner > 0, inner, inner * w["body.1.weight"][:, None, None])
    inner = F.conv2d(inner, w["body.2.weight"], w["body.2.bias"], padding=1)
    larger = x.repeat_interleave(2, 2).repeat_interleave(2, 3)
    torch.testing.assert_close(network(x), F.pixel_shuffle(inner, 2) + larger)


def test_files_load_without_spandrel_and_tiles_make_the_whole(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(upscaling, "_by_spandrel", lambda *_: None)
    save_file(rrdb(), tmp_path / "x.safetensors")
    torch.save({"params_ema": old(rrdb())}, tmp_path / "x.pth")
    picture = torch.rand(3, 40, 56)
    for name in ("x.safetensors", "x.pth"):
        found = load_upscaler(tmp_path / name, CPU)
        with torch.no_grad():
            whole, pieces = found.network(picture[None])[0], tiled(found, picture, tile=32, overlap=16)
        assert found.scale == 4
        # At a tile's edge the network sees no neighbours: there it fades to a 64th and less.
        assert (whole - pieces).abs().mean() < 0.01 * whole.std()
    save_file({"x": torch.zeros(3)}, tmp_path / "y.safetensors")
    with pytest.raises(UserError, match=r"y\.safetensors"):
        load_upscaler(tmp_path / "y.safetensors", CPU)
