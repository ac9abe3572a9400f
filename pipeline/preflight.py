"""Finds, before the first stage runs, what would stop later ones: in models, sources and pictures."""

import os
import subprocess
import sys
from collections.abc import Iterator
from importlib.util import find_spec
from pathlib import Path
from tempfile import TemporaryDirectory
from typing import Any

from pipeline.bases.unet_names import LDM_UNET_PREFIX
from pipeline.captions.layouts import TAGGER_LAYOUTS, network_file
from pipeline.config.lock import hub_models, where_from
from pipeline.errors import UserError
from pipeline.files.hub_names import is_cached, refusal
from pipeline.files.safetensors_header import read_header
from pipeline.pictures.centerface import CENTERFACE, package_file
from pipeline.pictures.text_library import text_library_problem

HUB_PROBES = ("model_index.json", "selected_tags.csv", "tag_mapping.json", "config.json")
"""Small files; every model on the hub has one of them."""
TENSORS = (".safetensors", ".ckpt", ".pt", ".pth", ".bin")
FILE_SETTINGS = {
    "base.vae": TENSORS,
    "network.initial": TENSORS,
    "crop.face_model": (".onnx", ".xml"),
}
"""Keys that name files, and the files' suffixes."""
IMPORT_ROOT = Path(__file__).parents[1]


def model_problems(values: dict[str, Any]) -> list[str]:
    """Problems of the base, the taggers and other model files, as far as a quick check shows, and of models
    from the hub.
    """
    taggers = values["tag"]["model"]
    names = taggers if isinstance(taggers, list) else [taggers]
    return [
        *_base_problems(values["base"]),
        *_file_problems(values),
        *_upscaler_problems(values),
        *_text_detector_problems(values),
        *_face_model_problems(values),
        *(problem for name in names if name for problem in _tagger_problems(Path(name))),
        *_hub_problems(values),
    ]


def _base_problems(base: dict[str, Any]) -> Iterator[str]:
    path = Path(base["path"])
    try:
        if path.is_file():
            _insist_on_ending("base.path", path, TENSORS)
    except UserError as error:
        yield from (f"{problem}; {where_from('base.path', base['family'])}" for problem in error.problems)


def _upscaler_problems(values: dict[str, Any]) -> Iterator[str]:
    """An upscaler network is drawn with at the very end; its library is optional."""
    name = values["sample_grid"]["second_pass_upscaler"]
    if name and Path(name).is_file() and find_spec("spandrel") is None:
        yield (
            f"sample_grid.second_pass_upscaler {name} needs spandrel, which is not installed; type"
            ' `pip install "athanor[upscale]"`, or set it to `latent`'
        )


def _text_detector_problems(values: dict[str, Any]) -> Iterator[str]:
    if values["collect"]["text_detector"] == "ocr" and (problem := text_library_problem()):
        yield problem


def _face_model_problems(values: dict[str, Any]) -> Iterator[str]:
    """A network that comes with an optional package."""
    if values["crop"]["face_model"] == CENTERFACE:
        try:
            package_file()
        except UserError as error:
            yield from error.problems


def _file_problems(values: dict[str, Any]) -> Iterator[str]:
    """Problems of existing files that other keys name: the suffix, and headers of the wrong kind."""
    for key, endings in FILE_SETTINGS.items():
        group, name = key.split(".")
        path = Path(values[group].get(name) or "")
        if not path.is_file():
            continue
        try:
            _insist_on_ending(key, path, endings)
            if path.suffix == ".safetensors":
                keys = read_header(path).tensors
                if key == "base.vae" and not any("decoder." in each for each in keys):
                    yield f"base.vae {path} is not a VAE (it has no decoder); correct base.vae"
                if key == "network.initial" and any(each.startswith(LDM_UNET_PREFIX) for each in keys):
                    yield f"network.initial {path} is a checkpoint; name a network file"
        except UserError as error:
            yield from (f"{key}: {problem}" for problem in error.problems)


def _insist_on_ending(key: str, path: Path, endings: tuple[str, ...]) -> None:
    if path.suffix.lower() not in endings:
        raise UserError(f"{key} {path} must end in one of {', '.join(endings)}; correct {key}")
    if not path.stat().st_size:
        raise UserError(f"{key} {path} is empty; fetch it again")


def _tagger_problems(path: Path) -> Iterator[str]:
    """Problems of a tagger's folder: a missing or empty .onnx file, or unreadable labels."""
    if not path.is_dir() or len(list(path.glob("*.pt"))) == 1:
        return
    try:
        if not (network := network_file(path)).stat().st_size:
            yield f"tag.model {path}: {network.name} is empty; {where_from('tag.model')}"
    except UserError as error:
        yield f"{error}; {where_from('tag.model')}"
    readers = {layout.label_file: layout.read_labels for layout in TAGGER_LAYOUTS}
    for name, read in readers.items():
        if (path / name).is_file():
            try:
                read(path / name)
            except UserError as error:
                yield f"tag.model {path}: {error}; {where_from('tag.model')}"


def _hub_problems(values: dict[str, Any]) -> Iterator[str]:
    for key, name in hub_models(values):
        if is_cached(name, HUB_PROBES) or not (reason := refusal(name, HUB_PROBES)):
            continue
        yield (
            f"{key} {name} is not in the hub's cache, and {reason}; go online once, or download the model"
            f" and set {key} to its path"
        )


def picture_problems() -> list[str]:
    """The problems that would stop `collect` with the current settings."""
    with TemporaryDirectory() as folder:
        ended = run_collect((), Path(folder) / "records.jsonl", capture=True)
    lines = (ended.stderr or "").splitlines()
    return [line.removeprefix("error: ") for line in lines if line.startswith("error: ")]


def run_collect(
    overrides: tuple[str, ...], file: Path, capture: bool = False
) -> subprocess.CompletedProcess[str]:
    """Runs the stage `collect`, which writes its records to the file and nothing else."""
    command = [sys.executable, "-m", "stages.collect", *overrides, "--records", str(file)]
    search = os.pathsep.join(filter(None, [str(IMPORT_ROOT), os.environ.get("PYTHONPATH")]))
    environment = {**os.environ, "PYTHONPATH": search}
    return subprocess.run(
        command, env=environment, stderr=subprocess.PIPE if capture else None, text=True, check=False
    )
