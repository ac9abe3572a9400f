"""`python -m pipeline.clusters`: looks at data/cropped/ with the encoder of `vision`, and says which pictures
are odd, which nearly the same, and which form clusters, with repeats for each. Writes
reports/clusters/index.html and changes nothing else; outside the graph, since no result follows from it.
"""

import argparse
from collections.abc import Sequence
from pathlib import Path

from pipeline.clusters.found import Limits, Looker, looks
from pipeline.clusters.page import page, said
from pipeline.command import run
from pipeline.config.load import composed
from pipeline.files.atomic import new_folder
from pipeline.outside_graph import insist_on
from pipeline.pictures.records import read_records
from pipeline.typed_numbers import above

_CROPPED, CLUSTERS_OUT = Path("data/cropped"), Path("reports/clusters")


def parser() -> argparse.ArgumentParser:
    made = argparse.ArgumentParser(prog="python -m pipeline.clusters", description=__doc__)
    made.add_argument("overrides", nargs="*", metavar="KEY=VALUE", help="settings, such as use.vision=siglip")
    made.add_argument("--odd", type=above(0), default=3.5, metavar="Z", help="robust z of an odd picture")
    made.add_argument(
        "--near", type=above(0), default=0.1, metavar="SHARE",
        help="near duplicates are closer than this share of the concept's mean distance",
    )  # fmt: skip
    made.add_argument(
        "--together", type=above(0), default=0.7, metavar="SHARE",
        help="clusters are joined up to this share of it (average linkage); larger: fewer clusters",
    )  # fmt: skip
    return made


def main(arguments: Sequence[str] = ()) -> None:
    chosen = parser().parse_args(arguments)
    insist_on(_CROPPED)
    config = composed(chosen.overrides, ("vision",)).vision
    limits = Limits(chosen.odd, chosen.near, chosen.together)
    found = looks(Looker(config, _CROPPED), read_records(_CROPPED), limits)
    with new_folder(CLUSTERS_OUT) as folder:
        (folder / "index.html").write_text(page(found, _CROPPED), encoding="utf-8")
    for line in said(found):
        print(line)
    print(f"{CLUSTERS_OUT / 'index.html'} shows them")


if __name__ == "__main__":
    run(main)
