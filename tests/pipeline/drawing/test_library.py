"""Networks called in the prompt against networks attached by hand."""

from pathlib import Path

import numpy as np
import pytest
from PIL import Image

from pipeline.bases.base import Base
from pipeline.drawing.library import Library
from pipeline.drawing.named_files import NamedFiles
from pipeline.drawing.text_to_image import draw
from pipeline.errors import UserError
from pipeline.networks.network import AdapterNetwork
from pipeline.prompts.settings import DrawingSettings, PictureJob
from tests.pipeline.bases.random_sd1 import random_base
from tests.pipeline.drawing.lora_files import write_lora

SETTINGS = DrawingSettings(
    steps=2, guidance=3.0, sampler="euler", negative_prompt="", width=64, height=64, clip_skip=1, batch=2
)


@pytest.fixture(scope="module")
def base() -> Base:
    return random_base()


@pytest.fixture(scope="module")
def library(base: Base, tmp_path_factory: pytest.TempPathFactory) -> Library:
    folder = tmp_path_factory.mktemp("networks")
    (folder / "sub").mkdir()
    for number, name in enumerate(("one", "two", "sub/two", "sub/three")):
        write_lora(folder / f"{name}.safetensors", base, number)
    white = Image.new("L", (4, 4), 255)
    white.save(folder / "white.png")
    white.paste(0, (2, 0, 4, 4))
    white.save(folder / "left.png")
    return Library(NamedFiles([folder]))


def drawn(base: Base, library: Library, *prompts: str) -> list[bytes]:
    return [
        picture.tobytes()
        for picture in draw(base, [PictureJob(prompt, 1) for prompt in prompts], SETTINGS, library)
    ]


def test_a_called_network_is_an_attached_one(base: Base, library: Library) -> None:
    network = AdapterNetwork.load(library.files.find("one"), base)
    network.set_weight(0.7)
    with network.attached(base):
        wanted = drawn(base, library, "a cat")
    plain = drawn(base, library, "a cat")
    assert drawn(base, library, "a cat<lora:one:0.7>") == wanted != plain
    assert drawn(base, library, "a cat<lora:one:0>") == plain


def test_several_networks_act_at_once_and_each_weight_counts(base: Base, library: Library) -> None:
    one, three = (AdapterNetwork.load(library.files.find(name), base) for name in ("one", "three"))
    one.set_weight(0.5)
    three.set_weight(0.8)
    with one.attached(base), three.attached(base):
        wanted = drawn(base, library, "a cat")
    assert drawn(base, library, "a <lora:one:0.5><lora:three:0.8>cat") == wanted
    assert drawn(base, library, "a <lora:one:0.8><lora:three:0.5>cat") != wanted


def test_the_same_network_twice_is_there_twice(base: Base, library: Library) -> None:
    one, again = (AdapterNetwork.load(library.files.find("one"), base) for _ in range(2))
    one.set_weight(0.25)
    again.set_weight(0.5)
    with one.attached(base), again.attached(base):
        wanted = drawn(base, library, "a cat")
    assert drawn(base, library, "a cat<lora:one:0.25><lora:one:0.5>") == wanted


def test_parts_and_blocks_have_their_own_weights(base: Base, library: Library) -> None:
    drawn(base, library, "a cat<lora:one:0.5:0.8:lbw=OUTALL>")
    network = library._network(base, library.files.find("one"), 0)
    assert isinstance(network, AdapterNetwork)
    for name, adapter in network.adapters():
        expected = 0.5 if name.startswith("lora_te_") else 0.8 if "_up_blocks_" in name else 0.0
        assert adapter.network_weight == expected, name


def test_a_masked_call_acts_in_its_region(base: Base, library: Library) -> None:
    """On the white side the picture is nearer to one with the network everywhere, on the black side to one
    without; attention carries some of it across.
    """
    calls = ("", "<lora:one:te=0:unet=0.7>", "<lora:one:te=0:unet=0.7:mask={}.png>")
    plain, whole, white, left = (
        np.frombuffer(drawn(base, library, f"a cat{call}")[0], np.uint8).astype(int).reshape(64, 64, 3)
        for call in (calls[0], calls[1], calls[2].format("white"), calls[2].format("left"))
    )
    assert np.abs(whole - white).max() <= 1
    to_whole, to_plain = (np.abs(left - other).mean(axis=(0, 2)) for other in (whole, plain))
    assert to_whole[:32].mean() < to_plain[:32].mean()
    assert to_whole[32:].mean() > to_plain[32:].mean()


def test_each_picture_has_its_own_networks_and_the_base_stays(base: Base, library: Library) -> None:
    prompts = ["a cat", "a cat<lora:one>", "a cat<lora:three>", "a cat"]
    together = drawn(base, library, *prompts)
    assert together == [drawn(base, library, prompt)[0] for prompt in prompts]
    assert len(set(together)) == 3
    pictures = draw(base, [PictureJob("a cat<lora:one>", 1)], SETTINGS, library)
    next(pictures)
    assert drawn(base, library, "a cat") == together[:1]  # while the generator is open


def test_files_are_found_by_name_or_path(library: Library) -> None:
    assert library.files.find("sub/two") != library.files.find("one")
    assert library.files.find("three") == library.files.find("sub/three")
    prompt = "a <lora:one:1:mask=white.png>cat<lora:three>"
    assert {name: path.name for name, path in library.files.used(prompt).items()} == {
        "one": "one.safetensors",
        "white.png": "white.png",
        "three": "three.safetensors",
    }


def test_wrong_names_are_told_with_the_nearest(base: Base, library: Library) -> None:
    with pytest.raises(UserError, match=r"called 'thre'.*did you mean (sub/)?three"):
        drawn(base, library, "a<lora:thre>")
    with pytest.raises(UserError, match="the name of 2 files"):
        library.files.find("two")
    with pytest.raises(UserError, match="no folder of networks was given"):
        drawn(base, Library(), "a<lora:one>")
    with pytest.raises(UserError, match="no such folder"):
        NamedFiles([Path("nowhere")])


def test_the_negative_prompt_calls_nothing(base: Base) -> None:
    settings = DrawingSettings(**{**vars(SETTINGS), "negative_prompt": "bad <lora:one>"})
    with pytest.raises(UserError, match="negative prompt calls a network"):
        list(draw(base, [PictureJob("a", 1)], settings))


@pytest.mark.parametrize("prompt", ["a<lora:nowhere>", "a<lara:one>", "a AND b"])
def test_what_cannot_be_drawn_is_said_before_anything_is(base: Base, library: Library, prompt: str) -> None:
    pictures = draw(base, [PictureJob("a", 1), PictureJob(prompt, 1)], SETTINGS, library)
    with pytest.raises(UserError):
        next(pictures)
