"""data/cropped/ and data/class_images/ -> data/encoded/: the VAE's latents, so that sweeps over dim, alpha or
lr do not run the VAE again.

In: data/cropped/, data/class_images/, the base. Out: data/encoded/{latents.safetensors,records.jsonl}, and
masks.safetensors if there are masks, metrics/encode.json. Reads `base`. Deterministic: the posterior's mean
and deviation, no sample. Cached by picture and VAE: one new picture costs one encoding.
"""

from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from itertools import compress
from pathlib import Path
from typing import Any

import numpy as np
import torch
from safetensors.torch import load, save
from torch import Tensor

from pipeline.bases.facts import FamilyFacts
from pipeline.bases.latents import LATENT_MASKS, LATENTS, latent_mask, moments
from pipeline.bases.load import load_base
from pipeline.bases.registry import families
from pipeline.bases.sizes import sizes_of
from pipeline.bases.vae_tiles import VAE_TILE_PX
from pipeline.command import run, start
from pipeline.device import best_device, make_repeatable
from pipeline.errors import UserError
from pipeline.files.atomic import JsonLines, new_folder, write_json, write_jsonl
from pipeline.files.safetensors_file import PRECISIONS, write_safetensors
from pipeline.files.sorted_rows import SortedRows
from pipeline.pictures.masks import MASK_FOLDER, read_mask
from pipeline.pictures.reading import read_picture
from pipeline.pictures.records import PICTURE_FOLDER, RECORDS_FILE
from pipeline.progress import progress
from pipeline.schemas import BaseConfig
from pipeline.store.items import Items, computed_key
from stages import CROPPED

VERSION = 1
"""Of the algorithm: raise it when a change alters latents."""
MOST_BROKEN = 5
"""Pictures with NaN latents after which no more are encoded: the VAE is broken."""


class PictureRows:
    """The records of several folders in order, with the path of each picture. Each iteration reads them
    again.
    """

    def __init__(self, *folders: Path) -> None:
        self.folders = folders

    def __iter__(self) -> Iterator[dict[str, Any]]:
        for folder in self.folders:
            for row in JsonLines(folder / RECORDS_FILE):
                yield {**row, "path": folder / PICTURE_FOLDER / row["file"]}


class LazyTensors(Mapping[str, Tensor]):
    """Tensors by picture id, read on access: a dataset of any length needs the memory of one."""

    def __init__(self, names: Iterable[tuple[str, str]], read: Callable[[str], Tensor]) -> None:
        """`names`: a picture's id, and the name with which `read` finds its tensor."""
        self.rows, self.read = SortedRows(), read
        for picture_id, name in names:
            self.rows.add(picture_id, "", name)

    def __getitem__(self, picture_id: str) -> Tensor:
        if not (names := self.rows.of(picture_id)):
            raise KeyError(picture_id)
        return self.read(names[-1])

    def __iter__(self) -> Iterator[str]:
        return self.rows.names()

    def __len__(self) -> int:
        return sum(1 for _ in self)


def encoded(rows: PictureRows, base: BaseConfig, items: Items) -> LazyTensors:
    """Latents. Only pictures that are not in the store go through the VAE. Raises UserError for pictures with
    NaN or infinite latents, which are not stored.
    """
    hashes = {
        "model": base.sha256,
        "path": base.path,
        "revision": base.revision,
        "vae": base.vae_sha256 or base.vae,
        **({} if base.vae_precision == "fp32" else {"precision": base.vae_precision}),
        **({"tiles": VAE_TILE_PX} if base.vae_tiles == "all" else {}),
    }

    def key_of(row: dict[str, Any]) -> str:
        return computed_key(version=VERSION, picture=row["sha256"], **hashes)

    def latents(item_key: str) -> Tensor:
        moments: Tensor = load(items.read(item_key))["moments"]
        return moments

    is_missing = bytearray(not items.has(key_of(row)) for row in rows)
    if any(is_missing):
        whole, broken = load_base(_of_encode(base)), list[str]()
        whole.vae.to(best_device(), PRECISIONS[base.vae_precision])
        for row in progress(compress(rows, is_missing), "encode", sum(is_missing)):
            made = moments(whole, read_picture(row["path"]))
            if made.isfinite().all():
                items.put(key_of(row), save({"moments": made}))
            elif len(broken := [*broken, row["id"]]) == MOST_BROKEN:
                break
        insist_on_finite(broken, base)
    return LazyTensors(((row["id"], key_of(row)) for row in rows), latents)


def _of_encode(base: BaseConfig) -> BaseConfig:
    """With whole pictures, unless tiles are for encode, too."""
    return base if base.vae_tiles == "all" else base.model_copy(update={"vae_tiles": "none"})


def insist_on_finite(broken: Sequence[str], base: BaseConfig) -> None:
    """`broken`: pictures with NaN or infinite latents."""
    if broken:
        more = ", and perhaps others" if len(broken) == MOST_BROKEN else ""
        slower = "" if base.vae_precision == "fp32" else " set base.vae_precision to fp32,"
        raise UserError(
            f"the VAE gives NaN or infinite latents for {', '.join(broken)}{more};{slower} set base.vae to"
            " another VAE, or remove these pictures"
        )


def masks_of(rows: PictureRows, folder: Path, base: BaseConfig) -> LazyTensors:
    """Masks in latent pixels, of the pictures that have one."""
    files = [(row["id"], row["mask_file"]) for row in rows if row["mask_file"]]
    cell_px = load_base(base).latents.cell_px if files else 1
    return LazyTensors(iter(files), lambda name: latent_mask(read_mask(folder / name), cell_px))


def record(row: dict[str, Any], has_sizes: bool) -> dict[str, Any]:
    """The facts about a picture that training needs, with sizes if the base is conditioned on them."""
    names = ("id", "concept", "repeats", "is_class", "caption", "width_px", "height_px", "sha256", "group")
    sizes = {"sizes": sizes_of(row)} if has_sizes else {}
    return {name: row[name] for name in names} | sizes


def facts_of(base: BaseConfig) -> FamilyFacts:
    """The facts of the base's family. Loads the base if `base.family` is not known."""
    return families()[base.family] if base.family else load_base(base).family.facts


def main(arguments: Sequence[str] = ()) -> None:
    job = start("encode", arguments)
    make_repeatable()
    rows = PictureRows(CROPPED, Path("data/class_images"))
    latents = encoded(rows, job.config.base, Items("encode"))
    masks = masks_of(rows, CROPPED / MASK_FOLDER, job.config.base)
    with new_folder(job.out / "data/encoded") as folder:
        write_safetensors(folder / LATENTS, latents, {})
        if masks:
            write_safetensors(folder / LATENT_MASKS, masks, {})
        has_sizes = facts_of(job.config.base).has_sizes
        write_jsonl(folder / RECORDS_FILE, (record(row, has_sizes) for row in rows))
    spreads = (latents[row["id"]].chunk(2)[0].flatten(1).std(dim=1).mean().item() for row in rows)
    every = torch.from_numpy(np.fromiter(spreads, np.float32))
    write_json(
        job.out / "metrics/encode.json",
        {"pictures": len(every), "masks": len(masks), "latent_std_mean": round(every.mean().item(), 4)},
    )


if __name__ == "__main__":
    run(main)
