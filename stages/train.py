"""data/encoded/ + data/captions/ -> models/network/: the network after each epoch, and the loss on the way.

    latents + noise --> U-Net (frozen) + network --> answer - noise, squared, weighed --> AdamW on the network

In: data/encoded/, data/captions/, the base. Out: models/network/<name>-<epoch>.safetensors,
<name>.safetensors and what the family writes beside them, metrics/train.json, plots/train/loss.csv;
TensorBoard's logs go to logs/ and are no output. Reads `seed`, `base`, `network`, `optimizer`, `schedule`,
`noise`, `train`. Deterministic: order, captions, noise and timesteps follow from the seed and the step's
number.
"""

import json
from collections.abc import Sequence
from dataclasses import fields
from importlib.metadata import version
from pathlib import Path
from typing import Any

import lightning
from lightning.pytorch.callbacks import Callback
from lightning.pytorch.loggers import TensorBoardLogger

from pipeline.base.conditioning import too_long
from pipeline.base.load import load_base
from pipeline.base.new_rows import words_of
from pipeline.captions.templates import read_templates
from pipeline.command import Run, run, start
from pipeline.config.schemas import Config
from pipeline.config.schemas import Embedding as EmbeddingConfig
from pipeline.device import make_repeatable
from pipeline.errors import UserError, nearest, warn
from pipeline.files.atomic import new_folder, write_csv, write_json
from pipeline.files.hashing import sha256_of_file, sha256_of_tree
from pipeline.files.safetensors_file import write_safetensors
from pipeline.networks.families import create
from pipeline.networks.trained import Beside
from pipeline.training.data import EncodedData, read_pictures
from pipeline.training.metadata import RECIPE_KEY, Progress, network_metadata, with_hashes
from pipeline.training.module import Denoising, Row, quiet_lightning, trainer_options
from pipeline.training.plan import steps_per_epoch, updates_per_epoch

ENCODED, CAPTIONS = Path("data/encoded"), Path("data/captions/captions.jsonl")
PACKAGES = ("torch", "diffusers", "transformers", "lightning", "safetensors")


class EpochFiles(Callback):
    """Writes the network after every `save_every_epochs` epochs, and after the last under its plain name
    too.
    """

    def __init__(self, folder: Path, data: EncodedData, config: Config, recipe: str) -> None:
        self.folder, self.data, self.config, self.recipe = folder, data, config, recipe

    def on_train_epoch_end(self, trainer: lightning.Trainer, pl_module: lightning.LightningModule) -> None:
        assert isinstance(pl_module, Denoising)
        epoch, train = trainer.current_epoch + 1, self.config.train
        if epoch % train.save_every_epochs == 0 or epoch == train.epochs:
            self._write(f"{train.name}-{epoch:06}", epoch, pl_module)
        if epoch == train.epochs:
            self._write(train.name, epoch, pl_module)

    def _write(self, stem: str, epoch: int, module: Denoising) -> None:
        """The network's file, and those that its family writes beside it."""
        per_epoch = steps_per_epoch(self.data.shown, self.config.train.batch)
        updates = module.total_steps // self.config.train.epochs * epoch
        progress = Progress(epoch, updates, module.total_steps, per_epoch)
        network, precision = module.network, self.config.train.save_precision
        header = network.metadata()
        facts = network_metadata(self.config, header, self.data.pictures, progress, module.prediction_type)
        with module.as_saved():
            files = {"": Beside(network.file_tensors(precision), {}), **network.beside(precision)}
        for end, file in files.items():
            metadata = with_hashes(file.tensors, {**facts, **file.metadata, RECIPE_KEY: self.recipe})
            write_safetensors(self.folder / f"{stem}{end}.safetensors", file.tensors, metadata)
        network.write_other_layouts(self.folder / stem, progress.step)


def recipe(config: Config) -> str:
    """Everything that the result follows from: the inputs' hashes, every setting, the packages' versions."""
    inputs = {
        "encoded": sha256_of_tree(ENCODED),
        "captions": sha256_of_file(CAPTIONS),
        "base": config.base.sha256,
    }
    packages = {name: version(name) for name in PACKAGES}
    return json.dumps({"inputs": inputs, "params": config.values(), "packages": packages}, sort_keys=True)


