"""The files that a run made, with other tools' hashes of them."""

from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path

from pipeline.files.hashing import legacy_hash, sha256_of_file
from pipeline.files.safetensors_header import stated_hash

FamilyName = str
ADAPTER, EMBEDDING, HYPERNETWORK, CHECKPOINT = "adapter", "embedding", "hypernetwork", "checkpoint"
AESTHETIC = "aesthetic"
A1111_FOLDERS = {
    ADAPTER: "models/Lora",
    EMBEDDING: "embeddings",
    HYPERNETWORK: "models/hypernetworks",
    CHECKPOINT: "models/Stable-diffusion",
    AESTHETIC: "extensions/stable-diffusion-webui-aesthetic-gradients/aesthetic_embeddings",
}
COMFY_FOLDERS = {
    ADAPTER: "models/loras",
    EMBEDDING: "models/embeddings",
    HYPERNETWORK: "models/hypernetworks",
    CHECKPOINT: "models/checkpoints",
}
_SAFETENSORS = ".safetensors"


@dataclass(frozen=True)
class Made:
    """`hashes`: AUTOMATIC1111's name of a hash -> its digits; `what`: a description."""

    path: Path
    family: FamilyName
    what: str
    bytes: int
    sha256: str
    hashes: Mapping[str, str]
    is_chosen: bool = False


def family_of(name: str) -> FamilyName:
    """The kind of file that `network.name` makes, for other tools."""
    return name if name in (EMBEDDING, HYPERNETWORK, CHECKPOINT, AESTHETIC) else ADAPTER


def made(path: Path, family: FamilyName, what: str, is_chosen: bool = False) -> Made:
    digest = sha256_of_file(path)
    hashes = a1111_hashes(path, family, digest)
    return Made(path, family, what, path.stat().st_size, digest, hashes, is_chosen)


def a1111_hashes(path: Path, family: FamilyName, sha256: str) -> dict[str, str]:
    """As in its cards and infotexts (AUTOMATIC1111: modules/sd_models.py, modules/textual_inversion,
    modules/hypernetworks/hypernetwork.py, extensions-builtin/Lora/network.py).
    """
    if family == CHECKPOINT:
        return {"Model hash": sha256[:10], "old hash": legacy_hash(path)}
    if family == AESTHETIC:
        return {}
    if family == HYPERNETWORK:
        return {"Hypernet hash": sha256[:10]}
    if family == EMBEDDING:
        return {"TI hash": sha256[:12]}
    if path.suffix != _SAFETENSORS:
        return {"Lora hash": sha256[:12]}
    return {"Lora hash": stated_hash(path)[:12]}


def epoch_of(path: Path) -> int | None:
    """The number at the end of `<name>-<epoch>`, six digits."""
    digits = path.stem.rpartition("-")[2]
    return int(digits) if len(digits) == 6 and digits.isdecimal() else None


def network_files(folder: Path, family: FamilyName, chosen: str) -> list[Made]:
    """The training's files by name: each epoch's, companion files, the last epoch's under the plain name."""
    files = sorted(path for path in folder.iterdir() if path.is_file())
    names = {path.stem for path in files}
    rows = []
    for path in files:
        epoch = epoch_of(path)
        what = f"after epoch {epoch}" if epoch else "the last epoch" if _is_plain(path, names) else ""
        if not what:
            what = "companion file: a part, or another layout, of the file that its name begins with"
        elif path.suffix != _SAFETENSORS:
            what += f", as {path.suffix}"
        rows.append(made(path, family, what, path.name == chosen))
    return rows


def _is_plain(path: Path, names: set[str]) -> bool:
    return any(name.startswith(f"{path.stem}-") and epoch_of(Path(name)) for name in names)


def merged_files(folder: Path, what: str) -> list[Made]:
    """The checkpoint, or the weights of a diffusers folder's parts."""
    return [made(path, CHECKPOINT, what) for path in sorted(folder.rglob(f"*{_SAFETENSORS}"))]
