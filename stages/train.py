"""data/encoded/ + data/captions/ -> models/network/: trains the network, and saves it after each epoch.

    latents + noise --> U-Net (frozen) + network --> answer - noise, squared, weighed --> AdamW on the network

In: data/encoded/, data/captions/, the base; data/cropped/ for `aesthetic`, which embeds pictures. Out:
models/network/<name>-<epoch>.safetensors and <name>.safetensors, metrics/train.json, plots/train/,
reports/training/{plan,doctor,held_out}.json; logs/ is not an output. Reads `seed`, `base`, `network`,
`optimizer`, `schedule`, `noise`, `train`, `validation`, `doctor`, `resume`, `logging`. Deterministic: order,
captions, noise and timesteps depend only on the seed and the step's number; a killed run resumes from its
last checkpoint and ends with the same bytes. By hand: `--plan` shows what a run would do and cost, and writes
nothing.
"""

import argparse
from collections.abc import Iterator, Mapping, Sequence
from contextlib import contextmanager
from dataclasses import asdict, astuple, dataclass, fields, replace
from importlib import import_module
from pathlib import Path
from typing import Any

from lightning.pytorch.callbacks import Callback

from pipeline.bases.clip_text import words_of
from pipeline.bases.load import load_base
from pipeline.bases.prediction import V
from pipeline.command import StageRun, run, start
from pipeline.device import leads, make_repeatable
from pipeline.errors import UserError, warn
from pipeline.files.atomic import new_folder, write_csv, write_json
from pipeline.files.damage import is_full_device
from pipeline.files.hashing import sha256_of_file, sha256_of_tree
from pipeline.files.safetensors_file import write_safetensors
from pipeline.networks.aesthetic import AestheticEmbedding
from pipeline.networks.families import create
from pipeline.pictures.records import PICTURE_FOLDER, read_records
from pipeline.printable import printable_lines
from pipeline.schemas import AestheticConfig, Config, EmbeddingConfig
from pipeline.store.known_hashes import sha256_of_model
from pipeline.training.callbacks.checkpoints import BlownUp
from pipeline.training.callbacks.live import LiveFile, LiveFileCallback
from pipeline.training.callbacks.logs import LiveMetricsCallback, keeps_logs, make_logs
from pipeline.training.callbacks.samples import SampleCallback
from pipeline.training.callbacks.validation import ValidationCallback
from pipeline.training.caption_checks import check_captions, name_subjects
from pipeline.training.data import EncodedData, Picture, read_pictures
from pipeline.training.doctor import BLOWN_UP, Finding, diagnosis, has_blown_up
from pipeline.training.history import History, LossRow, Measured, Norms, best_epoch
from pipeline.training.holdout import split
from pipeline.training.metadata import TRAINING_KEY
from pipeline.training.module import Denoising, quiet_lightning
from pipeline.training.planning.advice import advice, doubts
from pipeline.training.planning.forecast import TrainPlan, make_plan
from pipeline.training.planning.levers import out_of_memory
from pipeline.training.precision import trained_dtype
from pipeline.training.run_folder import RunFolder, run_folder
from pipeline.training.session import Session, recipe
from pipeline.training.text_outputs import TextOutputsCallback, are_fixed
from pipeline.vision.clip_pictures import opened
from stages import CROPPED, HELD_OUT_FILE

ENCODED, CAPTIONS = Path("data/encoded"), Path("data/captions/captions.jsonl")


@dataclass(frozen=True)
class Prepared:
    """Everything a run needs, loaded."""

    module: Denoising
    data: EncodedData
    held_out: list[Picture]
    plan: TrainPlan


def prepared(config: Config, pictures: Sequence[Picture]) -> Prepared:
    """Loads the base; makes the data, the network and the plan."""
    base = load_base(config.base, trained_dtype(config))
    if config.noise.zero_terminal_snr:  # a base that is trained so predicts from pure noise, and says so
        base = base.predicting(V, zero_terminal_snr=True)
    pictures, held_out = split(pictures, config.validation.share)
    data = EncodedData(ENCODED, pictures, base.tokenizer, config.train, config.seed)
    data.t5_tokenizer = base.t5_tokenizer
    if isinstance(config.network, EmbeddingConfig):
        name_subjects(data, config.network)
    plan = make_plan(
        [(picture.concept, picture.shown) for picture in pictures],
        held_out=len(held_out),
        epochs=config.train.epochs,
        batch=data.batch,
        accumulation=config.train.gradient_accumulation,
        form=config.train.prior_form,
    )
    for sentence in doubts(plan, config):
        warn(sentence)
    network = create(config.network, base, config.seed)
    return Prepared(Denoising(base, network, config, plan.updates), data, held_out, plan)


