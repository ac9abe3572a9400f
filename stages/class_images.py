"""The base -> data/class_images/: draws pictures of the class for prior preservation; empty when disabled.

In: the base. Out: data/class_images/{pictures/,records.jsonl}, metrics/class_images.json. Reads `seed`,
`base`, `class_images`. Deterministic: picture n has the seed `seed` + n and is always drawn in the same
batch, which its last bits depend on. Cached by base, prompt and seed: more pictures, or a killed run, cost
only the missing batches.
"""

from collections.abc import Iterable, Sequence

from pipeline.command import run, start
from pipeline.files.atomic import new_folder, write_json
from pipeline.files.hashing import sha256_of_bytes
from pipeline.pictures.png import png_bytes
from pipeline.pictures.records import PICTURE_FOLDER, Record, write_records
from pipeline.progress import progress
from pipeline.schemas import Config
from pipeline.seeds import folded
from pipeline.store.items import Items, computed_key

VERSION = 5
"""Of the algorithm: raise it when a change alters pictures."""
CONCEPT = "class"
OF_NO_PICTURE = ("count", "model_offload")
"""Keys that change no single picture."""


def item_key(config: Config, seed: int) -> str:
    wanted = {key: value for key, value in config.class_images.identity().items() if key not in OF_NO_PICTURE}
    return computed_key(version=VERSION, base=config.base.identity(), seed=seed, first=config.seed, **wanted)


def missing_seeds(config: Config, items: Items) -> list[int]:
    """The seeds of batches with a needed picture that is not in the store. The last batch is full too, so
    that it does not change when `count` grows.
    """
    batch, last = config.class_images.batch, config.seed + config.class_images.count
    return [
        seed
        for start in range(config.seed, last, batch)
        if not all(items.has(item_key(config, each)) for each in range(start, min(start + batch, last)))
        for seed in range(start, start + batch)
    ]


def fresh(config: Config, seeds: list[int]) -> Iterable[bytes]:
    """A PNG for each seed."""
    from pipeline.device import make_repeatable
    from pipeline.drawing.precision import base_to_draw
    from pipeline.drawing.text_to_image import draw
    from pipeline.prompts.infotext import base_facts, model_of, png_texts
    from pipeline.prompts.settings import DrawingSettings, PictureJob

    make_repeatable()
    settings = DrawingSettings.of(config.class_images, config.base)
    offload = config.class_images.model_offload
    base = base_to_draw(config.base, settings.precision, offload, "class_images")
    model = model_of(config.base)
    jobs = [PictureJob(config.class_images.prompt, folded(seed)) for seed in seeds]
    pictures = progress(draw(base, jobs, settings), "class images", len(seeds))
    for job, picture in zip(jobs, pictures, strict=True):
        yield png_bytes(picture, png_texts(job, settings, model, base=base_facts(config.base)))


def record(number: int, png: bytes, seed: int, config: Config) -> Record:
    side = config.class_images.resolution
    picture_id = f"{CONCEPT}/{number:05}"
    return Record(
        id=picture_id,
        file=f"{picture_id}.png",
        sha256=sha256_of_bytes(png),
        width_px=side,
        height_px=side,
        concept=CONCEPT,
        repeats=1,
        is_class=True,
        caption=config.class_images.prompt,
        verdict="ok",
        notes=[],
        group=picture_id,
        origin={"seed": folded(seed)},
    )


def main(arguments: Sequence[str] = ()) -> None:
    job = start("class-images", arguments)
    config, items = job.config, Items("class_images")
    seeds = [config.seed + number for number in range(config.class_images.count)]
    if missing := missing_seeds(config, items):
        for seed, png in zip(missing, fresh(config, missing), strict=True):
            items.put(item_key(config, seed), png)
    records = []
    with new_folder(job.out / "data/class_images") as folder:
        (folder / PICTURE_FOLDER / CONCEPT).mkdir(parents=True)
        for number, seed in enumerate(seeds):
            png = items.read(item_key(config, seed))
            records.append(record(number, png, seed, config))
            (folder / PICTURE_FOLDER / records[-1].file).write_bytes(png)
        write_records(folder, records)
    write_json(job.out / "metrics/class_images.json", {"pictures": len(records)})


if __name__ == "__main__":
    run(main)
