"""The texts of a grid's PNGs: A1111's infotext, with the network as a prompt tag, and a recipe with the
hashes of all files. Torch is loaded only for files that need it.
"""

import json
from collections.abc import Callable, Mapping
from dataclasses import replace
from functools import cache
from pathlib import Path
from typing import Any

from pipeline.bases.prediction import trained_to_zero_snr
from pipeline.bases.registry import blocks_of
from pipeline.bases.tokens import words_in
from pipeline.drawing.named_files import NamedFiles
from pipeline.files.safetensors_header import stated_hash
from pipeline.grid.axes import Cell
from pipeline.networks.kinds import kind_of_file
from pipeline.prompts.infotext import (
    INFOTEXT_KEYWORD,
    InfotextModel,
    base_facts,
    infotext,
    model_of,
    png_texts,
)
from pipeline.prompts.network_tags import split_tags
from pipeline.prompts.settings import PictureJob
from pipeline.schemas import BaseConfig

_SAFETENSORS = ".safetensors"
"""Files with other suffixes are read with torch."""
SHORT = 12
"""Characters of a network's or embedding's hash that A1111 shows."""
CALLS = {"aesthetic": "", "checkpoint": "", "embedding": "", "hypernetwork": "hypernet"}
"""The word of A1111's tag by family; `lora` for all others. Families with an empty word have no tag."""
Hash = Callable[[Path], str]
"""A file's SHA-256."""


def texts_of(
    cell: Cell,
    job: PictureJob,
    base: BaseConfig,
    sha256_of: Hash,
    files: NamedFiles,
    recipe: str | None = None,
) -> dict[str, str]:
    """Texts by PNG keyword. `base`: the cell's own; `files`: what prompts may call; `recipe`: the recipe of
    the cell's merge, as JSON.
    """
    network, blocks, merge = cell.network, cell.blocks, json.loads(recipe) if recipe else None
    model = replace(
        _model(cell, base, merge, sha256_of),
        network_hashes=_lora_hashes(cell, job, files, sha256_of),
        embedding_hashes=_embedding_hashes(cell, job, files, sha256_of),
    )
    facts: dict[str, Any] = {
        "base": base_facts(base),
        "network": network and {"name": network.name, "sha256": sha256_of(network), "weight": cell.weight},
        "block_weights": blocks and blocks.on(blocks_of(base.family)),
    }
    named = {name: sha256_of(path) for name, path in files_named(cell, job, files).items()}
    facts |= {"merge": merge} if merge else {}
    facts |= {"files": named} if named else {}
    texts = png_texts(job, cell.settings, model, **facts)
    tag = call(cell, sha256_of)
    called = PictureJob(f"{job.prompt} {tag}" if tag else job.prompt, job.seed)
    return {**texts, INFOTEXT_KEYWORD: infotext(called, cell.settings, model)}


def files_named(cell: Cell, job: PictureJob, files: NamedFiles) -> dict[str, Path]:
    """Files that the job's prompts and the cell's settings name, by the names used there."""
    named = {**files.used(job.prompt), **files.used(cell.settings.negative_prompt)}
    second = cell.settings.second_pass
    if second and Path(second.upscaler).is_file():
        named[second.upscaler] = Path(second.upscaler)
    return dict(sorted(named.items()))


def call(cell: Cell, sha256_of: Hash) -> str:
    """`<lora:name:0.8>`, as in A1111's prompts, with block weights as sd-webui-lora-block-weight reads them.
    Empty if A1111 has no tag for the network.
    """
    if not cell.network or not (kind := CALLS.get(_kind(cell.network, sha256_of(cell.network)), "lora")):
        return ""
    blocks = f":lbw={cell.blocks.name}" if cell.blocks else ""
    return f"<{kind}:{cell.network.stem}:{cell.weight:g}{blocks}>"


def _model(cell: Cell, base: BaseConfig, merge: Mapping[str, Any] | None, sha256_of: Hash) -> InfotextModel:
    """The checkpoint under A1111's name for it; a model that is not in a file has no hash."""
    model = model_of(base)
    if model.predicts_v and trained_to_zero_snr(cell.network):
        model = replace(model, zero_terminal_snr=True)
    if merge:
        name = " + ".join(Path(entry["path"]).stem for entry in merge["inputs"].values())
        return replace(model, name=name, sha256=None, vae=None, vae_sha256=None)
    if cell.network is None or _kind(cell.network, sha256_of(cell.network)) != "checkpoint":
        return model
    if cell.weight == 1 and cell.blocks is None:
        return replace(model, name=cell.network.stem, sha256=sha256_of(cell.network))
    return replace(model, name=f"{model.name} + {cell.network.stem}", sha256=None)


def _lora_hashes(cell: Cell, job: PictureJob, files: NamedFiles, sha256_of: Hash) -> dict[str, str]:
    """Hashes by the names in the prompt; A1111 writes none for hypernetworks."""
    tags = split_tags(job.prompt)[1]
    loras = {tag.name: files.find(tag.name) for tag in tags if tag.kind == "lora"}
    if cell.network and call(cell, sha256_of).startswith("<lora:"):
        loras[cell.network.stem] = cell.network
    return {name: lora_hash(path, sha256_of(path)) for name, path in loras.items()}


def _embedding_hashes(cell: Cell, job: PictureJob, files: NamedFiles, sha256_of: Hash) -> dict[str, str]:
    """Hashes by the words that occur in the prompts."""
    text = f"{split_tags(job.prompt)[0]} {cell.settings.negative_prompt}"
    called = files.embeddings(text)
    if cell.network and _kind(cell.network, sha256_of(cell.network)) == "embedding":
        own = _files_of_words(cell.network)
        called |= {word: own[word] for word in words_in(text, own)}
    return {word: sha256_of(path)[:SHORT] for word, path in called.items()}


def _files_of_words(path: Path) -> dict[str, Path]:
    """An embedding's words in lower case, each with the file that A1111 opens for it: if there are several
    words, the companion file with that word alone, which training wrote.
    """
    from pipeline.files.embedding_file import read_embeddings

    words = list(read_embeddings(path))
    if len(words) == 1:
        return {words[0].lower(): path}
    companions = {word.lower(): path.with_name(f"{path.stem}_{word}{path.suffix}") for word in words}
    return {word: file for word, file in companions.items() if file.is_file()}


@cache
def lora_hash(path: Path, sha256: str) -> str:
    """Hash of the tensors' bytes, from the header or computed (AUTOMATIC1111/stable-diffusion-webui:
    extensions-builtin/Lora/network.py). `sha256`: the file's.
    """
    return stated_hash(path)[:SHORT] if path.suffix == _SAFETENSORS else sha256[:SHORT]


@cache
def _kind(path: Path, sha256: str) -> str:  # noqa: ARG001  # another file may have that path later
    if path.suffix == _SAFETENSORS:
        return kind_of_file(path) or "adapter"
    from pipeline.networks.families import family_of_file

    return family_of_file(path)
