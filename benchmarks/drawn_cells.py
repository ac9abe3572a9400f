"""Cells of a grid that the demo's generator draws: it knows what was asked and what it drew, so it knows how
good a cell is.

A cell's pictures are the character as each prompt asks for it, but for the shares of its `Flaws`. Every
picture passes through the demo's VAE, as generated ones do.
"""

from collections.abc import Sequence
from dataclasses import dataclass, fields, replace
from pathlib import Path
from statistics import fmean
from typing import Any

import numpy as np
import torch
from diffusers import AutoencoderKL
from PIL import Image, ImageFilter

from demo.critters import (
    BODY,
    EARS,
    FUR,
    HAT,
    OWN_FEATURES,
    ZIBBO,
    Critter,
    draw,
    random_critter,
    random_zibbo,
)
from demo.train_eye import SIDE_PX, face_box

ASKED: tuple[dict[str, Any], ...] = (
    {"background": "meadow", "pose": "standing", "mouth": "smile"},
    {"background": "night", "pose": "arms up", "mouth": "open mouth"},
    {"background": "desert", "pose": "sitting", "eyes": "closed eyes"},
    {"background": "snow", "pose": "jumping", "eyes": "round eyes"},
)
"""Of each prompt, in full body: those of params.yaml."""
OTHERS: tuple[dict[str, Any], ...] = (
    {"fur": "red fur", "body": "square body", "ears": "round ears", "background": "night", "hat": "top hat"},
    {"fur": "blue fur", "body": "round body", "ears": "pointy ears", "background": "snow", "hat": ""},
)
"""Of each prompt without the character, for drift."""
LOOKS = ("fur", "body", "ears", "hat", "own")
"""Features that make the character."""


@dataclass(frozen=True)
class Flaws:
    """Shares of the pictures, 0..1. smeared: the face is; altered: another character, two looks differ;
    unasked: it shows what another prompt asks for; memorised: it is a training picture; drifted: prompts
    without the character show looks of it.
    """

    smeared: float = 0.0
    altered: float = 0.0
    unasked: float = 0.0
    memorised: float = 0.0
    drifted: float = 0.0

    @classmethod
    def drawn(cls, rng: np.random.Generator) -> "Flaws":
        """One to three of them, each in a share of pictures by chance."""
        names = rng.choice([each.name for each in fields(cls)], int(rng.integers(1, 4)), replace=False)
        return cls(**{str(name): float(rng.uniform()) for name in names})


@dataclass(frozen=True)
class DrawnPicture:
    """`asked`: the tags of its prompt, without the character's; `critter`: what is drawn."""

    image: Image.Image
    prompt: int
    asked: Sequence[str]
    critter: Critter
    is_smeared: bool = False

    @property
    def text(self) -> str:
        """The prompt."""
        return ", ".join(self.asked)


@dataclass(frozen=True)
class DrawnCell:
    """Pictures of prompts with the character, and of others for drift."""

    own: Sequence[DrawnPicture]
    others: Sequence[DrawnPicture]

    def truth(self, base: "DrawnCell") -> float:
        """0..1: the mean of the verdict's four sides, by what is drawn."""
        alone = _likeness(base.own)
        identity = (_likeness(self.own) - alone) / (1 - alone)
        prompt = fmean(_followed(each) for each in self.own)
        pairs = zip(self.others, base.others, strict=True)
        retained = fmean(_shared(one.critter, two.critter) for one, two in pairs)
        quality = fmean(not each.is_smeared for each in self.own)
        return fmean([min(1.0, max(0.0, identity)), prompt, retained, quality])


def _likeness(pictures: Sequence[DrawnPicture]) -> float:
    return fmean(_shared(each.critter, ZIBBO) for each in pictures)


def _shared(one: Critter, other: Critter) -> float:
    """Share of the looks that are equal."""
    return fmean(getattr(one, name) == getattr(other, name) for name in LOOKS)


def _followed(picture: DrawnPicture) -> float:
    tags = picture.critter.tags()
    return fmean(tag in tags for tag in picture.asked)


