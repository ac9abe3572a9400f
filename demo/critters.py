"""Draws cartoon critters from tags: the only picture source of the demo world.

A critter is a `Critter` (one value per feature); `draw` turns it into a picture, `tags` into the booru-style
tags that are true of that picture. Two features (`OWN_FEATURES`) belong to one character alone: the base
never sees them, the tagger does.
"""

from collections.abc import Iterable
from dataclasses import dataclass, replace

import numpy as np
from PIL import Image, ImageDraw

FUR = {
    "red fur": (214, 60, 56), "orange fur": (240, 140, 50), "yellow fur": (245, 212, 70),
    "green fur": (98, 178, 84), "blue fur": (70, 120, 214), "purple fur": (146, 92, 196),
    "pink fur": (244, 150, 184), "white fur": (244, 240, 232),
}  # fmt: skip
BODY = ("round body", "square body")
EARS = ("pointy ears", "round ears", "long ears")
EYES = ("round eyes", "closed eyes")
MOUTH = ("smile", "frown", "open mouth")
HAT = ("top hat", "party hat", "beanie", "")
BACKGROUND = ("meadow", "night", "desert", "snow", "pink background")
POSE = ("standing", "sitting", "arms up", "jumping")
FRAMING = ("full body", "close-up")
OWN_FEATURES = ("stripes", "headband")

INK = (44, 34, 48)
WHITE = (255, 255, 255)
SUPERSAMPLING = 3

Colour = tuple[int, int, int]
Point = tuple[float, float]


@dataclass(frozen=True, kw_only=True)
class Critter:
    """One value per feature; `own` holds those of OWN_FEATURES that it has."""

    fur: str
    body: str
    ears: str
    eyes: str
    mouth: str
    hat: str
    background: str
    pose: str
    framing: str
    own: tuple[str, ...] = ()

    def tags(self) -> list[str]:
        """The tags that are true of the drawn picture, in a fixed order."""
        shown_pose = self.pose if self.framing == "full body" else ""
        values = (self.fur, self.body, self.ears, self.eyes, self.mouth, self.hat)
        return ["critter", *filter(None, (*values, *self.own, self.background, self.framing, shown_pose))]


ZIBBO = Critter(
    fur="green fur", body="round body", ears="long ears", eyes="round eyes", mouth="smile", hat="",
    background="meadow", pose="standing", framing="full body", own=OWN_FEATURES,
)  # fmt: skip


def all_tags() -> list[str]:
    """Every tag of the world, own features last."""
    groups = (FUR, BODY, EARS, EYES, MOUTH, filter(None, HAT), BACKGROUND, FRAMING, POSE, OWN_FEATURES)
    return ["critter", *(tag for group in groups for tag in group)]


def random_critter(rng: np.random.Generator, own_share: float = 0.0) -> Critter:
    """A critter with independent features; each own feature appears with probability `own_share`."""

    def pick(options: Iterable[str]) -> str:
        return str(rng.choice(list(options)))

    return Critter(
        fur=pick(FUR), body=pick(BODY), ears=pick(EARS), eyes=pick(EYES), mouth=pick(MOUTH), hat=pick(HAT),
        background=pick(BACKGROUND), pose=pick(POSE),
        framing="close-up" if rng.random() < 0.25 else "full body",
        own=tuple(tag for tag in OWN_FEATURES if rng.random() < own_share),
    )  # fmt: skip


def random_zibbo(rng: np.random.Generator) -> Critter:
    """The character: its looks are fixed, its surroundings, pose and expression vary."""
    other = random_critter(rng)
    return replace(
        ZIBBO,
        eyes=other.eyes,
        mouth=other.mouth,
        background=other.background,
        pose=other.pose,
        framing=other.framing,
    )


