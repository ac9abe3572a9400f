"""What the encoder found in the pictures: lines for the terminal, and a page with thumbnails."""

from collections.abc import Iterator, Sequence
from pathlib import Path

from pipeline.clusters.found import Cluster, ConceptLooks
from pipeline.pictures.records import PICTURE_FOLDER, Record
from pipeline.reports.template import template
from pipeline.reports.thumbnails import data_uris

TEMPLATE = Path(__file__).with_name("clusters.html.j2")
THUMBNAIL_PX = 128
MOST_SHOWN = 24
"""Of a cluster."""


def said(found: Sequence[ConceptLooks]) -> Iterator[str]:
    """Lines for the terminal."""
    for each in found:
        yield f"{each.concept}: {each.pictures} pictures in {len(each.clusters)} clusters"
        for odd in each.odd:
            yield f"  odd one out: {odd.record.id} (robust z {odd.z:g})"
        for pair in each.near:
            names = f"{pair.first.id}, {pair.second.id}"
            yield f"  near duplicates: {names} ({pair.share:.0%} of the mean distance)"
        for cluster in each.clusters:
            number = len(cluster.records)
            several = "1 picture" if number == 1 else f"{number} alike"
            yield f"  {several}, {change(cluster)}: {', '.join(_names(cluster.records))}"


def change(cluster: Cluster) -> str:
    """The proposed repeats, and those of now."""
    now = sorted({record.repeats for record in cluster.records})
    if now == [cluster.repeats]:
        return f"repeats {cluster.repeats}, as now"
    return f"repeats {cluster.repeats}, now {' and '.join(map(str, now))}"


def _names(records: Sequence[Record]) -> list[str]:
    names = [record.id.partition("/")[2] for record in records[:5]]
    return names + ([f"and {len(records) - 5} more"] if len(records) > 5 else [])


def page(found: Sequence[ConceptLooks], cropped: Path) -> str:
    """The HTML, with thumbnails inside."""
    shown = dict[str, Record]()
    for each in found:
        records = [*(odd.record for odd in each.odd)]
        records += [record for pair in each.near for record in (pair.first, pair.second)]
        records += [record for cluster in each.clusters for record in cluster.records[:MOST_SHOWN]]
        shown |= {record.sha256: record for record in records}
    files = {digest: cropped / PICTURE_FOLDER / record.file for digest, record in shown.items()}
    uris = data_uris(files, THUMBNAIL_PX)
    return str(template(TEMPLATE).render(found=found, uris=uris, most=MOST_SHOWN, change=change))
