"""Block weights by name: the curves of AUTOMATIC1111's block merge extensions, as formulas.

Names and values over 25 blocks are from bbc-mc/sdweb-merge-block-weighted-gui (README, csv/preset.tsv) and
hako-mikan/sd-webui-supermerger (scripts/mbwpresets.txt). A curve runs over p = 0 ... 24 from IN00 to the last
OUT; SDXL's 19 blocks are at p = 24 i / 18, so a curve keeps its form.
"""

from collections.abc import Callable
from math import cos, pi

from pipeline.errors import UserError, nearest

PresetCurve = Callable[[float], float]
LAST_BLOCK = 24


def smoothstep(t: float) -> float:
    return 3 * t**2 - 2 * t**3


def folded(x: float) -> float:
    """A triangle wave: 0 at 0, 1 at 1, 0 at 2."""
    return 1 - abs(1 - x % 2)


def within(*spans: tuple[float, float]) -> PresetCurve:
    """1 inside the spans of p, both ends included, else 0."""
    return lambda p: float(any(low - 0.5 < p < high + 0.5 for low, high in spans))


def over(curve: PresetCurve) -> PresetCurve:
    """A curve of t = p / 24."""
    return lambda p: curve(p / LAST_BLOCK)


def scaled(curve: PresetCurve, factor: float) -> PresetCurve:
    return lambda p: factor * curve(p)


def reverse(curve: PresetCurve) -> PresetCurve:
    """1 - y: A and B exchanged."""
    return lambda p: 1 - curve(p)


def multiplied(factor: int) -> PresetCurve:
    return over(lambda t: folded(factor * smoothstep(t)))


def divided(factor: int) -> PresetCurve:
    return over(lambda t: smoothstep(folded(factor * t)))


def hermite(t: float) -> float:
    """The extensions' `true` curve, which is 0 at the first block and not quite smooth there."""
    return (77 * t**3 / 12 - 77 * t**2 / 8 + 25 * t / 6 + 1 / 24) if t else 0.0


CURVES: dict[str, PresetCurve] = {
    "GRAD_V": over(lambda t: abs(2 * t - 1)),
    "GRAD_A": over(lambda t: 1 - abs(2 * t - 1)),
    "FLAT_25": lambda _: 0.25,
    "FLAT_75": lambda _: 0.75,
    **{f"WRAP{2 * n:02}": within((0, n - 1), (LAST_BLOCK + 1 - n, LAST_BLOCK)) for n in (4, 6, 7, 8)},
    "MID12_50": scaled(within((5, 18)), 0.5),
    "OUT07": within((18, LAST_BLOCK)),
    "OUT12": within((13, LAST_BLOCK)),
    "OUT12_5": lambda p: (within((12, LAST_BLOCK))(p) + within((13, LAST_BLOCK))(p)) / 2,
    "RING08_SOFT": lambda p: (within((5, 9), (15, 19))(p) + within((6, 8), (16, 18))(p)) / 2,
    "RING08_5": within((6, 9), (15, 18)),
    "RING10_5": within((5, 9), (15, 19)),
    "RING10_3": within((6, 10), (14, 18)),
    "SMOOTHSTEP": over(smoothstep),
    "REVERSE_SMOOTHSTEP": reverse(over(smoothstep)),
    **{f"SMOOTHSTEP*{n}": multiplied(n) for n in (2, 3, 4)},
    **{f"R_SMOOTHSTEP*{n}": reverse(multiplied(n)) for n in (2, 3, 4)},
    **{f"SMOOTHSTEP/{n}": divided(n) for n in (2, 3, 4)},
    **{f"R_SMOOTHSTEP/{n}": reverse(divided(n)) for n in (2, 3, 4)},
    "COSINE": over(lambda t: (1 + cos(pi * t)) / 2),
    "REVERSE_COSINE": over(lambda t: (1 - cos(pi * t)) / 2),
    "TRUE_CUBIC_HERMITE": over(hermite),
    "TRUE_REVERSE_CUBIC_HERMITE": reverse(over(hermite)),
    "FAKE_CUBIC_HERMITE": over(lambda t: t + 19 / 6 * t * (1 - t) * (1 - 2 * t)),
    "FAKE_REVERSE_CUBIC_HERMITE": reverse(over(lambda t: t + 19 / 6 * t * (1 - t) * (1 - 2 * t))),
    "ALL_A": lambda _: 0.0,
    "ALL_B": lambda _: 1.0,
}


def preset(name: str, num_blocks: int) -> list[float]:
    """The curve's weight of each block. Raises UserError for an unknown name."""
    if name not in CURVES:
        raise UserError(f"{name} is not a preset of block weights; {nearest(name, CURVES)}")
    places = (LAST_BLOCK * number / (num_blocks - 1) for number in range(num_blocks))
    return [min(max(CURVES[name](place), 0.0), 1.0) for place in places]
