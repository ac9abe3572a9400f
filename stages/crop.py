"""data/collected/ -> data/cropped/: pictures at the training resolution, around what each is about.

In: data/collected/, data/crop_edits.yaml, the face detector. Out: data/cropped/{pictures/,records.jsonl}, and
masks/ there where pictures have masks, reports/crop/contact-sheet-<page>.png, metrics/crop.json,
plots/crop/sizes.csv. Reads the group `crop`. Deterministic: PNG without metadata. Kept by picture: one new
picture costs one crop.
"""

import json
import os
from collections import Counter
from collections.abc import Sequence
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any

from PIL import Image

from pipeline.command import run, start
from pipeline.config.schemas import Crop
from pipeline.errors import UserError, warn
from pipeline.files.atomic import new_folder, write_csv, write_json
from pipeline.files.hashing import sha256_of_bytes
from pipeline.items import Items, key
from pipeline.pictures.contact_sheet import PER_PAGE, THUMBNAIL_PX, Shown, page
from pipeline.pictures.crop_edits import CROP_EDITS, CropEdit, outside, read_crop_edits
from pipeline.pictures.cutting import cut_mask, cut_out, cuts
from pipeline.pictures.masks import MASKS, read_mask
from pipeline.pictures.png import png_bytes
from pipeline.pictures.reading import read_alpha, read_picture
from pipeline.pictures.records import PICTURES, Record, read_records, write_records
from pipeline.pictures.thumbnails import webp_thumbnail
from pipeline.progress import progress

VERSION = 3
"""Of the algorithm: raise it when a crop would come out differently."""
SOURCE = Path("data/collected")


@dataclass(frozen=True)
class Cropped:
    """A collected picture, the records of its crops, and the file of its thumbnail (WebP)."""

    parent: Record
    crops: list[Record]
    thumbnail: Path


class Cropper:
    """Crops pictures into `folder`, or takes the crops from the store."""

    def __init__(self, config: Crop, edits: dict[str, CropEdit], folder: Path) -> None:
        self.config, self.edits, self.folder, self.items = config, edits, folder, Items("crop")
        self.settings = config.model_dump(exclude={"face_model"} if config.face_model_sha256 else None)

    def __call__(self, record: Record) -> Cropped:
        stem = self._key(record)
        facts = self._kept(stem) or self._made(record, stem)
        crops = [self._record(record, fact) for fact in facts]
        for crop in crops:
            self.items.deliver(f"{crop.sha256}.png", self.folder / PICTURES / crop.file)
            self._place_mask(crop)
        return Cropped(record, crops, self.items.path(f"{stem}.webp"))

    def _key(self, record: Record) -> str:
        edit = self.edits.get(record.id, CropEdit()).model_dump()
        mask = self._mask_source(record)
        return key(version=VERSION, config=self.settings, edit=edit, picture=record.sha256, mask=mask)

    def _mask_source(self, record: Record) -> str | None:
        """What the mask follows from, besides the picture; None where there is none."""
        return {"files": record.mask_sha256, "alpha": "alpha", "off": None}[self.config.mask]

    def _mask(self, record: Record) -> Image.Image | None:
        """Of the whole picture, as `crop.mask` wants it."""
        if self.config.mask == "alpha":
            return read_alpha(SOURCE / PICTURES / record.file)
        has_file = self.config.mask == "files" and record.mask_file
        return read_mask(SOURCE / MASKS / record.mask_file) if has_file and record.mask_file else None

    def _place_mask(self, crop: Record) -> None:
        if crop.mask_file:
            target = self.folder / MASKS / crop.mask_file
            target.parent.mkdir(parents=True, exist_ok=True)
            self.items.deliver(f"{crop.mask_sha256}.png", target)

    def _kept(self, stem: str) -> list[dict[str, Any]] | None:
        """Facts of the crops, where the store has them, the crops and the thumbnail."""
        data = self.items.get(f"{stem}.json")
        facts = json.loads(data) if data else []
        pngs = [fact[name] for fact in facts for name in ("sha256", "mask") if name in fact]
        needed = [f"{stem}.webp", *(f"{digest}.png" for digest in pngs)]
        return facts if facts and all(map(self.items.has, needed)) else None

    def _made(self, record: Record, stem: str) -> list[dict[str, Any]]:
        """Crops the picture and puts everything into the store, the facts last."""
        red, green, blue = self.config.background
        picture = read_picture(SOURCE / PICTURES / record.file, background=(red, green, blue))
        facts, mask = [], self._mask(record)
        for cut in cuts(picture, self.config, self.edits.get(record.id, CropEdit())):
            png = png_bytes(cut_out(picture, cut))
            self.items.put(f"{sha256_of_bytes(png)}.png", png)
            fact = {"suffix": cut.suffix, "sha256": sha256_of_bytes(png), "target": cut.target, **cut.how}
            if mask:
                png = png_bytes(cut_mask(mask, cut))
                self.items.put(f"{sha256_of_bytes(png)}.png", png)
                fact["mask"] = sha256_of_bytes(png)
            facts.append(fact)
        self.items.put(f"{stem}.webp", webp_thumbnail(picture, THUMBNAIL_PX))
        self.items.put(f"{stem}.json", json.dumps(facts, sort_keys=True).encode())
        return facts

    def _record(self, parent: Record, fact: dict[str, Any]) -> Record:
        told = ("suffix", "sha256", "target", "mask")
        how = {name: value for name, value in fact.items() if name not in told}
        mask = fact.get("mask")
        width, height = fact["target"]
        crop_id = f"{parent.id}{fact['suffix']}"
        return replace(
            parent, id=crop_id, file=f"{crop_id}.png", sha256=fact["sha256"],
            width_px=width, height_px=height, mask_file=f"{crop_id}.png" if mask else None, mask_sha256=mask,
            origin={"parent": parent.sha256, "picture": parent.id, **how},
        )  # fmt: skip


