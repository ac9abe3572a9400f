"""One training step against diffusers, transformers and PEFT: the same loss, the same gradient."""

from collections.abc import Iterable
from dataclasses import dataclass
from functools import cache
from typing import Any

import pytest
import torch
from diffusers import DDPMScheduler, StableDiffusionPipeline, StableDiffusionXLPipeline, UNet2DConditionModel
from torch import Tensor, nn
from transformers import CLIPTextConfig, CLIPTextModel, CLIPTextModelWithProjection, CLIPTokenizer

from pipeline.bases.base import Base
from pipeline.bases.prediction import PredictionType
from pipeline.bases.registry import family
from pipeline.bases.tokenizers import make_tokenizer
from pipeline.bases.tokens import token_ids
from pipeline.config.check import check
from pipeline.config.compose import Params, compose
from pipeline.networks.network import AdapterNetwork
from pipeline.schemas import AdapterNetworkConfig, Config
from pipeline.training.data import Batch
from pipeline.training.module import Denoising
from tests.pipeline.bases.tiny import random_parts, small_configs

pytestmark = pytest.mark.usefixtures("root")
START, END, OPENCLIP_PAD = 49406, 49407, 0
CAPTIONS = ["a cat!", "1girl, solo, very long hair, " * 14, ""]
LEVELS = torch.tensor([999, 400, 30])
SIZES = torch.tensor([[1024, 768, 0, 16, 64, 64], [300, 200, 8, 0, 64, 64], [64, 64, 0, 0, 64, 64]])
SEED, STEP = 3, 4


def settings(learns: bool) -> Config:
    values = {"seed": SEED, "network.dim": 2, "network.alpha": 1.0, "network.text_encoder": learns}
    return check(compose(Params({}, values)))


@dataclass(frozen=True)
class Pair:
    """Our base with a network, and the same weights in the classes of diffusers and transformers."""

    base: Base
    network: AdapterNetwork
    unet: nn.Module
    encoders: list[nn.Module]
    theirs: dict[str, nn.Parameter]
    """PEFT's parameters by our names."""


def shallow_base(name: str) -> Base:
    """With 2 transformers where SDXL has 10: a quarter of the time."""
    configs = small_configs(name)
    if name == "sdxl":
        configs["unet"] |= {"transformer_layers_per_block": [1, 2, 2]}
    made = family(name)
    return Base(made, make_tokenizer(None), random_parts(made, configs), configs)


@cache
def pair(name: str, learns: bool) -> Pair:
    base = shallow_base(name)
    config = settings(learns).network
    assert isinstance(config, AdapterNetworkConfig)
    network = AdapterNetwork.create(config, base, 0)
    generator = torch.Generator().manual_seed(1)
    for parameter in network.parameters():  # lora_up starts at zero, where lora_down has no gradient
        parameter.data = 0.1 * torch.randn(parameter.shape, generator=generator)
    unet = UNet2DConditionModel.from_config(base.configs["unet"])
    unet.load_state_dict(base.denoiser.state_dict())
    encoders = []
    for part, kind in zip(
        base.family.facts.text_encoders, (CLIPTextModel, CLIPTextModelWithProjection), strict=False
    ):
        # The published 2 makes transformers take the largest id for the end.
        encoder = kind(CLIPTextConfig(**{**base.configs[part], "eos_token_id": END}))
        encoder.load_state_dict(base.part(part).state_dict())
        encoders.append(encoder.eval())
    parts = [unet.requires_grad_(False).eval(), *(each.requires_grad_(False) for each in encoders)]
    return Pair(base, network, parts[0], parts[1:], attached(base, network, parts))


def attached(base: Base, network: AdapterNetwork, parts: list[nn.Module]) -> dict[str, nn.Parameter]:
    """Attaches PEFT's layers to the parts by diffusers' own reading of our file, and fills them."""
    tensors = network.file_tensors("fp32")
    names = [name for name, _ in network.named_parameters()]
    numbered = {name: torch.full_like(tensors[name], number) for number, name in enumerate(names)}
    pipeline(base, parts).load_lora_weights({**tensors, **numbered})
    theirs = {
        names[int(parameter.flatten()[0])]: parameter
        for part in parts
        for key, parameter in part.named_parameters()
        if "lora_" in key
    }
    for name, parameter in theirs.items():
        parameter.data = tensors[name].clone()
        parameter.requires_grad_()
    return theirs


def pipeline(base: Base, parts: list[nn.Module]) -> Any:
    named = dict(zip(("unet", "text_encoder", "text_encoder_2"), parts, strict=False))
    others = dict.fromkeys(["vae", "scheduler", "tokenizer"])
    if len(parts) == 3:
        return StableDiffusionXLPipeline(**named, **others, tokenizer_2=None, add_watermarker=False)
    return StableDiffusionPipeline(
        **named, **others, safety_checker=None, feature_extractor=None, requires_safety_checker=False
    )


def latents() -> tuple[Tensor, Tensor]:
    generator = torch.Generator().manual_seed(9)
    mean = torch.randn((3, 4, 8, 8), generator=generator)
    return mean, 0.1 * torch.rand(mean.shape, generator=generator)


