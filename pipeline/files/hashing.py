"""Content hashes of files and folders, and the hashes that AUTOMATIC1111 shows."""

import hashlib
from collections.abc import Callable, Sequence
from pathlib import Path

HASHED_BYTES = 1 << 22


def sha256_of_bytes(data: bytes) -> str:
    return hashlib.sha256(data).hexdigest()


def sha256_of_file(path: Path) -> str:
    with path.open("rb") as file:
        return hashlib.file_digest(file, "sha256").hexdigest()


def sha256_of_tree(
    path: str | Path,
    only: Sequence[str] = ("**/*",),
    of_file: Callable[[Path], str] = sha256_of_file,
) -> str | None:
    """Hash of a file's bytes, or of a folder's sorted names and bytes (of files that match a pattern of
    `only`); None if the path does not exist. `of_file` hashes one file.
    """
    root = Path(path)
    if root.is_file():
        return of_file(root)
    if not root.is_dir():
        return None
    digest = hashlib.sha256()
    for file in sorted(
        p
        for p in {p for pattern in only for p in root.glob(pattern)}
        if p.is_file() and not any(part.startswith(".") for part in p.relative_to(root).parts)
    ):
        digest.update(f"{file.relative_to(root).as_posix()}\0{of_file(file)}\n".encode())
    return digest.hexdigest()


def legacy_hash(path: Path) -> str:
    """AUTOMATIC1111's old model hash: the first 8 hex digits of SHA-256 over 64 KiB from offset 1 MiB
    (modules/sd_models.py).
    """
    with path.open("rb") as file:
        file.seek(0x100000)
        return sha256_of_bytes(file.read(0x10000))[:8]


def sha256_of_tensors(path: Path) -> str:
    """Hash of a .safetensors file after its header: AUTOMATIC1111's Lora hash, independent of metadata."""
    with path.open("rb") as file:
        file.seek(8 + int.from_bytes(file.read(8), "little"))
        return hashlib.file_digest(file, "sha256").hexdigest()
