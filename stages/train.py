"""data/encoded/ + data/captions/ -> models/network/: the network after each epoch, and the loss on the way.

    latents + noise --> U-Net (frozen) + network --> answer - noise, squared, weighed --> AdamW on the network

In: data/encoded/, data/captions/, the base. Out: models/network/<name>-<epoch>.safetensors and
<name>.safetensors, metrics/train.json, plots/train/; logs go to logs/ and are no output. Reads `seed`,
`base`, `network`, `optimizer`, `schedule`, `noise`, `train`, `validation`, `doctor`, `checkpoint`, `logging`.
Deterministic: order, captions, noise and timesteps follow from the seed and the step's number; a run that was
killed carries on from its last checkpoint and ends with the same bytes.
"""

import shutil
from collections.abc import Sequence
from dataclasses import astuple, fields
from pathlib import Path
from typing import Any

from lightning.pytorch.loggers import Logger, TensorBoardLogger

from pipeline.base.conditioning import too_long
from pipeline.base.load import load_base
from pipeline.command import Run, run, start
from pipeline.config.schemas import Config
from pipeline.device import make_repeatable
from pipeline.errors import UserError, warn
from pipeline.files.atomic import new_folder, write_csv, write_json
from pipeline.files.hashing import sha256_of_file, sha256_of_tree
from pipeline.networks.families import create
from pipeline.training.data import EncodedData, Picture, read_pictures
from pipeline.training.history import History, Measured, Norms, Row
from pipeline.training.holdout import Member, held_out
from pipeline.training.keeper import BlownUp
from pipeline.training.measuring import Measuring
from pipeline.training.module import Denoising, quiet_lightning
from pipeline.training.plan import steps_per_epoch
from pipeline.training.session import Session, recipe
from pipeline.training.workplace import Workplace, workplace

ENCODED, CAPTIONS = Path("data/encoded"), Path("data/captions/captions.jsonl")


def recipe_of(config: Config) -> str:
    return recipe(
        config,
        {
            "encoded": sha256_of_tree(ENCODED),
            "captions": sha256_of_file(CAPTIONS),
            "base": config.base.sha256,
        },
    )


def train(config: Config, place: Workplace, logs: Path, made_from: str) -> tuple[History, dict[str, Any]]:
    """Trains, writes the epoch files into `place`, and returns the curves and facts for the metrics."""
    base = load_base(config.base)
    pictures = read_pictures(ENCODED, CAPTIONS)
    aside = kept_out(pictures, config.validation.share)
    data = EncodedData(
        ENCODED, [each for each in pictures if each not in aside], base.tokenizer, config.train, config.seed
    )
    if cut := too_long(base.tokenizer, [picture.caption for picture in pictures]):
        warn(
            f"{len(cut)} captions are longer than 75 tokens, their ends are cut off:"
            f" {cut[0][:80]!r} ...; set filter_tags.max_tokens to 75"
        )
    per_epoch = steps_per_epoch(data.shown, config.train.batch)
    total_steps = config.train.epochs * per_epoch
    network = create(config.network, base.unet, base.text_encoder, config.seed)
    module = Denoising(base, network, config, total_steps)

    def loggers(done: int) -> list[Logger]:
        return [TensorBoardLogger(logs, name="", version="", purge_step=done)]

    session = Session(
        config, module, data, place, made_from, per_epoch,
        lambda history: history.is_broken(), loggers,
        lambda history: [Measuring(history, data, aside, config.validation)], logs,
    )  # fmt: skip
    with network.attached(base.unet, base.text_encoder):
        history = session.run()
    facts = {
        "pictures": len(pictures),
        "steps": total_steps,
        "modules": network.num_modules(),
        "parameters": sum(parameter.numel() for parameter in network.parameters()),
    }
    return history, facts


def kept_out(pictures: Sequence[Picture], share: float) -> list[Picture]:
    members = [Member(each.id, each.concept, each.group, each.shown.is_class) for each in pictures]
    chosen = held_out(members, share)
    return [each for each in pictures if each.id in chosen]


def mean_loss(rows: list[Row], epoch: int) -> float:
    losses = [row.loss for row in rows if row.epoch == epoch]
    return round(sum(losses) / len(losses), 6)


def write_results(job: Run, history: History, facts: dict[str, Any]) -> None:
    """Metrics and curves."""
    rows, plots = history.rows, job.out / "plots/train"
    losses = {
        "loss_first_epoch": mean_loss(rows, 0),
        "loss_last_epoch": mean_loss(rows, rows[-1].epoch),
    }
    write_json(job.out / "metrics/train.json", {**facts, **losses})
    lines = [(row.step, row.epoch, f"{row.loss:.6g}", row.lr, row.text_encoder_lr) for row in rows]
    write_csv(plots / "loss.csv", [field.name for field in fields(Row)], lines)
    for name, kind, values in (
        ("norms", Norms, history.norms),
        ("validation", Measured, history.measured),
    ):
        cells = [[f"{v:.6g}" if isinstance(v, float) else v for v in astuple(each)] for each in values]
        write_csv(plots / f"{name}.csv", [field.name for field in fields(kind)], cells)


def main(arguments: Sequence[str] = ()) -> None:
    job = start("train", arguments)
    make_repeatable()
    quiet_lightning()
    made_from = recipe_of(job.config)
    with workplace(made_from) as place:
        try:
            history, facts = train(job.config, place, job.out / "logs" / job.config.train.name, made_from)
        except BlownUp:
            raise UserError(
                "the loss became NaN; lower optimizer.lr, or use train.precision fp32 or bf16"
            ) from None
        with new_folder(job.out / "models/network") as folder:
            shutil.copytree(place.files, folder, dirs_exist_ok=True)
        write_results(job, history, facts)


if __name__ == "__main__":
    run(main)
