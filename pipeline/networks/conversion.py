"""Embeddings and hypernetworks from .pt to .safetensors and back, nothing lost: A1111 and ComfyUI read
hypernetworks from .pt alone, and a .safetensors runs nobody's code.
"""

from pathlib import Path

from pipeline.errors import UserError
from pipeline.files import embedding_file, hypernetwork_file
from pipeline.files.safetensors_file import write_safetensors
from pipeline.networks.inspection import inspect

SUFFIXES = (".pt", ".safetensors")


def convert(source: Path, target: Path) -> list[Path]:
    """Writes what `source` holds to `target`, and returns the files; an embedding of several words goes to
    the folder `target`, one .safetensors a word.
    """
    family = inspect(source).facts["family"]
    if family == "hypernetwork":
        return _hypernetwork(source, target)
    if family == "embedding":
        return _embedding(source, target)
    raise UserError(f"{source} is {family}; only embeddings and hypernetworks have two layouts here")


def _hypernetwork(source: Path, target: Path) -> list[Path]:
    _check(target)
    file = hypernetwork_file.read_hypernetwork(source)
    if target.suffix == ".pt":
        hypernetwork_file.write_a1111(target, file)
    else:
        metadata = hypernetwork_file.hypernetwork_metadata(file.structure)
        write_safetensors(target, hypernetwork_file.hypernetwork_tensors(file.layers), metadata)
    return [target]


def _embedding(source: Path, target: Path) -> list[Path]:
    vectors = embedding_file.read_embeddings(source)
    if not target.suffix:
        embedding_file.write_each(target, vectors)
        return [target / f"{word}.safetensors" for word in vectors]
    _check(target)
    if len(vectors) > 1:
        raise UserError(
            f"{source} holds {len(vectors)} words ({', '.join(vectors)}), and other tools read one a file;"
            " give a folder in place of a file"
        )
    word, tensor = next(iter(vectors.items()))
    if target.suffix == ".pt":
        embedding_file.write_a1111(target, word, tensor, {})
    else:
        tensors, metadata = (
            embedding_file.embedding_tensors(vectors),
            embedding_file.embedding_metadata([word]),
        )
        write_safetensors(target, tensors, metadata)
    return [target]


def _check(target: Path) -> None:
    if target.suffix not in SUFFIXES:
        raise UserError(f"{target}: no layout has the suffix {target.suffix!r}; {' or '.join(SUFFIXES)}")
