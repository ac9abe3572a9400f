"""Whether two runs, and a run that was killed and resumed, give the same bytes on this device."""

from collections.abc import Iterator
from dataclasses import replace
from hashlib import sha256
from pathlib import Path
from tempfile import TemporaryDirectory
from typing import Any

import lightning
import torch

from benchmarks.gpu.bases import side_px
from benchmarks.gpu.cases import AS_DIFFUSERS, Bench, Case, state_of
from benchmarks.gpu.running import Row
from pipeline.bases.latents import LATENTS
from pipeline.device import make_repeatable
from pipeline.files.safetensors_file import write_safetensors
from pipeline.networks.families import create
from pipeline.schemas import Config
from pipeline.training.data import EncodedData, Picture
from pipeline.training.doctor import has_blown_up
from pipeline.training.epoch_order import EpochPicture
from pipeline.training.module import Denoising
from pipeline.training.planning.forecast import make_plan
from pipeline.training.run_folder import RunFolder
from pipeline.training.session import Session

PICTURES, EPOCHS, KILLED_AFTER = 4, 2, 5
SHORT = {
    "train.epochs": EPOCHS, "resume.every_steps": 2, "validation.pictures": 0, "doctor.action": "tell",
}  # fmt: skip


class Killed(Exception):  # noqa: N818 - an event, not an error
    """As by a power failure: nothing is saved on the way out."""


class Kill(lightning.Callback):
    def on_train_batch_start(self, *arguments: Any) -> None:
        if arguments[2].step == KILLED_AFTER:
            raise Killed


def same_bytes(bench: Bench, name: str) -> Row:
    make_repeatable()
    with TemporaryDirectory() as folder:
        place = Path(folder)
        sizes = _write_latents(bench, name, place)
        first, second = (_digest(bench, name, place, sizes, str(number)) for number in range(2))
        try:
            _digest(bench, name, place, sizes, "killed", [Kill()])
        except Killed:
            third = _digest(bench, name, place, sizes, "killed")
    return {"two_runs_equal": first == second, "killed_run_equal": first == third}


def _write_latents(bench: Bench, name: str, place: Path) -> tuple[int, ...] | None:
    cells, generator = side_px(name, bench.tiny) // 8, torch.Generator().manual_seed(2)
    latents = {f"a/{n}": torch.rand((8, cells, cells), generator=generator) for n in range(PICTURES)}
    write_safetensors(place / LATENTS, latents, {})
    return bench.base(name, state_of(_config(name))).family.sizes(cells * 8, cells * 8)


def _config(name: str) -> Config:
    return replace(Case(name, 1, "bf16"), values={**AS_DIFFUSERS, **SHORT}).config()


def _digest(
    bench: Bench, name: str, place: Path, sizes: Any, run: str, more: list[lightning.Callback] | None = None
) -> str:
    """Of the last network file."""
    config = _config(name)
    base = bench.base(name, state_of(config))
    network = create(config.network, base, config.seed)
    side = side_px(name, bench.tiny)
    shown = EpochPicture(1, False, (side, side))
    pictures = [Picture(f"a/{n}", "a", f"picture {n}", None, shown, "", sizes) for n in range(PICTURES)]
    plan = make_plan(
        [("a", each.shown) for each in pictures], held_out=0, epochs=EPOCHS, batch=1, accumulation=1
    )
    session = Session(
        config=config, module=Denoising(base, network, config, plan.updates),
        data=EncodedData(place, pictures, base.tokenizer, config.train, config.seed),
        place=RunFolder(place / run), recipe="{}", plan=plan, has_blown_up=has_blown_up,
        make_loggers=lambda _: [], make_callbacks=lambda _: more or [], partial=place / "partial",
    )  # fmt: skip
    with network.attached(base):
        session.run()
    return "".join(sha256(each).hexdigest() for each in _files(place / run))


def _files(folder: Path) -> Iterator[bytes]:
    return (path.read_bytes() for path in sorted((folder / "files").glob("*.safetensors")))
