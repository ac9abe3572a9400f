"""data/collected/ -> data/cropped/: pictures at the training resolution, each around its focal point.

In: data/collected/, data/crop_edits.yaml, the face detector. Out: data/cropped/{pictures/,records.jsonl}, its
masks/ if pictures have masks, reports/crop/contact-sheet-<page>.png, metrics/crop.json,
plots/crop/sizes.csv. Reads the group `crop`. Deterministic: PNG without metadata. Kept by picture: a new
picture costs one crop.
"""

import io
import json
from collections import Counter
from collections.abc import Iterable, Iterator, Sequence
from contextlib import closing
from dataclasses import dataclass, replace
from functools import cache, partial
from itertools import islice
from pathlib import Path
from typing import TYPE_CHECKING, Any

from PIL import Image

from pipeline.command import run, start
from pipeline.errors import UserError, warn
from pipeline.files.atomic import new_folder, write_csv, write_json, write_jsonl
from pipeline.files.hashing import sha256_of_bytes
from pipeline.files.sorted_rows import SortedRows
from pipeline.parallel import in_order
from pipeline.pictures.contact_sheet import PER_PAGE, SHEET_THUMBNAIL_PX, SheetPicture, page
from pipeline.pictures.crop_edits import CROP_EDITS, CropEdits, outside, read_crop_edits
from pipeline.pictures.cutting import cut_mask, cut_out, cuts
from pipeline.pictures.left_out import ids_left_out
from pipeline.pictures.masks import MASK_FOLDER, measure_mask, read_mask
from pipeline.pictures.png import png_bytes
from pipeline.pictures.reading import read_alpha, read_picture
from pipeline.pictures.records import PICTURE_FOLDER, RECORDS_FILE, Record, Records, row_of
from pipeline.pictures.thumbnails import webp_thumbnail
from pipeline.progress import progress
from pipeline.schemas import CropConfig
from pipeline.store.items import Items, key

if TYPE_CHECKING:  # onnxruntime, which who has no mask model does not need
    from pipeline.vision.subject_mask import SubjectMasks

VERSION = 4
"""Of the algorithm: raise it when crops change."""
COLLECTED = Path("data/collected")
PAGES_AHEAD = 2
"""Contact sheets drawn ahead."""


@dataclass(frozen=True)
class Cropped:
    """A collected picture, the records of its crops, the ids of those with black masks, and the key of its
    thumbnail (WebP).
    """

    parent: Record
    crops: list[Record]
    empty: list[str]
    thumbnail: str


def named_by_hash(config: CropConfig) -> set[str]:
    """Keys of models whose hash is known: their paths do not matter."""
    models = {"face_model": config.face_model_sha256, "mask_model": config.mask_model_sha256}
    return {name for name, digest in models.items() if digest}


def subject_masks(config: CropConfig) -> "SubjectMasks | None":
    """What draws masks, if crop.mask asks for it."""
    if config.mask != "model" or config.mask_model is None:
        return None
    from pipeline.vision.subject_mask import SubjectMasks, mask_model

    return SubjectMasks(mask_model(config.mask_model, config.mask_model_sha256), config.mask_layout)