def name_subjects(data: EncodedData, config: EmbeddingConfig) -> None:
    """Has the captions put into the chosen prompt templates, with the words of each concept."""
    data.templates = read_templates(config.templates) if config.templates else ()
    concepts = {picture.concept for picture in data.pictures}
    if unknown := sorted(set(config.concepts.values()) - concepts):
        raise UserError(f"network.concepts: {', '.join(unknown)}: {nearest(unknown[0], sorted(concepts))}")
    data.names = {concept: ", ".join(config.words_of(concept)) for concept in concepts}


def check_captions(data: EncodedData) -> None:
    """An embedding's word that no caption holds is a user error; captions that are cut off are named."""
    if unseen := data.unseen_words():
        raise UserError(
            f"no caption holds {', '.join(unseen)}, so nothing would be learned of it; set"
            " filter_tags.trigger to the word, or network.templates to a set of prompt templates"
        )
    most = data.config.max_tokens
    if cut := too_long(data.tokenizer, data.longest_texts(), data.words, most):
        warn(
            f"{len(cut)} captions are longer than {most} tokens, their ends are cut off:"
            f" {cut[0][:80]!r} ...; set filter_tags.max_tokens to {most}, or raise train.max_tokens"
        )


def train(config: Config, folder: Path, logs: Path) -> tuple[list[Row], dict[str, Any]]:
    """Trains, writes the epoch files into `folder`, and returns the loss curve and facts for the metrics."""
    base = load_base(config.base)
    pictures = read_pictures(ENCODED, CAPTIONS)
    data = EncodedData(ENCODED, pictures, base.tokenizer, config.train, config.seed)
    if isinstance(config.network, EmbeddingConfig):
        name_subjects(data, config.network)
    per_epoch = updates_per_epoch(data.shown, config.train.batch, config.train.gradient_accumulation)
    total_steps = config.train.epochs * per_epoch
    network = create(config.network, base, config.seed)
    module = Denoising(base, network, config, total_steps)
    logger = TensorBoardLogger(logs, name="", version="")
    trainer = lightning.Trainer(
        **trainer_options(config),
        logger=logger,
        callbacks=[EpochFiles(folder, data, config, recipe(config))],
        default_root_dir=logs,
    )
    with network.attached(base):
        data.words = words_of(base.text_encoder)
        check_captions(data)
        try:
            trainer.fit(module, datamodule=data)
        except SystemExit:  # Lightning's answer to Ctrl-C
            raise KeyboardInterrupt from None
    facts = {
        "pictures": len(pictures),
        "steps": total_steps,
        "modules": network.num_modules(),
        "parameters": sum(parameter.numel() for parameter in network.parameters()),
    }
    return module.curve(), facts


def mean_loss(curve: list[Row], epoch: int) -> float:
    losses = [row.loss for row in curve if row.epoch == epoch]
    return round(sum(losses) / len(losses), 6)


def write_results(job: Run, curve: list[Row], facts: dict[str, Any]) -> None:
    """Metrics and the loss curve."""
    last = curve[-1].epoch
    losses = {"loss_first_epoch": mean_loss(curve, 0), "loss_last_epoch": mean_loss(curve, last)}
    write_json(job.out / "metrics/train.json", {**facts, **losses})
    rows = [(row.step, row.epoch, f"{row.loss:.6g}", row.lr, row.text_encoder_lr) for row in curve]
    write_csv(job.out / "plots/train/loss.csv", [field.name for field in fields(Row)], rows)


def main(arguments: Sequence[str] = ()) -> None:
    job = start("train", arguments)
    make_repeatable()
    quiet_lightning()
    with new_folder(job.out / "models/network") as folder:
        curve, facts = train(job.config, folder, job.out / "logs" / job.config.train.name)
        if not all(row.loss == row.loss for row in curve):
            raise UserError("the loss became NaN; lower optimizer.lr, or use train.precision fp32 or bf16")
    write_results(job, curve, facts)


if __name__ == "__main__":
    run(main)