def ours(
    made: Pair, scheduler: dict[str, Any], learns: bool, most: int
) -> tuple[list[float], dict[str, Tensor]]:
    base = made.base.predicting(scheduler["prediction_type"], scheduler["rescale_betas_zero_snr"])
    module = Denoising(base, made.network, settings(learns), 1)
    module.objective.draw_levels = lambda *_: LEVELS  # type: ignore[method-assign]
    ids = token_ids(base.tokenizer, CAPTIONS, max_tokens=most)
    sizes = SIZES if base.family.facts.has_sizes else None
    batch = Batch(*latents(), ids=ids, weight=torch.ones(3), step=STEP, sizes=sizes)
    made.network.zero_grad()
    with made.network.attached(base):
        losses = module.picture_losses(batch)
        losses.mean().backward()
    return losses.tolist(), learned(made.network.named_parameters())


def chunks(tokenizer: CLIPTokenizer, caption: str, most: int, pad: int) -> Tensor:
    """[chunks, 77], as kohya-ss/sd-scripts library/train_util.py (get_input_ids) cuts them."""
    row = tokenizer(caption, padding="max_length", truncation=True, max_length=most + 2).input_ids
    end = row.index(END)
    row = row[: end + 1] + [pad] * (most + 1 - end)
    if most == 75:
        return torch.tensor([row])
    cut = [[row[0], *row[first : first + 75], row[-1]] for first in range(1, most, 75)]
    for chunk in cut:
        if pad != END and chunk[-2] not in (END, pad):
            chunk[-1] = END
        if chunk[1] == pad:
            chunk[1] = END
    return torch.tensor(cut)


def text_of(made: Pair, caption: str, most: int) -> tuple[Tensor, Tensor | None]:
    """[1, tokens, width], and [1, width] pooled."""
    is_xl, tokens, pooled = len(made.encoders) == 2, [], None
    for number, encoder in enumerate(made.encoders):
        pad = END if is_xl and number == 0 else OPENCLIP_PAD
        answers = [
            encoder(ids[None], output_hidden_states=True)
            for ids in chunks(made.base.tokenizer, caption, most, pad)
        ]
        states = [each.hidden_states[-2] if is_xl else each.last_hidden_state for each in answers]
        joined = [states[0][:, :1], *(each[:, 1:-1] for each in states), states[-1][:, -1:]]
        tokens.append(torch.cat(joined, dim=1))
        pooled = answers[0].text_embeds if number == 1 else None
    kept = 0.0 if is_xl and not caption else 1.0
    return kept * torch.cat(tokens, dim=-1), None if pooled is None else kept * pooled


def theirs(made: Pair, scheduler: dict[str, Any], most: int) -> tuple[list[float], dict[str, Tensor]]:
    noising = DDPMScheduler(**scheduler)
    generator = torch.Generator().manual_seed(SEED * 1_000_003 + STEP)
    mean, std = latents()
    clean = mean + std * torch.randn(mean.shape, generator=generator)
    noise = torch.randn(mean.shape, generator=generator)
    noisy = noising.add_noise(clean, noise, LEVELS)
    is_v = scheduler["prediction_type"] == "v_prediction"
    target = noising.get_velocity(clean, noise, LEVELS) if is_v else noise
    texts = [text_of(made, caption, most) for caption in CAPTIONS]
    added = {}
    if len(made.encoders) == 2:
        pooled = torch.cat([each for _, each in texts if each is not None])
        added = {"added_cond_kwargs": {"text_embeds": pooled, "time_ids": SIZES}}
    for parameter in made.theirs.values():
        parameter.grad = None
    answer = made.unet(noisy, LEVELS, torch.cat([tokens for tokens, _ in texts]), **added).sample
    losses = (answer - target).square().mean(dim=(1, 2, 3))
    losses.mean().backward()
    return losses.tolist(), learned(made.theirs.items())


def learned(named: Iterable[tuple[str, nn.Parameter]]) -> dict[str, Tensor]:
    """Gradients, of the parameters that have one."""
    return {name: parameter.grad for name, parameter in named if parameter.grad is not None}


@pytest.mark.parametrize("learns", [True, False], ids=["with text encoders", "without"])
@pytest.mark.parametrize("most", [75, 225])
@pytest.mark.parametrize(
    ("name", "prediction", "zero"),
    [
        ("sd2", "epsilon", False),
        ("sd2", "v_prediction", False),
        ("sdxl", "epsilon", False),
        ("sdxl", "v_prediction", False),
        ("sdxl", "v_prediction", True),
    ],
)
def test_a_step_is_diffusers_own(
    name: str, prediction: PredictionType, zero: bool, most: int, learns: bool
) -> None:
    made = pair(name, learns)
    scheduler = {
        "beta_start": 0.00085, "beta_end": 0.012, "beta_schedule": "scaled_linear",
        "prediction_type": prediction, "rescale_betas_zero_snr": zero,
    }  # fmt: skip
    found, gradient = ours(made, scheduler, learns, most)
    expected, expected_gradient = theirs(made, scheduler, most)
    assert found == pytest.approx(expected, rel=1e-6)
    assert gradient.keys() == expected_gradient.keys()
    assert {name[:8] for name in gradient} == {"lora_une", *(PREFIXES[name] if learns else ())}
    for part in {name[:8] for name in gradient}:
        one, two = (flat(each, part) for each in (gradient, expected_gradient))
        assert (one - two).norm() <= 1e-5 * two.norm()


PREFIXES = {"sd2": ["lora_te_"], "sdxl": ["lora_te1", "lora_te2"]}


def flat(gradient: dict[str, Tensor], part: str) -> Tensor:
    return torch.cat([value.flatten() for name, value in gradient.items() if name.startswith(part)])
