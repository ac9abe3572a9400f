import pytest
import torch
from torch import Generator, Tensor
from torch.nn import functional as F

from pipeline.objectives.noise import make_noise, offset_strength, perturbed
from tests.pipeline.training.settings import noise as settings

pytestmark = pytest.mark.usefixtures("root")
SHAPE = (3, 4, 8, 8)


def seeded(seed: int) -> Generator:
    return Generator().manual_seed(seed)


def batch(seed: int) -> Tensor:
    return torch.randn(SHAPE, generator=seeded(seed))


def test_plain_noise_is_one_draw() -> None:
    assert torch.equal(make_noise(batch(0), settings(), seeded(3)), batch(3))


def test_offset_moves_whole_channels_by_one_draw_each() -> None:
    generator = seeded(3)
    plain = torch.randn(SHAPE, generator=generator)
    draw = torch.randn((3, 4, 1, 1), generator=generator)
    assert torch.equal(make_noise(batch(0), settings(offset=0.1), seeded(3)), plain + 0.1 * draw)


def test_a_random_strength_is_a_share_of_the_offset() -> None:
    config = settings(offset=0.1, offset_random_strength=True)
    share = torch.rand(1, generator=seeded(5)).item()
    assert offset_strength(batch(0), config, seeded(5)) == pytest.approx(0.1 * share)


@pytest.mark.parametrize(
    ("adaptive", "strengths"), [(0.5, [0.2, 1.1, 0.6]), (-0.5, [0.0, 0.0, 0.0]), (-0.05, [0.09, 0.0, 0.05])]
)
def test_adaptive_offset_by_hand(adaptive: float, strengths: list[float]) -> None:
    """Channel means 0.2, -2 and 1; strength 0.1 + adaptive |mean|, at least 0."""
    latents = torch.tensor([0.2, -2.0, 1.0]).view(1, 3, 1, 1) * torch.ones(1, 3, 2, 2)
    found = offset_strength(latents, settings(offset=0.1, offset_adaptive=adaptive), seeded(0))
    assert isinstance(found, Tensor)
    assert found.flatten().tolist() == pytest.approx(strengths, abs=1e-6)


def test_pyramid_of_two_levels_by_hand() -> None:
    """Level 0 is of full size; level 1 of 8 / r, r in 2..4, enlarged and halved; deviation 1 at the end."""
    config = settings(pyramid_iterations=2, pyramid_discount=0.5)
    generator = seeded(7)
    total = torch.randn(SHAPE, generator=generator)
    torch.rand(1, generator=generator)
    total = total + torch.randn(SHAPE, generator=generator)
    side = int(8 / (2 + 2 * torch.rand(1, generator=generator).item()))
    assert 2 <= side <= 4
    small = torch.randn((3, 4, side, side), generator=generator)
    total = total + 0.5 * F.interpolate(small, size=(8, 8), mode="bilinear")
    found = make_noise(batch(0), config, seeded(7))
    assert torch.allclose(found, total / total.std(), atol=1e-6)
    assert found.std().item() == pytest.approx(1.0, abs=1e-5)


def test_a_pyramid_ends_at_one_pixel() -> None:
    """64 / 2^6 = 1: from r = 2 on, level 6 is the last of any number."""
    latents = torch.zeros(1, 4, 64, 64)
    few, many = settings(pyramid_iterations=7), settings(pyramid_iterations=100)
    assert torch.equal(make_noise(latents, few, seeded(1)), make_noise(latents, many, seeded(1)))


def test_deviation_by_picture_leaves_no_picture_to_its_neighbours() -> None:
    shared = make_noise(batch(0), settings("pyramid"), seeded(2))
    own = make_noise(batch(0), settings("pyramid", pyramid_deviation="picture"), seeded(2))
    assert own.std(dim=(1, 2, 3)).tolist() == pytest.approx([1.0] * 3, abs=1e-5)
    assert shared.std(dim=(1, 2, 3)).tolist() != pytest.approx([1.0] * 3, abs=1e-3)


def test_perturbation_adds_a_further_draw_to_the_input_alone() -> None:
    found = perturbed(batch(0), settings("perturbation"), seeded(4))
    assert torch.equal(found, batch(0) + 0.1 * batch(4))
    assert perturbed(batch(0), settings(), seeded(4)) is not found
    generator = seeded(4)
    share = torch.rand(1, generator=generator).item()
    config = settings("perturbation", perturbation_random_strength=True)
    wanted = batch(0) + 0.1 * share * torch.randn(SHAPE, generator=generator)
    assert torch.allclose(perturbed(batch(0), config, seeded(4)), wanted, atol=1e-7)