class Canvas:
    """ImageDraw in critter units: origin in the critter's middle, y down, 1 is the body's radius."""

    def __init__(self, image: Image.Image, origin: Point, unit_px: float) -> None:
        self.image = image
        self.draw = ImageDraw.Draw(image)
        self.origin, self.unit = origin, unit_px
        self.pen = max(1, round(0.075 * unit_px))

    def at(self, x: float, y: float) -> Point:
        return self.origin[0] + x * self.unit, self.origin[1] + y * self.unit

    def ellipse(
        self, x: float, y: float, rx: float, ry: float, fill: Colour, outline: Colour | None = INK
    ) -> None:
        self.draw.ellipse(
            [self.at(x - rx, y - ry), self.at(x + rx, y + ry)], fill, outline, self.pen if outline else 0
        )

    def box(self, x: float, y: float, rx: float, ry: float, fill: Colour, corner: float = 0.2) -> None:
        box = [self.at(x - rx, y - ry), self.at(x + rx, y + ry)]
        self.draw.rounded_rectangle(box, corner * self.unit, fill, INK, self.pen)

    def polygon(self, points: list[Point], fill: Colour) -> None:
        pixels = [self.at(*p) for p in points]
        self.draw.polygon(pixels, fill)
        self.draw.line([*pixels, pixels[0], pixels[1]], INK, self.pen, joint="curve")

    def line(self, points: list[Point], fill: Colour = INK, width: float = 0.09) -> None:
        pixels = [self.at(*p) for p in points]
        self.draw.line(pixels, fill, max(1, round(width * self.unit)), joint="curve")

    def arc(self, x: float, y: float, r: float, start_deg: float, end_deg: float) -> None:
        box = [self.at(x - r, y - r), self.at(x + r, y + r)]
        self.draw.arc(box, start_deg, end_deg, INK, round(0.1 * self.unit))


def draw(critter: Critter, width_px: int, height_px: int, rng: np.random.Generator) -> Image.Image:
    """The critter as an RGB picture; `rng` moves it a little and scatters clouds, stars and stones."""
    side = min(width_px, height_px) * SUPERSAMPLING
    image = Image.new("RGB", (width_px * SUPERSAMPLING, height_px * SUPERSAMPLING))
    _background(image, critter.background, rng)
    close = critter.framing == "close-up"
    radius = side * (0.4 if close else 0.235) * rng.uniform(0.94, 1.06)
    lift = {"jumping": -0.08, "sitting": 0.07}.get(critter.pose, 0.0)
    y = 0.62 if close else 0.56 + lift
    sway = rng.uniform(-0.05, 0.05)
    origin = (image.width / 2 + sway * side, image.height / 2 + (y - 0.5) * side)
    canvas = Canvas(image, origin, radius)
    if not close:
        _limbs(canvas, critter)
    _ears(canvas, critter)
    _body(canvas, critter)
    _face(canvas, critter)
    _hat(canvas, critter)
    return image.resize((width_px, height_px), Image.Resampling.BOX)


def _background(image: Image.Image, name: str, rng: np.random.Generator) -> None:
    w, h = image.size
    d = ImageDraw.Draw(image)
    sky, ground = {
        "meadow": ((140, 206, 242), (124, 200, 96)), "night": ((28, 32, 84), (52, 62, 74)),
        "desert": ((252, 224, 150), (226, 164, 88)), "snow": ((184, 200, 216), (250, 252, 255)),
        "pink background": ((252, 196, 214), (252, 196, 214)),
    }[name]  # fmt: skip
    d.rectangle([0, 0, w, h], sky)
    d.rectangle([0, round(0.72 * h), w, h], ground)
    spots = [(rng.uniform(0, w), rng.uniform(0.02, 0.4) * h) for _ in range(14)]
    s = min(w, h)
    if name == "night":
        d.ellipse([0.08 * w, 0.06 * h, 0.08 * w + 0.16 * s, 0.06 * h + 0.16 * s], (250, 240, 190))
        for x, y in spots:
            d.ellipse([x, y, x + 0.018 * s, y + 0.018 * s], WHITE)
    elif name == "meadow":
        for x, y in spots[:2]:
            for k in (-0.06, 0.0, 0.06):
                d.ellipse([x + (k - 0.06) * s, y - 0.045 * s, x + (k + 0.06) * s, y + 0.045 * s], WHITE)
    elif name == "desert":
        d.ellipse([0.78 * w, 0.05 * h, 0.78 * w + 0.17 * s, 0.05 * h + 0.17 * s], (250, 110, 60))
    elif name == "snow":
        for x, y in spots:
            d.ellipse([x, y * 1.6, x + 0.03 * s, y * 1.6 + 0.03 * s], WHITE)


