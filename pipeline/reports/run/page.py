"""The report as HTML, from the stages' outputs."""

import re
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from pipeline.reports.grid import LEGEND, shown
from pipeline.reports.run.curves import HEIGHT, LEFT, WIDTH, Drawn
from pipeline.reports.run.dataset_view import DatasetView
from pipeline.reports.run.files import ADAPTER, HYPERNETWORK, Made
from pipeline.reports.run.grid_view import GridRow, PicturePair, ShownFour
from pipeline.reports.run.heat import heat
from pipeline.reports.run.interval_chart import INTERVAL_WIDTH_PX, IntervalChart
from pipeline.reports.run.proposal import Proposal
from pipeline.reports.run.usage import call, file_to_copy, uses
from pipeline.reports.run.verdict import RunVerdict
from pipeline.reports.template import template

TEMPLATE = Path(__file__).with_name("page.html.j2")
MOST_RANKED = 12
RANKING_COLUMNS = (
    "subject",
    "prompt",
    "clip",
    "answers",
    "identity",
    "quality",
    "nearest_training",
    "diversity",
    "copies",
    "sharpness",
    "colours",
    "clipped",
)


@dataclass(frozen=True)
class Story:
    """One run. `config`: the groups base, network, train, merge; `ranking`: ranking.json."""

    name: str
    config: Mapping[str, Any]
    metrics: Mapping[str, Any]
    plan: Mapping[str, Any]
    findings: Sequence[Mapping[str, str]]
    recipe: Mapping[str, Any]
    verdict: RunVerdict
    four: ShownFour | None
    votes: Sequence[str]
    """What people's votes say, in sentences; empty without votes."""
    questions: Sequence[Mapping[str, Any]]
    """Of verdict.json, with the answers; empty if none were asked."""
    titles: Mapping[str, str]
    """Of measures, as the verdict names them."""
    proposal: Proposal
    ranking: Sequence[Mapping[str, Any]]
    pairs: Sequence[PicturePair]
    rows: Sequence[GridRow]
    charts: Sequence[Drawn]
    dataset: DatasetView
    files: Sequence[Made]
    intervals: Sequence[IntervalChart]
    is_merged_unlike: bool
    voted_place: str
    """Empty unless merge.epoch is voted."""


def page(story: Story) -> str:
    """The HTML."""
    return str(
        template(TEMPLATE).render(
            story=story,
            proposal=story.proposal,
            plan=story.plan,
            kind=_kind(story.config["network"]),
            uses=uses(story.proposal),
            call=call(story.proposal),
            file_to_copy=file_to_copy(story.proposal),
            has_strength=story.proposal.family in (ADAPTER, HYPERNETWORK),
            heat=heat(story.ranking, story.metrics["sample_grid"].get("base")),
            legend=[(name, LEGEND[name]) for name in _known(story.ranking)],
            known=_known(story.ranking),
            interval_width=INTERVAL_WIDTH_PX,
            ranked=story.ranking[:MOST_RANKED],
            params=params_text(story.recipe["params"]),
            as_yaml=as_yaml,
            first_sentence=first_sentence,
            shown=shown,
            byte_text=byte_text,
            chart_width=WIDTH,
            chart_height=HEIGHT,
            chart_left=LEFT,
        )
    )


def _known(ranking: Sequence[Mapping[str, Any]]) -> list[str]:
    return [name for name in RANKING_COLUMNS if any(row["figures"].get(name) is not None for row in ranking)]


def _kind(network: Mapping[str, Any]) -> str:
    """The network in a few words."""
    name = {
        "lora": "LoRA",
        "locon": "LoCon",
        "loha": "LoHa",
        "lokr": "LoKr",
        "ia3": "IA3",
        "dylora": "DyLoRA",
    }
    text = str(name.get(network["name"], network["name"]))
    if network["name"] == "checkpoint":
        return "full fine-tune"
    if network.get("dora"):
        text += " with DoRA"
    if "dim" in network and network["name"] != "ia3":
        text += f", dim {network['dim']}, alpha {network['alpha']:g}"
    return text


def params_text(params: Mapping[str, Any]) -> str:
    """params.yaml that makes this run: `use`, then the values by group."""
    import yaml

    nested: dict[str, Any] = {"use": dict(params["use"])} if params["use"] else {}
    for key, value in params["values"].items():
        group, _, rest = key.partition(".")
        if rest:
            nested.setdefault(group, {})[rest] = value
        else:
            nested[group] = value
    text: str = yaml.safe_dump(
        nested, sort_keys=False, allow_unicode=True, default_flow_style=None, width=110
    )
    return text


def as_yaml(value: Any) -> str:
    """A value as written in params.yaml."""
    if value is None:
        return "null"
    if isinstance(value, bool):
        return str(value).lower()
    if isinstance(value, float):
        return f"{value:g}"
    if isinstance(value, list):
        texts = [as_yaml(each) for each in value]
        return ("; " if any("," in text for text in texts) else ", ").join(texts) or "none"
    return str(value)


def first_sentence(comment: str) -> str:
    """The first sentence without its full stop; `et al. 2023` does not end it."""
    return re.split(r"(?<!\bal)\.(?:\s|$)", comment, maxsplit=1)[0]


def byte_text(number: int) -> str:
    for unit, power in (("GB", 9), ("MB", 6), ("kB", 3)):
        if number >= 10**power:
            return f"{number / 10**power:.3g} {unit}"
    return f"{number} B"
