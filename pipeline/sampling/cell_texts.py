"""What a grid's PNGs say of themselves: A1111's infotext, with the network as a prompt calls it there, and a
recipe with the hashes of all files.
"""

import hashlib
import json
from collections.abc import Mapping
from dataclasses import dataclass, replace
from functools import cache
from pathlib import Path
from typing import Any

from pipeline.config.schemas import Base
from pipeline.files.safetensors_header import read_header
from pipeline.networks.targets import TEXT_PREFIX, UNET_PREFIX
from pipeline.sampling.axes import Cell
from pipeline.sampling.block_weights import PLACES
from pipeline.sampling.infotext import PARAMETERS, Model, base_facts, infotext, model_of, png_texts
from pipeline.sampling.settings import Job

SHORT = 12
"""Characters of a network's hash that A1111 shows."""


def texts_of(
    cell: Cell, job: Job, base: Base, network_sha256: str | None, recipe: str | None = None
) -> dict[str, str]:
    """Texts by PNG keyword. `base`: the cell's own; `recipe`: that of its merge, as JSON."""
    network, blocks = cell.network, cell.blocks
    hashes = {network.stem: called_by(network).short_hash} if network and called_by(network).is_lora else {}
    called = Job(f"{job.prompt} {call(cell)}" if hashes else job.prompt, job.seed)
    merge = json.loads(recipe) if recipe else None
    model = replace(_merged_model(merge) if merge else model_of(base), network_hashes=hashes)
    files = {
        "base": base_facts(base),
        "network": network and {"name": network.name, "sha256": network_sha256, "weight": cell.weight},
        "block_weights": blocks and dict(zip(PLACES, blocks.factors, strict=True)),
    }
    files |= {"merge": merge} if merge else {}
    texts = png_texts(job, cell.settings, model, **files)
    return {**texts, PARAMETERS: infotext(called, cell.settings, model)}


def _merged_model(merge: Mapping[str, Any]) -> Model:
    """A merge that lies in no file has no hash."""
    return Model(" + ".join(Path(entry["path"]).stem for entry in merge["inputs"].values()))


def call(cell: Cell) -> str:
    """`<lora:name:0.8>`, as a prompt of A1111 has it; block weights as sd-webui-lora-block-weight reads
    them.
    """
    assert cell.network
    blocks = f":lbw={cell.blocks.name}" if cell.blocks else ""
    return f"<lora:{cell.network.stem}:{cell.weight:g}{blocks}>"


@dataclass(frozen=True)
class Called:
    """How A1111 tells a network: by a word `<lora:...>` or otherwise, and by which hash."""

    is_lora: bool
    short_hash: str


@cache
def called_by(path: Path) -> Called:
    """The hash is of the tensors' bytes, as the header has it, or computed (AUTOMATIC1111/
    stable-diffusion-webui: extensions-builtin/Lora/network.py).
    """
    header = read_header(path)
    digest = header.metadata.get("sshs_model_hash") or _hash_of_tensors(path)
    return Called(any(key.startswith((UNET_PREFIX, TEXT_PREFIX)) for key in header.tensors), digest[:SHORT])


def _hash_of_tensors(path: Path) -> str:
    with path.open("rb") as file:
        file.seek(8 + int.from_bytes(file.read(8), "little"))
        return hashlib.file_digest(file, "sha256").hexdigest()
