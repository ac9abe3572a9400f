"""Describes a network's file: family, size, and the norm of its change by block.

The norm is Frobenius', of the weight's change at network weight 1 (pipeline/networks/changes.py), over all
modules of a block: the root of the sum of their squares.
"""

from collections import Counter
from collections.abc import Collection, Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from torch import Tensor

from pipeline.bases.family import Family
from pipeline.bases.registry import ARCHITECTURE_KEY, VERSION_KEY, family, known_or_first, recognised
from pipeline.errors import UserError
from pipeline.files.aesthetic_file import read_aesthetic
from pipeline.files.damage import reporting_damage
from pipeline.files.embedding_file import PICTURE_SUFFIXES, read_embeddings
from pipeline.files.embedding_picture import read_picture
from pipeline.files.finite import insist_on_finite_change
from pipeline.files.hypernetwork_file import KEY_AND_VALUE, HypernetworkFile, read_hypernetwork
from pipeline.files.kinds import AESTHETIC_KEY, is_aesthetic, is_embedding, is_hypernetwork
from pipeline.files.pickled import read_pickled, unpickled
from pipeline.files.safetensors_header import read_header
from pipeline.networks.adapter import Adapter
from pipeline.networks.algorithms import reader_of
from pipeline.networks.algorithms.ia3 import Ia3
from pipeline.networks.algorithms.locon import Locon
from pipeline.networks.algorithms.loha import Loha
from pipeline.networks.algorithms.lokr import Lokr
from pipeline.networks.base_family import family_of_network
from pipeline.networks.changes import LayerWeights, change_of, dim_of
from pipeline.networks.foreign.difference import Difference
from pipeline.networks.foreign.glora import Glora
from pipeline.networks.foreign.oft import Oft
from pipeline.networks.layouts import is_adapter
from pipeline.networks.module_names import LORA_UNET_PREFIX, OWN
from pipeline.networks.network_files import PICKLES, grouped, read_outline, read_weights

TEXT_ENCODER, OTHER = "text encoder", "other"
SPELT: dict[type[Adapter], str] = {
    Locon: "LoRA", Loha: "LoHa", Lokr: "LoKr", Ia3: "IA3", Oft: "OFT", Glora: "GLoRA",
    Difference: "weight difference",
}  # fmt: skip
"""Display names of the algorithms."""


@dataclass(frozen=True)
class Inspection:
    """`facts` to read; `norms` by block; `metadata` as in the file."""

    facts: dict[str, str]
    norms: dict[str, float]
    metadata: dict[str, str]

    def lines(self) -> list[str]:
        """Lines for people to read."""
        tables = {"norm by block": {name: f"{norm:.4g}" for name, norm in self.norms.items()}}
        tables["metadata"] = {key: _short(value) for key, value in sorted(self.metadata.items())}
        text = [f"{name}: {fact}" for name, fact in self.facts.items()]
        for title, rows in tables.items():
            text += [f"{title}:", *(f"  {name}: {value}" for name, value in rows.items())] if rows else []
        return text


def _short(value: str) -> str:
    return value if len(value) <= 100 else f"{value[:100]} ... ({len(value)} characters)"


def inspect(path: Path, with_norms: bool = True) -> Inspection:
    """Describes an adapter, an embedding or a hypernetwork. Raises UserError for other files. Without norms,
    only the header and the alphas of an adapter's .safetensors are read.
    """
    with reporting_damage(f"{path} is not a readable network file"):
        return _inspected(path, with_norms)


def _inspected(path: Path, with_norms: bool) -> Inspection:
    read, metadata = _read(path)
    if is_aesthetic(read):
        embedding = read_aesthetic(path)
        width = f"{embedding.shape[-1]}, norm {float(embedding.norm()):.4g}"
        return Inspection({"family": "aesthetic embedding", "width": width}, {}, metadata)
    if is_hypernetwork(read, metadata):
        return Inspection(_hypernetwork_facts(read_hypernetwork(path)), {}, metadata)
    if modules := adapter_modules(read):
        try:
            facts = _adapter_facts(modules, metadata)
            norms = norms_by_block(adapter_modules(read_weights(path)), path) if with_norms else {}
            return Inspection(facts, norms, metadata)
        except (KeyError, IndexError, RuntimeError) as error:
            raise UserError(
                f"{path}: the tensors of a module do not fit together ({error}); the file is damaged"
            ) from error
    if path.suffix == ".safetensors" and not is_embedding(read, metadata):
        match = recognised({key: tuple(tensor.shape) for key, tensor in read.items()})
        family_title = match.title if match else None
        raise UserError(f"{path} is not a network ({family_title or 'its keys are unknown'})")
    facts = {
        word: f"{len(rows)} vectors of {rows.shape[1]}, mean norm {rows.norm(dim=1).mean():.4g}"
        for word, rows in read_embeddings(path).items()
    }
    return Inspection({"family": "embedding", **facts}, {}, metadata)


