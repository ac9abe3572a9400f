from pathlib import Path

import pytest
import torch
from PIL import Image
from torch import Tensor

from pipeline.bases.base import Base
from pipeline.bases.layers import changeable_modules
from pipeline.drawing.conditioning import conditioning
from pipeline.drawing.regions import Region, attached_in
from pipeline.errors import UserError
from pipeline.networks.network import AdapterNetwork
from tests.pipeline.bases.random_sd1 import random_base
from tests.pipeline.bases.tiny import small_base
from tests.pipeline.drawing.lora_files import random_lora
from tests.pipeline.networks.answers import learned

CONVOLUTION = "lora_unet_down_blocks_0_attentions_0_proj_in"
SELF_QUERY = "lora_unet_down_blocks_0_attentions_0_transformer_blocks_0_attn1_to_q"
PROMPT_KEY = "lora_unet_down_blocks_0_attentions_0_transformer_blocks_0_attn2_to_k"
DEEP_QUERY = "lora_unet_down_blocks_2_attentions_0_transformer_blocks_0_attn1_to_q"


@pytest.fixture(scope="module")
def base() -> Base:
    return random_base()


def mask(left: int, right: int, height: int = 8, width: int = 8) -> Region:
    values = torch.full((1, 1, height, width), float(left))
    values[..., width // 2 :] = right
    return Region(values)


def only(network: AdapterNetwork, name: str) -> AdapterNetwork:
    return AdapterNetwork({name: network[name]})


def unet(base: Base, height: int, width: int) -> Tensor:
    x = torch.randn((1, 4, height, width), generator=torch.Generator().manual_seed(0))
    context = torch.randn((1, 77, 16), generator=torch.Generator().manual_seed(1))
    with torch.no_grad():
        sample: Tensor = base.denoiser(x, torch.tensor([500]), context).sample
    return sample


def layer_output(base: Base, name: str, height: int, width: int) -> Tensor:
    """Of the first call of the layer; a hook sees what its (replaced) forward answers."""
    seen: list[Tensor] = []
    layer = changeable_modules(base)[name]
    handle = layer.register_forward_hook(lambda _layer, _inputs, output: seen.append(output))
    unet(base, height, width)
    handle.remove()
    return seen[0]


@pytest.mark.parametrize(("name", "down"), [(CONVOLUTION, 1), (SELF_QUERY, 1), (DEEP_QUERY, 4)])
def test_the_network_acts_where_the_mask_is_white_alone(base: Base, name: str, down: int) -> None:
    network, (height, width) = only(random_lora(base, 1), name), (16, 32)
    plain = layer_output(base, name, height, width)
    with network.attached(base):
        whole = layer_output(base, name, height, width)
    # White on the left; the mask's edge lies between two columns on each of these levels.
    with attached_in(network, base, mask(1, 0, height, width)):
        masked = layer_output(base, name, height, width)
    shape = (1, -1, height // down, width // down)
    plain, whole, masked = (
        value if value.dim() == 4 else value.transpose(1, 2).reshape(shape)
        for value in (plain, whole, masked)
    )
    half = width // down // 2
    edge = 1 if down > 1 else 0  # smoothing blurs the edge by a column
    torch.testing.assert_close(masked[..., : half - edge], whole[..., : half - edge])
    torch.testing.assert_close(masked[..., half + edge :], plain[..., half + edge :])
    assert not torch.allclose(whole, plain)


def test_sizes_of_one_area_are_told_apart(base: Base) -> None:
    """A row of 128 positions is 8 x 16 in one picture and 16 x 8 in another."""
    network = only(random_lora(base, 1), SELF_QUERY)
    for height, width in ((8, 16), (16, 8)):
        plain = layer_output(base, SELF_QUERY, height, width).reshape(height, width, -1)
        with attached_in(network, base, mask(1, 0)):
            masked = layer_output(base, SELF_QUERY, height, width).reshape(height, width, -1)
        middle = width // 2
        torch.testing.assert_close(masked[:, middle + 1 :], plain[:, middle + 1 :])
        assert not torch.isclose(masked[:, :middle], plain[:, :middle]).all(dim=2).any()


def test_what_has_no_place_in_the_picture_is_not_masked(base: Base) -> None:
    network = only(random_lora(base, 1), PROMPT_KEY)
    with network.attached(base):
        whole = layer_output(base, PROMPT_KEY, 8, 8)
    with attached_in(network, base, mask(0, 1)):
        torch.testing.assert_close(layer_output(base, PROMPT_KEY, 8, 8), whole)


def test_a_white_mask_is_none_and_nothing_stays_behind(base: Base) -> None:
    network, plain = random_lora(base, 1), unet(base, 8, 8)
    with network.attached(base):
        whole = unet(base, 8, 8)
    with attached_in(network, base, mask(1, 1)):
        torch.testing.assert_close(unet(base, 8, 8), whole, atol=1e-5, rtol=1e-4)
    assert torch.equal(unet(base, 8, 8), plain)


def test_two_networks_have_a_side_each(base: Base) -> None:
    one, two = (only(random_lora(base, seed), CONVOLUTION) for seed in (1, 2))
    alone = []
    for network in (one, two):
        with network.attached(base):
            alone.append(layer_output(base, CONVOLUTION, 8, 8))
    with attached_in(one, base, mask(1, 0)), attached_in(two, base, mask(0, 1)):
        both = layer_output(base, CONVOLUTION, 8, 8)
    torch.testing.assert_close(both[..., :4], alone[0][..., :4])
    torch.testing.assert_close(both[..., 4:], alone[1][..., 4:])


def test_masks_are_read_from_pictures(tmp_path: Path) -> None:
    picture = Image.new("RGB", (4, 2), (255, 0, 0))
    picture.paste((0, 0, 255), (2, 0, 4, 2))
    picture.save(tmp_path / "sides.png")
    assert Region.read(tmp_path / "sides.png", "r").mask[0, 0].tolist() == [[1, 1, 0, 0]] * 2
    assert Region.read(tmp_path / "sides.png", "b").mask[0, 0].tolist() == [[0, 0, 1, 1]] * 2
    with pytest.raises(UserError, match="is black in g"):
        Region.read(tmp_path / "sides.png", "g")
    (tmp_path / "no.png").write_bytes(b"no picture")
    with pytest.raises(UserError, match="cannot be read as a mask"):
        Region.read(tmp_path / "no.png", None)


def test_a_mask_is_read_as_all_pictures_are(tmp_path: Path) -> None:
    """Upright, without what is transparent, and no bomb is unpacked."""
    path = tmp_path / "mask.png"
    half = Image.new("LA", (2, 1), (255, 255))
    half.putpixel((1, 0), (255, 0))
    half.save(path)
    assert Region.read(path, None).mask[0, 0].tolist() == [[1, 0]]
    exif = Image.Exif()
    exif[0x0112] = 6  # to be turned by a quarter
    sides = Image.new("L", (2, 1), 0)
    sides.putpixel((0, 0), 255)
    sides.save(path, exif=exif)
    assert Region.read(path, None).mask[0, 0].tolist() == [[1], [0]]
    Image.new("1", (10_000, 10_000), 1).save(path)
    with pytest.raises(UserError, match=r"cannot be read as a mask .*more than 89478485 pixels"):
        Region.read(path, None)


def test_a_network_of_a_transformer_acts_where_the_mask_is_white_alone() -> None:
    """Layers of texts and levels have no place in the picture; a second attention has."""
    base = small_base("sd3")
    for name, has_place in (
        ("lora_transformer_transformer_blocks_0_attn_to_q", True),
        ("lora_transformer_transformer_blocks_0_attn2_to_k", True),
        ("lora_transformer_transformer_blocks_0_attn_add_k_proj", False),
        ("lora_transformer_transformer_blocks_1_norm1_linear", False),
    ):
        network, layer = only(learned(base), name), changeable_modules(base)[name]
        answers = []
        for region in (None, mask(0, 0), mask(1, 0)):
            seen: list[Tensor] = []
            way = network.attached(base) if region is None else attached_in(network, base, region)
            with way, torch.no_grad():
                handle = layer.register_forward_hook(lambda _layer, _inputs, out, seen=seen: seen.append(out))
                text = conditioning(base, "a cat", 1)
                x = torch.ones(1, 16, 8, 8)
                base.family.predict(base, x, torch.tensor([500.0]), text)
                handle.remove()
            answers.append(seen[0])
        whole, none, left = answers
        assert torch.allclose(whole, none) is not has_place
        if has_place:  # 4 x 4 patches; smoothing blurs the edge by a column
            sides = [each.reshape(4, 4, -1) for each in (left, whole, none)]
            assert torch.allclose(sides[0][:, :1], sides[1][:, :1], atol=1e-5)
            assert torch.allclose(sides[0][:, 3:], sides[2][:, 3:], atol=1e-5)
