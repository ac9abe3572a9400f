"""Converts a network's file to another layout. Embeddings and hypernetworks: .pt to .safetensors and back,
without loss (A1111 and ComfyUI read hypernetworks only from .pt, and a .safetensors cannot run code).
Adapters: between sd-scripts' layout and diffusers', and any of them to a plain LoRA.
"""

from collections.abc import Mapping, Sequence
from pathlib import Path

from torch import Tensor

from pipeline.bases.base import Base
from pipeline.config.rules.hypernetworks import misread_by_comfyui
from pipeline.errors import UserError, nearest, warn
from pipeline.files import embedding_file, hypernetwork_file
from pipeline.files.finite import is_finite
from pipeline.files.kinds import ENCODERS
from pipeline.files.names import insist_on_plain_name
from pipeline.files.outputs import claim
from pipeline.files.safetensors_file import PRECISIONS, write_safetensors
from pipeline.files.safetensors_header import read_header
from pipeline.networks.adapter_config import PEFT_KEY
from pipeline.networks.bundled import bundled
from pipeline.networks.changes import insist_on_whole_changes
from pipeline.networks.diffusers_layout import to_diffusers
from pipeline.networks.families import family_of_file
from pipeline.networks.file_family import architecture_of
from pipeline.networks.layouts import insist_on_known
from pipeline.networks.mlp import ACTIVATIONS
from pipeline.networks.mmdit_layouts import to_original
from pipeline.networks.module_names import is_mmdit
from pipeline.networks.network import AdapterNetwork
from pipeline.networks.network_files import grouped, read_tensors, read_weights
from pipeline.networks.reduction import Reduced, reduced
from pipeline.networks.scales import FOLDED_KEY
from pipeline.networks.stamp import stamped

CONVERTED_SUFFIXES = (".pt", ".safetensors")
NETWORK_LAYOUTS = ("sd-scripts", "diffusers", "lora")


def convert(source: Path, target: Path, layout: str | None = None) -> list[Path]:
    """Writes the content of `source` to `target` and returns the files. An embedding of several words goes to
    the folder `target`, one .safetensors per word, and so do embeddings in an adapter's file. `layout`, for
    adapters: sd-scripts or diffusers.
    """
    family = family_of_file(source)
    if family == "aesthetic":
        raise UserError(f"{source} is an aesthetic embedding, which has no other layout")
    if family in ("hypernetwork", "embedding") and layout is not None:
        raise UserError(f"{source} is not an adapter ({family}); --to {layout} is for adapters: remove it")
    if family == "hypernetwork":
        return _hypernetwork(source, target)
    if family == "embedding":
        return _embedding(source, target)
    if family == "checkpoint":
        raise UserError(
            f"{source} is a whole checkpoint; to convert it, run with base.path set to it, and merge.layout"
        )
    words, widths = bundled(read_tensors(source)[0], source) if not target.suffix else ({}, [])
    if words:
        _write_each(target, words, source, widths)
        return [target / f"{word}.safetensors" for word in words]
    if layout is None:
        raise UserError(f"{source} is {family}; choose its new layout: --to {', '.join(NETWORK_LAYOUTS)}")
    _check(target, source, (".safetensors",))
    weights = read_weights(source)
    metadata = stamped(_described(source), grouped(weights), target.stem, layout)
    insist_on_known(weights, source)
    insist_on_whole_changes(grouped(weights), source)
    if layout == "sd-scripts" and is_mmdit(weights):
        weights = to_original(grouped(weights), source)
    if layout == "diffusers":
        weights = to_diffusers(grouped(weights), metadata, source)
        metadata[FOLDED_KEY] = "1"
    if sick := [key for key, tensor in weights.items() if not is_finite(tensor)]:
        raise UserError(
            f"{source}: {sick[0]}, multiplied by alpha / dim: the numbers do not fit into"
            f" {weights[sick[0]].dtype}; use --to lora --precision fp32 first"
        )
    write_safetensors(target, weights, metadata)
    return [target]