class Painter:
    """Draws cells; `training`: what memorised pictures copy."""

    def __init__(self, num_training: int = 24) -> None:
        rng = np.random.default_rng([7, 0])
        self.training = [(critter, _draw(critter, rng)) for critter in _zibbos(num_training, rng)]
        folder = Path("demo/base/vae")
        self.vae: Any = AutoencoderKL.from_pretrained(folder, torch_dtype=torch.float32)

    def real(self, number: int) -> list[Image.Image]:
        """Pictures that the training did not see."""
        rng = np.random.default_rng([7, 1])
        return [_draw(critter, rng) for critter in _zibbos(number, rng)]

    def cell(self, flaws: Flaws, seeds: Sequence[int], number: int = 0, has_others: bool = True) -> DrawnCell:
        """`number`: of the cell, whose chances differ from other cells'."""
        chances = np.random.default_rng([11, number])
        own = [self._own(prompt, seed, flaws, chances) for prompt in range(len(ASKED)) for seed in seeds]
        prompts = range(len(OTHERS) if has_others else 0)
        others = [self._other(prompt, seed, flaws, chances) for prompt in prompts for seed in seeds]
        return DrawnCell(self._generated(own), self._generated(others))

    def base(self, seeds: Sequence[int]) -> DrawnCell:
        """What the base draws: it follows the prompts, and does not know the character."""
        own = []
        for prompt, changes in enumerate(ASKED):
            for seed in seeds:
                rng = np.random.default_rng([3, prompt, seed])
                critter = replace(random_critter(rng), framing="full body", **changes)
                own.append(DrawnPicture(_draw(critter, rng), prompt, _tags(changes), critter))
        alone = Flaws()
        others = [
            self._other(prompt, seed, alone, np.random.default_rng(0))
            for prompt in range(len(OTHERS))
            for seed in seeds
        ]
        return DrawnCell(self._generated(own), self._generated(others))

    def _own(self, prompt: int, seed: int, flaws: Flaws, chances: np.random.Generator) -> DrawnPicture:
        rng = np.random.default_rng([5, prompt, seed])
        smeared, altered, unasked, memorised = chances.uniform(size=4) < [
            flaws.smeared, flaws.altered, flaws.unasked, flaws.memorised,
        ]  # fmt: skip
        asked = _tags(ASKED[prompt])
        if memorised:
            critter, image = self.training[int(chances.integers(len(self.training)))]
        else:
            shown = ASKED[(prompt + 1 + int(chances.integers(3))) % 4 if unasked else prompt]
            critter = replace(random_zibbo(rng), framing="full body", **shown)
            critter = _altered(critter, chances) if altered else critter
            image = _draw(critter, rng)
        image = _smeared(image, critter, chances) if smeared else image
        return DrawnPicture(image, prompt, asked, critter, bool(smeared))

    def _other(self, prompt: int, seed: int, flaws: Flaws, chances: np.random.Generator) -> DrawnPicture:
        rng = np.random.default_rng([9, prompt, seed])
        changes = OTHERS[prompt]
        critter = replace(random_critter(rng), framing="full body", **changes)
        if chances.uniform() < flaws.drifted:
            looks = chances.choice(["fur", "ears", "own"], int(chances.integers(1, 4)), replace=False)
            critter = replace(critter, **{str(name): getattr(ZIBBO, str(name)) for name in looks})
        return DrawnPicture(_draw(critter, rng), prompt, _tags(changes), critter)

    @torch.no_grad()
    def _generated(self, pictures: Sequence[DrawnPicture]) -> list[DrawnPicture]:
        return [replace(each, image=self._decoded(each.image)) for each in pictures]

    def _decoded(self, image: Image.Image) -> Image.Image:
        x = torch.from_numpy(np.asarray(image).copy()).permute(2, 0, 1)[None].float() / 127.5 - 1
        y = self.vae.decode(self.vae.encode(x).latent_dist.mean).sample[0]
        return Image.fromarray(((y.permute(1, 2, 0) + 1) * 127.5).round().clamp(0, 255).byte().numpy())


def _zibbos(number: int, rng: np.random.Generator) -> list[Critter]:
    return [random_zibbo(rng) for _ in range(number)]


def _draw(critter: Critter, rng: np.random.Generator) -> Image.Image:
    return draw(critter, SIDE_PX, SIDE_PX, rng)


def _tags(changes: dict[str, Any]) -> list[str]:
    return [*filter(None, changes.values()), "full body"]


def _altered(critter: Critter, rng: np.random.Generator) -> Critter:
    """Two looks differ."""
    options = {"fur": [*FUR], "body": [*BODY], "ears": [*EARS], "hat": [*HAT]}
    changes: dict[str, Any] = {}
    for name in rng.choice(LOOKS, 2, replace=False):
        if name == "own":
            changes["own"] = tuple(tag for tag in OWN_FEATURES if rng.random() < 0.3)
        else:
            others = [each for each in options[str(name)] if each != getattr(critter, str(name))]
            changes[str(name)] = str(rng.choice(others))
    return replace(critter, **changes)


def _smeared(image: Image.Image, critter: Critter, rng: np.random.Generator) -> Image.Image:
    """The face's parts moved about and blurred."""
    left, top, right, bottom = face_box(critter)
    box = (max(0, left), max(0, top), min(SIDE_PX, right), min(SIDE_PX, bottom))
    face = image.crop(box)
    parts, reach = 5, 0.09 * (bottom - top)
    xs, ys = (np.linspace(0, length, parts + 1).round().astype(int) for length in face.size)
    moves = rng.normal(0, reach, (parts + 1, parts + 1, 2))

    def corner(column: int, row: int) -> tuple[float, float]:
        inside = 0 < column < parts and 0 < row < parts
        move = moves[row, column] if inside else (0.0, 0.0)
        return float(xs[column] + move[0]), float(ys[row] + move[1])

    mesh: list[Any] = []
    for row in range(parts):
        for column in range(parts):
            corners = [corner(column + a, row + b) for a, b in ((0, 0), (0, 1), (1, 1), (1, 0))]
            target = (int(xs[column]), int(ys[row]), int(xs[column + 1]), int(ys[row + 1]))
            mesh.append((target, [each for point in corners for each in point]))
    moved = face.transform(face.size, Image.Transform.MESH, mesh, Image.Resampling.BILINEAR)
    moved = moved.filter(ImageFilter.GaussianBlur(float(rng.uniform(0.5, 2.0))))
    whole = image.copy()
    whole.paste(moved, box)
    return whole