class Cropper:
    """Crops pictures into `folder`, or takes the crops from the store."""

    def __init__(self, config: CropConfig, edits: CropEdits, folder: Path) -> None:
        self.config, self.edits, self.folder, self.items = config, edits, folder, Items("crop")
        self.settings = {
            name: value for name, value in config.identity().items() if name not in named_by_hash(config)
        }
        self.masks = subject_masks(config)
        self.make = cache(partial(Path.mkdir, parents=True, exist_ok=True))

    def __call__(self, record: Record) -> Cropped:
        stem = self._key(record)
        facts = self._kept(stem) or self._made(record, stem)
        crops = [self._record(record, fact) for fact in facts]
        for crop in crops:
            self._place(f"{crop.sha256}.png", self.folder / PICTURE_FOLDER / crop.file)
        empty = [crop.id for crop in crops if crop.mask_file and self._is_masked_out(crop, crop.mask_file)]
        return Cropped(record, crops, empty, f"{stem}.webp")

    def _place(self, item_key: str, target: Path) -> None:
        self.make(target.parent)
        self.items.deliver(item_key, target)

    def _is_masked_out(self, crop: Record, mask_file: str) -> bool:
        """Delivers the crop's mask; returns whether it is black all over."""
        target = self.folder / MASK_FOLDER / mask_file
        self._place(f"{crop.mask_sha256}.png", target)
        return measure_mask(target, self.items).is_black

    def _key(self, record: Record) -> str:
        edit = self.edits.of(record.id).model_dump()
        mask = self._mask_source(record)
        return key(version=VERSION, config=self.settings, edit=edit, picture=record.sha256, mask=mask)

    def _mask_source(self, record: Record) -> str | None:
        """What the mask depends on in addition to the picture; None without a mask."""
        if self.masks and self._asks_model(record):
            return self.masks.model.sha256
        return {"files": record.mask_sha256, "model": record.mask_sha256, "alpha": "alpha", "off": None}[
            self.config.mask
        ]

    def _asks_model(self, record: Record) -> bool:
        """Whether the network draws the mask: a file goes first, and class pictures count whole."""
        return self.config.mask == "model" and record.mask_file is None and not record.is_class

    def _mask(self, record: Record, picture: Image.Image) -> Image.Image | None:
        """The whole picture's mask, as `crop.mask` says."""
        if self.config.mask == "alpha":
            return read_alpha(COLLECTED / PICTURE_FOLDER / record.file)
        if self.masks and self._asks_model(record):
            return self.masks(picture, record.sha256)
        has_file = self.config.mask in ("files", "model") and record.mask_file
        return (
            read_mask(COLLECTED / MASK_FOLDER / record.mask_file) if has_file and record.mask_file else None
        )

    def _kept(self, stem: str) -> list[dict[str, Any]] | None:
        """Facts of the crops, if the store has them, the crops and the thumbnail."""
        data = self.items.get(f"{stem}.json")
        facts = json.loads(data) if data else []
        pngs = [fact[name] for fact in facts for name in ("sha256", "mask") if name in fact]
        needed = [f"{stem}.webp", *(f"{digest}.png" for digest in pngs)]
        return facts if facts and all(map(self.items.has, needed)) else None

    def _made(self, record: Record, stem: str) -> list[dict[str, Any]]:
        """Crops the picture and stores everything, the facts last."""
        red, green, blue = self.config.background
        picture = read_picture(COLLECTED / PICTURE_FOLDER / record.file, background=(red, green, blue))
        facts, mask = [], self._mask(record, picture)
        for cut in cuts(picture, self.config, self.edits.of(record.id)):
            png = png_bytes(cut_out(picture, cut))
            self.items.put(f"{sha256_of_bytes(png)}.png", png)
            fact = {"suffix": cut.suffix, "sha256": sha256_of_bytes(png), "target": cut.target, **cut.how}
            if mask:
                png = png_bytes(cut_mask(mask, cut))
                self.items.put(f"{sha256_of_bytes(png)}.png", png)
                fact["mask"] = sha256_of_bytes(png)
            facts.append(fact)
        self.items.put(f"{stem}.webp", webp_thumbnail(picture, SHEET_THUMBNAIL_PX))
        self.items.put(f"{stem}.json", json.dumps(facts, sort_keys=True).encode())
        return facts

    def _record(self, parent: Record, fact: dict[str, Any]) -> Record:
        in_record = ("suffix", "sha256", "target", "mask")
        how = {name: value for name, value in fact.items() if name not in in_record}
        mask = fact.get("mask")
        width, height = fact["target"]
        crop_id = f"{parent.id}{fact['suffix']}"
        return replace(
            parent, id=crop_id, file=f"{crop_id}.png", sha256=fact["sha256"],
            width_px=width, height_px=height, mask_file=f"{crop_id}.png" if mask else None, mask_sha256=mask,
            origin={
                "parent": parent.sha256, "picture": parent.id,
                "whole_px": [parent.width_px, parent.height_px], **how,
            },
        )  # fmt: skip


def checked_edits(records: Records) -> CropEdits:
    """The manual edits; one that does not fit its picture is a user error."""
    edits = read_crop_edits(CROP_EDITS, records.ids, ids_left_out())
    wrong = [
        f"{CROP_EDITS}: {record.id}: {fault}; correct it"
        for record in (records if edits.edits else ())
        if (fault := outside(edits.of(record.id), record.width_px, record.height_px))
    ]
    if wrong:
        raise UserError(*wrong)
    return edits


