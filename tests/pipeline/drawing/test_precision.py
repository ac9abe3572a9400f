"""Drawing in 16 bits, and with parts that come to the device in turn."""

from collections.abc import Callable, Iterator
from contextlib import contextmanager
from typing import Any

import numpy as np
import pytest
import torch
from PIL import Image
from torch import nn

from pipeline.bases import base as base_module
from pipeline.bases.base import Base
from pipeline.bases.on_device import on_device
from pipeline.bases.registry import families
from pipeline.drawing.aesthetic import Aesthetic
from pipeline.drawing.precision import comes_in_turn
from pipeline.drawing.text_to_image import draw
from pipeline.prompts.settings import DrawingSettings, PictureJob, SecondPass
from pipeline.schemas.group import DrawingPrecision
from tests.pipeline.bases.test_text import small_base

JOBS = [PictureJob("1girl, (solo:1.3), a very long dress", 7), PictureJob("a cat", 8)]
CPU = torch.device("cpu")
LEVEL = 1 / 255
"""Sixteen bits keep three digits of each product; on average a picture stays within one of its levels."""


def settings(precision: DrawingPrecision, **changes: Any) -> DrawingSettings:
    plain: dict[str, Any] = {
        "steps": 6, "guidance": 3.0, "sampler": "euler", "negative_prompt": "blurry", "width": 64,
        "height": 64, "clip_skip": 1, "batch": 2, "precision": precision,
    }  # fmt: skip
    return DrawingSettings(**{**plain, **changes})


def levels(pictures: list[Image.Image]) -> np.ndarray[Any, Any]:
    return np.stack([np.asarray(each, dtype=np.float32) for each in pictures]) / 255


def in_half(base: Base, dtype: torch.dtype) -> Base:
    """As `load_base` reads it."""
    for name, part in base.loaded().items():
        if name != "vae":
            part.to(dtype)
    return base


@pytest.mark.parametrize("precision", ["bf16", "fp16"])
@pytest.mark.parametrize("name", sorted(families()))
def test_pictures_in_16_bits_are_close_to_those_in_32(name: str, precision: DrawingPrecision) -> None:
    exact = levels(list(draw(small_base(name), JOBS, settings("fp32"))))
    other_seeds = [PictureJob(job.prompt, job.seed + 10) for job in JOBS]
    elsewhere = levels(list(draw(small_base(name), other_seeds, settings("fp32"))))
    dtype = {"bf16": torch.bfloat16, "fp16": torch.float16}[precision]
    base = in_half(small_base(name), dtype)
    rounded = levels(list(draw(base, JOBS, settings(precision))))
    error = np.abs(rounded - exact).mean()
    assert 0 < error < LEVEL
    assert error < np.abs(elsewhere - exact).mean() / 10
    assert base.vae.dtype == torch.float32
    assert base.denoiser.dtype == dtype


def test_the_second_pass_works_in_16_bits() -> None:
    second = SecondPass(upscaler="latent", scale=1.5, steps=2, strength=0.6)
    base = in_half(small_base("sd1"), torch.bfloat16)
    [picture] = draw(base, JOBS[:1], settings("bf16", second_pass=second))
    assert picture.size == (96, 96)
    assert len(np.unique(np.asarray(picture))) > 16


def test_an_aesthetic_embedding_learns_in_32_bits() -> None:
    """Adam's steps of 1e-4 would be lost in a weight of 16 bits."""
    base = in_half(small_base("sd1"), torch.bfloat16)
    width = base.text_encoders[0].config.hidden_size
    torch.manual_seed(0)
    aesthetic = Aesthetic(embedding=torch.randn(1, 8), projection=torch.randn(8, width), weight=1.0, steps=1)
    stepped = aesthetic.stepped(base.text_encoders[0], torch.tensor([[1, 2, 3]]))
    moved = [
        not torch.equal(after, before.float())
        for after, before in zip(stepped.parameters(), base.text_encoders[0].parameters(), strict=True)
    ]
    assert sum(moved) > len(moved) / 2
    plain, with_it = (
        levels(list(draw(base, JOBS, settings("bf16"), aesthetic=each))) for each in (None, aesthetic)
    )
    assert not np.array_equal(plain, with_it)


def test_settings_of_before_keep_their_identity() -> None:
    """Stored pictures are found by it."""
    assert "precision" not in settings("fp32").identity()
    assert settings("bf16").identity() == {**settings("fp32").identity(), "precision": "bf16"}


@pytest.mark.parametrize(
    ("device", "is_offered", "comes"),
    [("cuda", True, True), ("cuda", False, False), ("cpu", True, False), ("mps", True, False)],
)
def test_parts_come_in_turn_only_to_a_memory_of_its_own(device: str, is_offered: bool, comes: bool) -> None:
    assert comes_in_turn(is_offered, torch.device(device)) is comes


def test_weights_lent_to_a_device_come_back_unchanged() -> None:
    """The meta device is another one, and keeps no numbers."""
    layer = nn.Linear(2, 2)
    layer.register_buffer("table", torch.ones(3))
    before = [tensor.clone() for tensor in layer.state_dict().values()]
    with pytest.raises(ZeroDivisionError), on_device(layer, torch.device("meta")):
        assert {tensor.device.type for tensor in layer.state_dict().values()} == {"meta"}
        raise ZeroDivisionError
    assert all(map(torch.equal, layer.state_dict().values(), before))


@pytest.mark.parametrize("name", sorted(families()))
def test_parts_in_turn_draw_the_same_bytes_one_kind_at_a_time(
    name: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    """On a CPU that lends to itself. Each layer computes while its part is lent."""
    plain = [each.tobytes() for each in draw(small_base(name), JOBS, settings("fp32"))]
    base = small_base(name).in_turn(CPU)
    lent, together, idle = list[str](), set[frozenset[str]](), set[str]()
    names = {id(part): part_name for part_name, part in base.loaded().items()}

    @contextmanager
    def counted(part: nn.Module, device: torch.device) -> Iterator[None]:
        lent.append(names[id(part)])
        with on_device(part, device):
            yield
        lent.remove(names[id(part)])

    def noting(own: str) -> Callable[..., None]:
        def note(*_: object) -> None:
            together.add(frozenset(lent))
            idle.update({own} - {*lent})

        return note

    for part_name, part in base.loaded().items():
        for layer in part.modules():
            layer.register_forward_pre_hook(noting(part_name))
    monkeypatch.setattr(base_module, "on_device", counted)
    assert [each.tobytes() for each in draw(base, JOBS, settings("fp32"))] == plain
    assert idle == set()
    assert together == {
        frozenset(base.text_part_names),
        frozenset({base.family.denoiser.name}),
        frozenset({"vae"}),
    }
