"""The files that a run made, with the hashes by which other tools know them."""

from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path

from pipeline.files.hashing import legacy_hash, sha256_of_file
from pipeline.files.safetensors_header import stated_hash

Family = str
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
SAFETENSORS = ".safetensors"


@dataclass(frozen=True)
class Made:
    """`hashes`: what AUTOMATIC1111 calls a hash -> its digits."""

    path: Path
    family: Family
    told: str
    bytes: int
    sha256: str
    hashes: Mapping[str, str]
    is_chosen: bool = False


def family_of(name: str) -> Family:
    """Of `network.name`: how other tools use its files."""
    return name if name in (EMBEDDING, HYPERNETWORK, CHECKPOINT, AESTHETIC) else ADAPTER


def made(path: Path, family: Family, told: str, is_chosen: bool = False) -> Made:
    digest = sha256_of_file(path)
    hashes = a1111_hashes(path, family, digest)
    return Made(path, family, told, path.stat().st_size, digest, hashes, is_chosen)


def a1111_hashes(path: Path, family: Family, sha256: str) -> dict[str, str]:
    """As its cards and infotexts show them (AUTOMATIC1111: modules/sd_models.py, modules/textual_inversion,
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
    if path.suffix != SAFETENSORS:
        return {"Lora hash": sha256[:12]}
    return {"Lora hash": stated_hash(path)[:12]}


def epoch_of(path: Path) -> int | None:
    """The number at the end of `<name>-<epoch>`, six digits."""
    digits = path.stem.rpartition("-")[2]
    return int(digits) if len(digits) == 6 and digits.isdecimal() else None


def network_files(folder: Path, family: Family, chosen: str) -> list[Made]:
    """The training's files, in order: each epoch's, what lies beside them, the last under its plain name."""
    files = sorted(path for path in folder.iterdir() if path.is_file())
    names = {path.stem for path in files}
    found = []
    for path in files:
        epoch = epoch_of(path)
        told = f"after epoch {epoch}" if epoch else "the last epoch" if _is_plain(path, names) else ""
        if not told:
            told = "beside: a part, or another layout, of the file that its name begins with"
        elif path.suffix != SAFETENSORS:
            told += f", as {path.suffix}"
        found.append(made(path, family, told, path.name == chosen))
    return found


def _is_plain(path: Path, names: set[str]) -> bool:
    return any(name.startswith(f"{path.stem}-") and epoch_of(Path(name)) for name in names)


def merged_files(folder: Path, told: str) -> list[Made]:
    """A checkpoint; of a diffusers folder the weights of its parts."""
    return [made(path, CHECKPOINT, told) for path in sorted(folder.rglob(f"*{SAFETENSORS}"))]