def _described(source: Path) -> dict[str, str]:
    """The header, without entries that hold only for the old layout."""
    left = (PEFT_KEY, FOLDED_KEY)
    return {key: value for key, value in read_tensors(source)[1].items() if key not in left}


def convert_to_lora(source: Path, target: Path, base: Base, dim: int, precision: str) -> Reduced:
    """Writes any adapter of `base` as a LoRA of rank `dim`."""
    if family_of_file(source) in ("embedding", "hypernetwork", "aesthetic"):
        raise UserError(f"{source} does not change the base's weights, so it cannot become a LoRA")
    _check(target, source, (".safetensors",))
    made = reduced(AdapterNetwork.load(source, base), dim, source)
    described = stamped(_described(source), grouped(made.tensors), target.stem, "sd-scripts")
    named = {"ss_network_module": "networks.lora", "ss_network_dim": str(dim), "ss_network_alpha": str(dim)}
    kept = {key: value for key, value in described.items() if key != "ss_network_args"}
    tensors = {key: tensor.to(PRECISIONS[precision]) for key, tensor in made.tensors.items()}
    if sick := [key for key, tensor in tensors.items() if not is_finite(tensor)]:
        raise UserError(f"{sick[0]}: the numbers do not fit into {precision}; use --precision fp32")
    write_safetensors(target, tensors, kept | named)
    return made


def _hypernetwork(source: Path, target: Path) -> list[Path]:
    _check(target, source)
    file = hypernetwork_file.read_hypernetwork(source)
    if (name := file.structure.activation) not in ACTIVATIONS:
        raise UserError(f"{source}: unknown activation {name[:60]!r}; {nearest(name, ACTIVATIONS)}")
    made = file.structure
    if misread := misread_by_comfyui(name, made.activate_output, made.use_layer_norm):
        warn(f"{source}: {misread}")
    if target.suffix == ".pt":
        hypernetwork_file.write_a1111(target, file)
    else:
        metadata = hypernetwork_file.hypernetwork_metadata(made, architecture_of(file.layers))
        write_safetensors(target, hypernetwork_file.hypernetwork_tensors(file.layers), metadata)
    return [target]


def _embedding(source: Path, target: Path) -> list[Path]:
    vectors = embedding_file.read_embeddings(source)
    if not target.suffix:
        _write_each(target, vectors, source)
        return [target / f"{word}.safetensors" for word in vectors]
    _check(target, source)
    if len(vectors) > 1:
        raise UserError(
            f"{source} has {len(vectors)} words ({', '.join(vectors)}), and other tools read one per file;"
            " give a folder instead of a file"
        )
    word, tensor = next(iter(vectors.items()))
    if source.suffix == ".safetensors" and len(ENCODERS & read_header(source).tensors.keys()) > 1:
        raise UserError(
            f"{source} is an embedding for two text encoders; all tools read its only layout: copy the file"
        )
    if target.suffix == ".pt":
        embedding_file.write_a1111(target, word, tensor, {})
    else:
        tensors = embedding_file.embedding_tensors(vectors)
        metadata = embedding_file.embedding_metadata([word], architecture_of([tensor.shape[1]]))
        write_safetensors(target, tensors, metadata)
    return [target]


def _write_each(
    folder: Path, vectors: Mapping[str, Tensor], source: Path, widths: Sequence[int] = ()
) -> None:
    """Checks every name before it writes the first file."""
    if folder.is_file():
        raise UserError(f"{folder} is a file, but several files are written; name a folder")
    for word in vectors:
        insist_on_plain_name(word, f"{source}: its word")
    for word in vectors:
        claim(folder / f"{word}.safetensors", [source], "target")
    architecture = architecture_of({tensor.shape[1] for tensor in vectors.values()})
    embedding_file.write_each(folder, vectors, architecture, widths)


def _check(target: Path, source: Path, suffixes: tuple[str, ...] = CONVERTED_SUFFIXES) -> None:
    if target.suffix not in suffixes:
        raise UserError(f"{target}: no layout has the suffix {target.suffix!r}; use {' or '.join(suffixes)}")
    claim(target, [source], "target")