def _read(path: Path) -> tuple[Mapping[Any, Any], dict[str, str]]:
    """The file's content, by sd-scripts' keys if it is an adapter's, and its header. Tensors of a
    .safetensors file have no numbers, except single ones.
    """
    if path.suffix in PICTURE_SUFFIXES:
        return read_picture(path), {}
    if path.suffix not in PICKLES:
        header = read_header(path)
        return read_outline(path, header), dict(header.metadata)
    bare = unpickled(path)
    if isinstance(bare, Tensor):
        return {AESTHETIC_KEY: bare}, {}
    read = read_pickled(path)
    is_weights = is_adapter([str(key) for key in read.get("state_dict", read)])
    return (read_weights(path) if is_weights else read), {}


def _hypernetwork_facts(file: HypernetworkFile) -> dict[str, str]:
    made = file.structure
    facts = {
        "family": "hypernetwork",
        "layer structure": ", ".join(f"{width:g}" for width in made.layer_structure),
        "activation": made.activation + (", also on the output" if made.activate_output else ""),
        "layer norm": "yes" if made.use_layer_norm else "no",
        "dropout": ", ".join(f"{rate:g}" for rate in made.dropout_structure),
    }
    for width, pair in sorted(file.layers.items()):
        norms = (sum(float(w.float().square().sum()) for w in weights.values()) ** 0.5 for weights in pair)
        facts[f"width {width}"] = ", ".join(
            f"{part} norm {norm:.4g}" for part, norm in zip(KEY_AND_VALUE, norms, strict=True)
        )
    return facts


def adapter_modules(read: Mapping[Any, Any]) -> dict[str, dict[str, Tensor]]:
    """{module: {leaf: tensor}} of an adapter's file; empty for other files."""
    return grouped({key: tensor for key, tensor in read.items() if str(key).startswith(OWN)})


def _adapter_facts(modules: Mapping[str, LayerWeights], metadata: Mapping[str, str]) -> dict[str, str]:
    kinds = Counter(family_of(weights) for weights in modules.values())
    made = family_of_network(modules, metadata)
    sizes = {"dim": Counter(map(dim_of, modules.values())), "alpha": Counter(map(_alpha, modules.values()))}
    return {
        "family": _counted(kinds) if len(kinds) > 1 else next(iter(kinds)),
        "base": _base(made, metadata),
        "modules": _modules(made, modules),
        **{name: _counted(counts) for name, counts in sizes.items()},
    }


def _base(made: Family | None, metadata: Mapping[str, str]) -> str:
    """The family's title and the header's entry; a title alone comes from names and widths."""
    stated = metadata.get(VERSION_KEY) or metadata.get(ARCHITECTURE_KEY)
    if made is None:
        return stated or "not stated"
    return f"{made.facts.title} ({stated})" if stated else f"{made.facts.title}, by its modules"


def _modules(made: Family | None, modules: Collection[str]) -> str:
    """The number of modules in each part of the base."""
    if made is None:
        count = sum(name.startswith(LORA_UNET_PREFIX) for name in modules)
        return f"{count} of the U-Net, {len(modules) - count} of the text encoder"
    counts = {
        part.title: sum(name.startswith(str(part.layer_prefix)) for name in modules)
        for part in made.trained_parts
    }
    return ", ".join(f"{count} of the {title}" for title, count in counts.items())


def _counted(counts: Counter[str]) -> str:
    """`32`, or `32 (192 modules), 8 (72 modules)`."""
    if len(counts) == 1:
        return next(iter(counts))
    return ", ".join(f"{name} ({count} modules)" for name, count in counts.most_common())


def family_of(weights: LayerWeights) -> str:
    """The algorithm of one module, by its tensors."""
    reader = reader_of(weights)
    family = SPELT.get(reader, reader.__name__) if reader else "unknown"
    if family == "LoRA" and ("lora_mid.weight" in weights or weights["lora_down.weight"].shape[2:] > (1, 1)):
        family = "LoCon"
    return family + (" with DoRA" if "dora_scale" in weights else "")


def _alpha(weights: LayerWeights) -> str:
    return f"{float(weights['alpha']):g}" if "alpha" in weights else "not stated"


def norms_by_block(modules: Mapping[str, LayerWeights], path: Path | str = "the network") -> dict[str, float]:
    """Norm of the change by block, in the blocks' order, the text encoder first. Modules whose change depends
    on the base's weights (IA3, DoRA) are left out.
    """
    squares: dict[str, float] = {}
    made = _family(modules)
    order = [TEXT_ENCODER, *made.facts.blocks, OTHER]
    for name, weights in modules.items():
        change = change_of(weights)
        if change is not None:
            insist_on_finite_change(path, name, change)
            found = block_of_module(name, made)
            block = found if found in order else OTHER
            squares[block] = squares.get(block, 0.0) + float(change.double().square().sum())
    return {block: squares[block] ** 0.5 for block in sorted(squares, key=order.index)}


def _family(modules: Mapping[str, LayerWeights]) -> Family:
    """The modules' family; SD 1.x if several families have these names."""
    return family_of_network(modules, {}) or family(known_or_first(None).name)


def block_of_module(name: str, made: Family) -> str:
    """`lora_unet_mid_block_...` -> M00."""
    if not name.startswith(str(made.denoiser.layer_prefix)):
        return TEXT_ENCODER
    return made.block_of_layer(name) or OTHER