def insist_on_room(config: Config, pictures: Sequence[Picture]) -> None:
    """Says before the base is loaded that the device is too small for it."""
    room = import_module("pipeline.training.planning.room")  # dynamic: it affects no result
    room.insist_on_room(config, pictures)


def recipe_of(config: Config) -> str:
    """Everything that determines the result."""
    hashes = {"encoded": sha256_of_model(ENCODED), "captions": sha256_of_file(CAPTIONS)}
    return recipe(config, {**hashes, "base": config.base.sha256})


def train(config: Config, ready: Prepared, place: RunFolder, logs: Path, made_from: str) -> History:
    """Trains; writes the epoch files into `place`."""
    module, data = ready.module, ready.data
    session = Session(
        config=config,
        module=module,
        data=data,
        place=place,
        recipe=made_from,
        plan=ready.plan,
        has_blown_up=has_blown_up,
        make_loggers=lambda done: make_logs(config, logs, done),
        make_callbacks=lambda history: [
            ValidationCallback(history, data, ready.held_out, config.validation),
            *(watched(config, ready.plan, history, logs) if keeps_logs(config) else []),
            SampleCallback(config, logs),
            *([TextOutputsCallback(data)] if are_fixed(config) else []),
        ],
        partial=logs,
    )
    with attached(ready):
        return session.run()


def watched(config: Config, plan: TrainPlan, history: History, logs: Path) -> list[Callback]:
    """Writes the run's numbers while it trains."""
    name, every = config.train.name, config.logging.every_steps
    live = LiveFileCallback(history, LiveFile(logs), name, plan.batches, every)
    return [LiveMetricsCallback(history, logs), live]


@contextmanager
def attached(ready: Prepared, knows_captions: bool = True) -> Iterator[None]:
    """Inside, the network is attached to the base, and the data know its words."""
    base = ready.module.base
    with ready.module.network.attached(base):
        ready.data.words = words_of(base.text_encoders)
        if knows_captions:
            check_captions(ready.data)
        yield


def mean_loss(rows: list[LossRow], epoch: int) -> float:
    losses = [row.loss for row in rows if row.epoch == epoch]
    return round(sum(losses) / len(losses), 6)


def metrics(ready: Prepared, history: History, findings: Sequence[Finding]) -> dict[str, Any]:
    """metrics/train.json."""
    network, rows = ready.module.network, history.rows
    facts: dict[str, Any] = {
        "pictures": ready.plan.pictures + ready.plan.class_pictures,
        "steps": ready.plan.updates,
        "modules": network.num_modules(),
        "parameters": sum(parameter.numel() for parameter in network.parameters()),
        "loss_first_epoch": mean_loss(rows, 0),
        "loss_last_epoch": mean_loss(rows, rows[-1].epoch),
        "doctor": {finding.kind: finding.sentence for finding in findings},
        "rollbacks": len(history.rollbacks),
    }
    return facts | best_epoch(history.measured)


def write_results(job: StageRun, ready: Prepared, history: History) -> None:
    """Writes metrics, curves and the report; warns of the doctor's findings, and ends the logs with them."""
    findings = diagnosis(history, job.config.network.name, ready.plan, ready.data.latents_std())
    for finding in findings:
        warn(f"{finding.sentence}; {finding.advice}")
    write_json(job.out / "metrics/train.json", metrics(ready, history, findings))
    plan = {**ready.plan.as_dict(), "advice": advice(ready.plan, job.config)}
    write_report(job, plan, findings, [picture.id for picture in ready.held_out])
    write_curves(job, history)
    if keeps_logs(job.config):
        LiveFile(logs_of(job)).end("done", findings)


def logs_of(job: StageRun) -> Path:
    return job.out / "logs" / job.config.train.name


def write_report(
    job: StageRun, plan: Mapping[str, Any], findings: Sequence[Finding], held_out: Sequence[str]
) -> None:
    """reports/training/."""
    with new_folder(job.out / "reports/training") as folder:
        write_json(folder / "plan.json", plan)
        write_json(folder / "doctor.json", [asdict(finding) for finding in findings])
        write_json(folder / HELD_OUT_FILE.name, sorted(held_out))


def loss_table(rows: Sequence[LossRow]) -> tuple[list[str], list[tuple[Any, ...]]]:
    """Columns and lines of loss.csv. A second text encoder has a column only where one learns."""
    has_second = any(row.text_encoder_2_lr is not None for row in rows)
    columns = [each.name for each in fields(LossRow)]
    lines = [(row.step, row.epoch, f"{row.loss:.6g}", *astuple(row)[3:]) for row in rows]
    return (columns, lines) if has_second else (columns[:-1], [line[:-1] for line in lines])