class CropTally:
    """Totals over all pictures, counted as they pass; the crops' rows and sizes are on disk."""

    def __init__(self) -> None:
        self.rows, self.sizes = SortedRows(), SortedRows()
        self.empty: list[str] = []
        self.pictures = self.crops = self.enlarged = self.masks = 0
        self.by, self.detectors, self.shapes = Counter[str](), Counter[str](), Counter[str]()

    def counted(self, done: Iterable[Cropped]) -> Iterator[Cropped]:
        for item in done:
            self.pictures += 1
            self.empty += item.empty
            for crop in item.crops:
                self._add(item.parent, crop)
            yield item

    def _add(self, parent: Record, crop: Record) -> None:
        scale = crop.origin["scale"]
        self.crops += 1
        self.enlarged += scale > 1
        self.masks += crop.mask_file is not None
        self.by[crop.origin["by"]] += 1
        self.detectors.update(crop.origin.get("detectors", []))
        self.shapes[f"{crop.width_px}x{crop.height_px}"] += 1
        self.rows.add(crop.id, "", row_of(crop))
        row = (crop.id, parent.width_px, parent.height_px, crop.width_px, crop.height_px, scale)
        self.sizes.add("", "", row)

    def clashes(self) -> list[str]:
        """Sentences about ids that two crops share."""
        return [
            f"{name}: two crops would have this name; rename the picture" for name in self.rows.repeated()
        ]

    def empty_masks(self) -> list[str]:
        """A sentence about crops with black masks."""
        if not self.empty:
            return []
        return [
            f"{len(self.empty)} crops have masks that are black all over, so they are not trained"
            f" ({', '.join(self.empty[:5])}); correct the masks, move the boxes in {CROP_EDITS}, or"
            " set crop.mask to off"
        ]

    def summary(self) -> dict[str, Any]:
        """For metrics/crop.json."""
        return {
            "pictures": self.pictures,
            "crops": self.crops,
            "enlarged": self.enlarged,
            "by": dict(self.by),
            "detectors": dict(self.detectors),
            "masks": self.masks,
            "sizes": dict(self.shapes),
        }


def shown(item: Cropped) -> SheetPicture:
    """The picture on the contact sheet."""
    webp = io.BytesIO(Items("crop").read(item.thumbnail))
    first = item.crops[0]
    boxes = [tuple(crop.origin["box_px"]) for crop in item.crops if not crop.origin["mirrored"]]
    faces = [tuple(face["box_px"]) for face in first.origin.get("faces", [])]
    size = f"{item.parent.width_px}x{item.parent.height_px} -> {first.width_px}x{first.height_px}"
    note = f"{size}, enlarged" if first.origin["scale"] > 1 else size
    with Image.open(webp) as kept:
        thumbnail = kept.convert("RGB")
    return SheetPicture(thumbnail, item.parent.width_px, boxes, faces, item.parent.id, note)


def contact_sheet(done: list[Cropped]) -> bytes:
    """A page as PNG, from the store if known."""
    items = Items("contact_sheet")
    facts = [[item.parent.id, item.parent.sha256, *(crop.origin for crop in item.crops)] for item in done]
    page_key = key(version=VERSION, told=facts)
    return items.get(page_key) or items.put(page_key, png_bytes(page([shown(item) for item in done])))


def pages(done: Iterator[Cropped]) -> Iterator[list[Cropped]]:
    """The pictures of each contact sheet."""
    while several := list(islice(done, PER_PAGE)):
        yield several


def write(out: Path, records: Records, config: CropConfig, edits: CropEdits) -> CropTally:
    """Pictures, records and contact sheets, a page at a time."""
    tally = CropTally()
    with (
        new_folder(out / "data/cropped") as folder,
        new_folder(out / "reports/crop") as sheets,
        closing(in_order(Cropper(config, edits, folder), records)) as done,
    ):
        shown = pages(tally.counted(progress(done, "crop", records.count())))
        for number, png in enumerate(in_order(contact_sheet, shown, ahead=PAGES_AHEAD), 1):
            (sheets / f"contact-sheet-{number:03}.png").write_bytes(png)
        if problems := tally.clashes():
            raise UserError(*problems)
        write_jsonl(folder / RECORDS_FILE, tally.rows)
    return tally


def main(arguments: Sequence[str] = ()) -> None:
    job = start("crop", arguments)
    records = Records(COLLECTED)
    tally = write(job.out, records, job.config.crop, checked_edits(records))
    for sentence in tally.empty_masks():
        warn(sentence)
    write_json(job.out / "metrics/crop.json", tally.summary())
    header = ("id", "width_before", "height_before", "width", "height", "scale")
    write_csv(job.out / "plots/crop/sizes.csv", header, tally.sizes)


if __name__ == "__main__":
    run(main)