def checked_edits(records: list[Record]) -> dict[str, CropEdit]:
    """Hand-made edits by picture id; one that does not fit its picture is a user error."""
    edits = read_crop_edits(CROP_EDITS, [record.id for record in records])
    sizes = {record.id: (record.width_px, record.height_px) for record in records}
    wrong = {name: fault for name, edit in edits.items() if (fault := outside(edit, *sizes[name]))}
    if wrong:
        raise UserError(*(f"{CROP_EDITS}: {name}: {fault}; correct it" for name, fault in wrong.items()))
    return edits


def clashes(made: list[Record]) -> list[str]:
    """Ids that two crops share, in words."""
    counts = Counter(record.id for record in made)
    return [
        f"{name}: two crops would have this name; rename the picture" for name in counts if counts[name] > 1
    ]


def empty_masks(folder: Path, made: list[Record]) -> list[str]:
    """Crops of which nothing counts, in a sentence."""
    empty = [
        crop.id
        for crop in made
        if crop.mask_file and read_mask(folder / MASKS / crop.mask_file).getextrema() == (0, 0)
    ]
    if not empty:
        return []
    return [
        f"nothing is learned from {len(empty)} crops, whose masks are black all over"
        f" ({', '.join(empty[:5])}); mend the masks, move the boxes in {CROP_EDITS}, or set crop.mask to off"
    ]


def shown(item: Cropped) -> Shown:
    """The picture on the contact sheet."""
    first = item.crops[0]
    boxes = [tuple(crop.origin["box_px"]) for crop in item.crops if not crop.origin["mirrored"]]
    faces = [tuple(face["box_px"]) for face in first.origin.get("faces", [])]
    size = f"{item.parent.width_px}x{item.parent.height_px} -> {first.width_px}x{first.height_px}"
    note = f"{size}, enlarged" if first.origin["scale"] > 1 else size
    with Image.open(item.thumbnail) as kept:
        thumbnail = kept.convert("RGB")
    return Shown(thumbnail, item.parent.width_px, boxes, faces, item.parent.id, note)


def contact_sheet(done: list[Cropped]) -> bytes:
    """A page of them as PNG, from the store where it was drawn before."""
    items = Items("contact_sheet")
    told = [[item.parent.id, item.parent.sha256, *(crop.origin for crop in item.crops)] for item in done]
    page_key = key(version=VERSION, told=told)
    return items.get(page_key) or items.put(page_key, png_bytes(page([shown(item) for item in done])))


def write_report(out: Path, done: list[Cropped]) -> None:
    """Contact sheets, metrics and the sizes before and after."""
    starts = range(0, len(done), PER_PAGE)
    with new_folder(out / "reports/crop") as folder, ThreadPoolExecutor(os.cpu_count()) as pool:
        sheets = pool.map(lambda start: contact_sheet(done[start : start + PER_PAGE]), starts)
        for number, png in enumerate(sheets, 1):
            (folder / f"contact-sheet-{number:03}.png").write_bytes(png)
    crops = [crop for item in done for crop in item.crops]
    counts = {
        "pictures": len(done),
        "crops": len(crops),
        "enlarged": sum(crop.origin["scale"] > 1 for crop in crops),
        "by": dict(Counter(crop.origin["by"] for crop in crops)),
        "detectors": dict(Counter(name for crop in crops for name in crop.origin.get("detectors", []))),
        "masks": sum(crop.mask_file is not None for crop in crops),
        "sizes": dict(Counter(f"{crop.width_px}x{crop.height_px}" for crop in crops)),
    }
    write_json(out / "metrics/crop.json", counts)
    header = ("id", "width_before", "height_before", "width", "height", "scale")
    rows = [
        (c.id, item.parent.width_px, item.parent.height_px, c.width_px, c.height_px, c.origin["scale"])
        for item in done
        for c in item.crops
    ]
    write_csv(out / "plots/crop/sizes.csv", header, rows)


def main(arguments: Sequence[str] = ()) -> None:
    job = start("crop", arguments)
    records = read_records(SOURCE)
    edits = checked_edits(records)
    with new_folder(job.out / "data/cropped") as folder, ThreadPoolExecutor(os.cpu_count()) as pool:
        for concept in {record.concept for record in records}:
            (folder / PICTURES / concept).mkdir(parents=True)
        cropper = Cropper(job.config.crop, edits, folder)
        done = list(progress(pool.map(cropper, records), "crop", len(records)))
        crops = [crop for item in done for crop in item.crops]
        if problems := clashes(crops):
            raise UserError(*problems)
        for sentence in empty_masks(folder, crops):
            warn(sentence)
        write_records(folder, crops)
    write_report(job.out, done)


if __name__ == "__main__":
    run(main)