def write_curves(job: StageRun, history: History) -> None:
    """plots/train/."""
    plots = job.out / "plots/train"
    write_csv(plots / "loss.csv", *loss_table(history.rows))
    tables: dict[str, tuple[type, Sequence[Any]]] = {
        "norms": (Norms, history.norms),
        "validation": (Measured, history.measured),
    }
    for name, (kind, values) in tables.items():
        cells = [[f"{v:.6g}" if isinstance(v, float) else v for v in astuple(each)] for each in values]
        write_csv(plots / f"{name}.csv", [field.name for field in fields(kind)], cells)


def write_mean(job: StageRun) -> None:
    """Makes an aesthetic embedding, which needs no training steps: one epoch, no curve."""
    config = job.config
    assert isinstance(config.network, AestheticConfig)
    files = [CROPPED / PICTURE_FOLDER / each.file for each in read_records(CROPPED) if not each.is_class]
    network = AestheticEmbedding.of_pictures(config.network, opened(files), load_base(config.base))
    made_from = recipe(config, {"cropped": sha256_of_tree(CROPPED), "base": config.base.sha256})
    metadata = network.metadata() | {TRAINING_KEY: made_from}
    with new_folder(job.out / "models/network") as folder:
        for name in (f"{config.train.name}-000001", config.train.name):
            write_safetensors(folder / f"{name}.safetensors", network.file_tensors("fp32"), metadata)
            network.write_other_layouts(folder / name, 0)
    numbers = {"parameters": network.embedding.numel(), "loss_first_epoch": None, "loss_last_epoch": None}
    write_json(
        job.out / "metrics/train.json",
        {"pictures": len(files), "steps": 0, "modules": 0, "doctor": {}, "rollbacks": 0, **numbers},
    )
    write_report(job, looked_at(config), [], [])
    write_curves(job, History())


def looked_at(config: Config) -> dict[str, Any]:
    """The plan of an aesthetic embedding: each picture is embedded once, without updates."""
    shown = [(each.concept, replace(each.shown, repeats=1)) for each in read_pictures(ENCODED, CAPTIONS)]
    own = [(concept, each) for concept, each in shown if not each.is_class]
    plan = make_plan(own, held_out=0, epochs=1, batch=1, accumulation=1, form=config.train.prior_form)
    return {**plan.as_dict(), "updates": 0, "updates_per_epoch": 0, "advice": []}


def parser() -> argparse.ArgumentParser:
    made = argparse.ArgumentParser(prog="python -m stages.train")
    made.add_argument("--plan", action="store_true", help="show what a run would do and cost; write nothing")
    return made


def show_plan(job: StageRun) -> None:
    """Prints what a run would do with the current pictures and settings, whatever has run before."""
    foresight = import_module("pipeline.training.planning.foresight")  # dynamic: it affects no result
    foreseen = foresight.foreseen(job.options.overrides, CAPTIONS)
    insist_on_room(job.config, foreseen.pictures)
    ready = prepared(job.config, foreseen.pictures)
    with attached(ready, foreseen.knows_captions):
        sentences = advice(ready.plan, job.config)
        plan = foresight.plan_of(ready.plan, ready.module, ready.data, sentences, foreseen.knows_captions)
        print(printable_lines(plan))


def main(arguments: Sequence[str] = ()) -> None:
    job = start("train", arguments, parser(), by_hand=("plan",))
    make_repeatable()
    quiet_lightning()
    if isinstance(job.config.network, AestheticConfig):
        if job.options.plan:
            print("Nothing is trained: CLIP embeds each picture once, and the mean is saved.")
        else:
            write_mean(job)
        return
    if job.options.plan:
        show_plan(job)
        return
    pictures = read_pictures(ENCODED, CAPTIONS)
    insist_on_room(job.config, pictures)
    ready = prepared(job.config, pictures)
    made_from = recipe_of(job.config)
    with run_folder(made_from, job.code(), job.config.train.devices * job.config.train.num_nodes) as place:
        try:
            history = train(job.config, ready, place, logs_of(job), made_from)
        except BlownUp:
            raise UserError(f"{BLOWN_UP.sentence}; {BLOWN_UP.advice}") from None
        except RuntimeError as error:
            if not is_full_device(error):
                raise
            raise UserError(out_of_memory(job.config, place.has_state)) from None
        if not leads():
            return
        with new_folder(job.out / "models/network") as folder:
            place.deliver(folder)
        write_results(job, ready, history)


if __name__ == "__main__":
    run(main)
