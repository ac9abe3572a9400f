"""The base's own pictures of the class -> data/class_images/, for prior preservation; an empty set in no time
where it is off.

In: the base. Out: data/class_images/{pictures/,records.jsonl}, metrics/class_images.json. Reads `seed`,
`base`, `class_images`. Deterministic: picture n has the seed `seed` + n. Kept by base, prompt and seed: more
pictures cost only the new ones.
"""

from collections.abc import Iterable, Sequence

from pipeline.command import run, start
from pipeline.config.schemas import Config
from pipeline.files.atomic import new_folder, write_json
from pipeline.files.hashing import sha256_of_bytes
from pipeline.items import Items, key
from pipeline.pictures.png import png_bytes
from pipeline.pictures.records import PICTURES, Record, write_records
from pipeline.progress import progress

VERSION = 1
"""Of the algorithm: raise it when pictures would come out differently."""
CONCEPT = "class"


def item_key(config: Config, seed: int) -> str:
    wanted = config.class_images.model_dump(exclude={"count", "batch"})
    return key(version=VERSION, base=config.base.model_dump(), seed=seed, **wanted)


def fresh(config: Config, seeds: list[int]) -> Iterable[bytes]:
    """PNGs of the class, a seed each."""
    from pipeline.base.load import load_base
    from pipeline.device import best_device, make_repeatable
    from pipeline.sampling.settings import Job, Settings
    from pipeline.sampling.text_to_image import draw

    make_repeatable()
    wanted = config.class_images
    settings = Settings.of(wanted, config.base)
    base = load_base(config.base).to(best_device())
    for picture in progress(
        draw(base, [Job(wanted.prompt, seed) for seed in seeds], settings), "class images", len(seeds)
    ):
        yield png_bytes(picture)


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
        origin={"seed": seed},
    )


def main(arguments: Sequence[str] = ()) -> None:
    job = start("class-images", arguments)
    config, items = job.config, Items("class_images")
    seeds = [config.seed + number for number in range(config.class_images.count)]
    keys = {seed: item_key(config, seed) for seed in seeds}
    missing = [seed for seed in seeds if not items.has(keys[seed])]
    if missing:
        for seed, png in zip(missing, fresh(config, missing), strict=True):
            items.put(keys[seed], png)
    records = []
    with new_folder(job.out / "data/class_images") as folder:
        (folder / PICTURES / CONCEPT).mkdir(parents=True)
        for number, seed in enumerate(seeds):
            png = items.path(keys[seed]).read_bytes()
            records.append(record(number, png, seed, config))
            (folder / PICTURES / records[-1].file).write_bytes(png)
        write_records(folder, records)
    write_json(job.out / "metrics/class_images.json", {"pictures": len(records)})


if __name__ == "__main__":
    run(main)
