"""The presets for a card draw pictures of the published bases on it: bytes counted on tensors without
numbers.
"""

from collections.abc import Callable

import pytest
import torch
from torch import Tensor, nn
from torch._subclasses.fake_tensor import FakeTensorMode

from pipeline.bases.base import Base
from pipeline.bases.outline import outline
from pipeline.bases.registry import family
from pipeline.config.check import check
from pipeline.config.compose import Params, compose, options
from pipeline.schemas import ClassImagesConfig, SampleGridConfig
from pipeline.training.planning.cost import _Counted
from pipeline.training.planning.drawing_room import drawing_bytes
from pipeline.training.planning.estimate import TrainingNumbers

pytestmark = pytest.mark.usefixtures("root")
CARDS = {name: int(name.removesuffix("gb")) for name in options("memory")}
SHARE = 0.9
"""Of a card's memory that is free for drawing, as in the presets' plan."""
BASES = {"sd1": 512, "sdxl": 1024}
"""Pictures' side, px, by family."""
BYTES = {"fp32": 4, "bf16": 2, "fp16": 2}


def most_bytes(module: nn.Module, work: Callable[[], object]) -> int:
    """At the peak, besides the module's weights."""
    with torch.no_grad(), FakeTensorMode(allow_non_fake_inputs=True) as mode:
        weights = [mode.from_tensor(tensor) for tensor in [*module.parameters(), *module.buffers()]]
        with _Counted(weights) as counted:
            work()
    return int(counted.most)


def empty_base(name: str) -> Base:
    """Of the published size. Its weights are never written, so that they take no memory here."""
    base = outline(family(name), {}, "test")
    for part in base.loaded().values():
        part.to_empty(device="cpu").requires_grad_(False)
    return base


@pytest.fixture(scope="module", params=BASES)
def counted(request: pytest.FixtureRequest) -> tuple[str, dict[str, int], int, int]:
    """A base's family, the numbers of its parts, and bytes of one guided picture in fp32 through the denoiser
    and the VAE. In 16 bits the denoiser takes less: norms stay in fp32 there.
    """
    name, side = request.param, BASES[request.param]
    base = empty_base(name)
    blank = base.family.blank_conditioning(base.configs)
    both = blank._each(lambda value: torch.zeros(2, *value.shape[1:]))
    shape = base.latents.shape(side, side)

    def predicted() -> Tensor:
        return base.family.predict(base, torch.zeros(2, *shape), torch.zeros(2), both)

    numbers = {part: sum(each.numel() for each in base.part(part).parameters()) for part in base.loaded()}
    decoding = most_bytes(base.vae, lambda: base.vae.decode(torch.zeros(1, *shape)))
    return name, numbers, most_bytes(base.denoiser, predicted), decoding


@pytest.mark.parametrize("group", ["sample_grid", "class_images"])
@pytest.mark.parametrize("card", CARDS)
def test_pictures_fit_the_card(card: str, group: str, counted: tuple[str, dict[str, int], int, int]) -> None:
    name, numbers, drawing, decoding = counted
    if (name, card) == ("sdxl", "4gb"):
        return  # a card for SD 1.x
    config = check(compose(Params({"memory": card, "base": "sdxl" if name == "sdxl" else "sd15"}, {})))
    needed = peak(getattr(config, group), numbers, drawing, decoding)
    assert needed < SHARE * CARDS[card] * 2**30
    if group == "sample_grid":
        sizes = TrainingNumbers(
            denoiser=numbers["unet"], learning=0, kept=0, recomputed=0,
            texts=sum(each for part, each in numbers.items() if part.startswith("text")),
        )  # fmt: skip
        # The estimate of `pipeline.fit` knows sizes alone: a fifth more or less.
        assert drawing_bytes(sizes, config) == pytest.approx(needed, rel=0.2)


def peak(
    settings: SampleGridConfig | ClassImagesConfig, numbers: dict[str, int], drawing: int, decoding: int
) -> int:
    """Bytes of what is on the card together, with the denoiser's work in 16 bits at most two thirds of that
    in 32.
    """
    width = BYTES[settings.precision]
    sizes = {part: number * (4 if part == "vae" else width) for part, number in numbers.items()}
    at_work = settings.batch * drawing * (2 if width == 2 else 3) // 3
    others = 0 if settings.model_offload else sum(sizes.values())
    texts = sum(size for part, size in sizes.items() if part.startswith("text"))
    if settings.model_offload:
        return max(sizes["unet"] + at_work, sizes["vae"] + decoding, texts)
    return others + max(at_work, decoding)