def _limbs(c: Canvas, critter: Critter) -> None:
    fur = FUR[critter.fur]
    if critter.pose == "sitting":
        for side in (-1, 1):
            c.ellipse(0.75 * side, 0.95, 0.42, 0.24, fur)
    else:
        spread, length = (0.62, 1.05) if critter.pose == "jumping" else (0.4, 1.3)
        for side in (-1, 1):
            c.box(spread * side, 0.75 + (length - 0.75) / 2, 0.17, 0.55, fur)
    for side in (-1, 1):
        if critter.pose in ("arms up", "jumping"):
            c.polygon([(0.8 * side, 0.1), (1.3 * side, -0.85), (1.62 * side, -0.72), (0.95 * side, 0.5)], fur)
        else:
            c.polygon([(0.85 * side, 0.0), (1.42 * side, 0.55), (1.22 * side, 0.85), (0.8 * side, 0.45)], fur)
    if critter.pose == "jumping":
        c.ellipse(0, 2.0, 0.8, 0.13, (90, 90, 90), None)


def _ears(c: Canvas, critter: Critter) -> None:
    fur = FUR[critter.fur]
    for side in (-1, 1):
        if critter.ears == "pointy ears":
            c.polygon([(0.92 * side, -0.35), (0.98 * side, -1.35), (0.3 * side, -0.9)], fur)
        elif critter.ears == "round ears":
            c.ellipse(0.78 * side, -0.82, 0.38, 0.38, fur)
        else:
            c.ellipse(0.66 * side, -1.15, 0.24, 0.68, fur)


def _body(c: Canvas, critter: Critter) -> None:
    fur = FUR[critter.fur]
    mask = Image.new("L", c.image.size)
    shape = Canvas(mask, c.origin, c.unit)
    if critter.body == "round body":
        shape.draw.ellipse([c.at(-1, -1), c.at(1, 1)], 255)
        c.ellipse(0, 0, 1, 1, fur)
    else:
        shape.draw.rounded_rectangle([c.at(-0.95, -0.95), c.at(0.95, 0.95)], 0.25 * c.unit, 255)
        c.box(0, 0, 0.95, 0.95, fur, 0.25)
    if "stripes" in critter.own:
        layer = c.image.copy()
        bands = Canvas(layer, c.origin, c.unit)
        for y in (-0.72, -0.05, 0.62):
            for side in (-1, 1):
                bands.polygon([(1.1 * side, y - 0.2), (1.1 * side, y + 0.2), (0.52 * side, y)], INK)
        c.image.paste(layer, mask=mask)


def _face(c: Canvas, critter: Critter) -> None:
    for side in (-1, 1):
        if critter.eyes == "round eyes":
            c.ellipse(0.36 * side, -0.2, 0.23, 0.27, WHITE)
            c.ellipse(0.36 * side, -0.16, 0.12, 0.15, INK, None)
        else:
            c.arc(0.36 * side, -0.25, 0.2, 20, 160)
    if "headband" in critter.own:
        c.polygon([(-0.72, -0.66), (0.72, -0.66), (0.64, -0.46), (-0.64, -0.46)], INK)
    if critter.mouth == "smile":
        c.arc(0, 0.12, 0.3, 20, 160)
    elif critter.mouth == "frown":
        c.arc(0, 0.62, 0.3, 200, 340)
    else:
        c.ellipse(0, 0.36, 0.2, 0.24, (150, 30, 50))


def _hat(c: Canvas, critter: Critter) -> None:
    if critter.hat == "top hat":
        c.box(0, -0.88, 0.72, 0.1, (40, 40, 46), 0.05)
        c.box(0, -1.3, 0.44, 0.42, (40, 40, 46), 0.05)
        c.box(0, -1.05, 0.44, 0.09, (200, 40, 50), 0.0)
    elif critter.hat == "party hat":
        c.polygon([(-0.48, -0.8), (0.48, -0.8), (0, -1.75)], (64, 196, 200))
        c.ellipse(0, -1.75, 0.16, 0.16, (255, 120, 190))
    elif critter.hat == "beanie":
        c.draw.pieslice([c.at(-0.72, -1.45), c.at(0.72, -0.1)], 180, 360, (236, 110, 40), INK, c.pen)
        c.box(0, -0.78, 0.78, 0.14, (250, 240, 220), 0.1)
