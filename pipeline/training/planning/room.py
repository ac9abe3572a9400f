"""Says before a base is loaded that this device is too small for it, and which settings would fit.

Stages import it dynamically, so that it is not part of their code's hash: it affects no result.
"""

from collections.abc import Callable, Container, Iterable, Sequence
from itertools import accumulate

from pipeline.bases.load import load_base
from pipeline.device import best_device, memory_of
from pipeline.errors import UserError, warn
from pipeline.schemas import AestheticConfig, Config
from pipeline.training.data import Picture
from pipeline.training.planning.estimate import needed_bytes, numbers_of
from pipeline.training.planning.levers import Lever, goes_together, levers_of, pulled

SHARE = 0.9
"""Of a device's memory; the rest goes to CUDA itself, a screen, and gaps between tensors."""
HOPELESS = 1.5
"""Times the device's memory: no error of the estimate is as large."""
Needs = Callable[[Config], int]


def insist_on_room(config: Config, pictures: Iterable[Picture]) -> None:
    """Warns if the run will probably not fit into the device; stops it if it certainly will not."""
    memory = memory_of(best_device())
    if memory is None or isinstance(config.network, AestheticConfig):
        return
    sizes = [each.shown.bucket for each in pictures]
    if not sizes:
        return
    numbers = numbers_of(config, load_base(config.base), *max(sizes, key=lambda size: size[0] * size[1]))
    judge(config, lambda each: needed_bytes(numbers, each), memory)


def judge(config: Config, needs: Needs, memory: int) -> None:
    needed = needs(config)
    if needed <= memory * SHARE:
        return
    sentence = too_small(config, needs, memory)
    if needed > memory * HOPELESS:
        raise UserError(sentence)
    warn(f"{sentence}. This is an estimate: the run goes on, and tries")


def too_small(config: Config, needs: Needs, memory: int) -> str:
    """What is needed, what is there, and the settings that fit."""
    found = cheapest(config, needs, round(memory * SHARE))
    start = f"this run needs about {size(needs(config))} of the device's memory, which has {size(memory)}"
    if found is None:
        tried = pulled(config, _offered(config))
        left = [each.text for each in levers_of(config) if not each.values]
        return (
            f"{start}; with all that saves memory it needs {size(needs(tried))}: take"
            f" {'; or '.join(left)}; or a smaller base, or a larger device"
        )
    sums = accumulate(found, lambda so_far, lever: [*so_far, lever], initial=list[Lever]())
    steps = (f"{own[-1].text} ({size(needs(pulled(config, own)))})" for own in sums if own)
    return f"{start}; set in params.yaml {'; and '.join(steps)}"


def cheapest(config: Config, needs: Needs, memory: int, but: Container[str] = ()) -> list[Lever] | None:
    """The least harmful levers that fit, in order of harm; None if all of them do not. `but`: keys that
    stay.
    """
    offered = _offered(config, but)
    for number in range(len(offered) + 1):
        if _fits(config, offered[:number], needs, memory):
            return _without_needless(config, needs, memory, offered[:number])
    return None


def _fits(config: Config, chosen: Sequence[Lever], needs: Needs, memory: int) -> bool:
    """Whether the memory is enough and the settings go together: some levers need others."""
    changed = pulled(config, chosen)
    return needs(changed) <= memory and goes_together(changed, config)


def _offered(config: Config, but: Container[str] = ()) -> list[Lever]:
    """Levers with values."""
    return [each for each in levers_of(config, but) if each.values]


def _without_needless(config: Config, needs: Needs, memory: int, found: Sequence[Lever]) -> list[Lever]:
    """Without levers that the later ones make needless, the most harmful first."""
    kept = list(found)
    for lever in reversed(found):
        others = [each for each in kept if each is not lever]
        if _fits(config, others, needs, memory):
            kept = others
    return kept


def size(number: float) -> str:
    """Of memory: GiB, or MiB of what would be 0.0 GiB."""
    return f"{number / 2**30:.1f} GiB" if number >= 2**30 / 10 else f"{number / 2**20:.0f} MiB"
