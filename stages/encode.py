"""data/cropped/ and data/class_images/ -> data/encoded/: the VAE's latents, so that no sweep over dim, alpha
or lr runs the VAE again.

In: data/cropped/, data/class_images/, the base. Out: data/encoded/{latents.safetensors,records.jsonl}, and
masks.safetensors where there are masks, metrics/encode.json. Reads `base`. Deterministic: the posterior's
mean and deviation, no sample. Kept by picture and VAE: one new picture costs one encoding.
"""

from collections.abc import Iterator, Mapping, Sequence
from pathlib import Path
from typing import Any

import torch
from safetensors.torch import load, save
from torch import Tensor

from pipeline.base.encoding import LATENT_MASKS, LATENTS, mask_cells, moments, non_finite
from pipeline.base.load import load_base
from pipeline.command import run, start
from pipeline.config.schemas import Base
from pipeline.device import best_device, make_repeatable
from pipeline.errors import UserError
from pipeline.files.atomic import new_folder, read_jsonl, write_json, write_jsonl
from pipeline.files.safetensors_file import write_safetensors
from pipeline.items import Items, key
from pipeline.pictures.masks import MASKS, read_mask
from pipeline.pictures.reading import read_picture
from pipeline.pictures.records import PICTURES, RECORDS
from pipeline.progress import progress

VERSION = 1
"""Of the algorithm: raise it when latents would come out differently."""


def pictures_of(folder: Path) -> list[dict[str, Any]]:
    """Records with the path of each picture."""
    rows = read_jsonl(folder / RECORDS)
    return [{**row, "path": folder / PICTURES / row["file"]} for row in rows]


class Stored(Mapping[str, Tensor]):
    """Latents by picture id, read from the store when they are asked for: a set of any length needs the
    memory of one picture.
    """

    def __init__(self, items: Items, keys: dict[str, str]) -> None:
        self.items_of, self.keys_of = items, keys

    def __getitem__(self, picture_id: str) -> Tensor:
        moments: Tensor = load(self.items_of.path(self.keys_of[picture_id]).read_bytes())["moments"]
        return moments

    def __iter__(self) -> Iterator[str]:
        return iter(self.keys_of)

    def __len__(self) -> int:
        return len(self.keys_of)


def encoded(rows: list[dict[str, Any]], base: Base, items: Items) -> Stored:
    """Only pictures that the store does not have run through the VAE."""
    hashes = {
        "model": base.sha256,
        "path": base.path,
        "revision": base.revision,
        "vae": base.vae_sha256 or base.vae,
    }
    keys = {row["id"]: key(version=VERSION, picture=row["sha256"], **hashes) for row in rows}
    missing = [row for row in rows if not items.has(keys[row["id"]])]
    if missing:
        vae = load_base(base).vae.to(best_device())
        for row in progress(missing, "encode"):
            items.put(keys[row["id"]], save({"moments": moments(vae, read_picture(row["path"]))}))
    return Stored(items, keys)


class Masks(Mapping[str, Tensor]):
    """The masks' cells by picture id, for pictures that have one; read when they are asked for."""

    def __init__(self, rows: Sequence[dict[str, Any]], folder: Path) -> None:
        self.paths = {row["id"]: folder / row["mask_file"] for row in rows if row["mask_file"]}

    def __getitem__(self, picture_id: str) -> Tensor:
        return mask_cells(read_mask(self.paths[picture_id]))

    def __iter__(self) -> Iterator[str]:
        return iter(self.paths)

    def __len__(self) -> int:
        return len(self.paths)


def record(row: dict[str, Any]) -> dict[str, Any]:
    """What training needs to know of a picture."""
    kept = ("id", "concept", "repeats", "is_class", "caption", "width_px", "height_px", "sha256", "group")
    return {name: row[name] for name in kept}


def main(arguments: Sequence[str] = ()) -> None:
    job = start("encode", arguments)
    make_repeatable()
    rows = pictures_of(Path("data/cropped")) + pictures_of(Path("data/class_images"))
    latents = encoded(rows, job.config.base, Items("encode"))
    if broken := list(non_finite(latents)):
        raise UserError(
            f"the VAE gives no finite latents for {', '.join(broken)}; remove"
            " these pictures, or set base.vae to another VAE"
        )
    masks = Masks(rows, Path("data/cropped") / MASKS)
    with new_folder(job.out / "data/encoded") as folder:
        write_safetensors(folder / LATENTS, latents, {})
        if masks:
            write_safetensors(folder / LATENT_MASKS, masks, {})
        write_jsonl(folder / RECORDS, [record(row) for row in rows])
    every = torch.stack([tensor[:4].flatten(1).std(dim=1).mean() for tensor in latents.values()])
    write_json(
        job.out / "metrics/encode.json",
        {"pictures": len(rows), "masks": len(masks), "latent_std_mean": round(every.mean().item(), 4)},
    )


if __name__ == "__main__":
    run(main)
