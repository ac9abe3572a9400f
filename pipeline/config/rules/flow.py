"""Rules between the base's objective and settings that only another one has."""

from collections.abc import Iterator

from pipeline.bases.facts import FamilyFacts
from pipeline.schemas import Config
from pipeline.schemas.samplers import A1111_NAMES, SAMPLERS_OF

OF_DIFFUSION = (
    "zero_terminal_snr",
    "min_snr_gamma",
    "debiased",
    "scale_v_prediction",
    "v_prediction_like",
)
OF_FLOW = ("flow_shift", "flow_shift_by_area", "flow_weighting")
"""Settings of the group noise that the other objective has no meaning for."""


def objective_problems(config: Config, facts: FamilyFacts) -> list[str]:
    """Samplers, noise settings and a prediction type that do not fit the base's objective."""
    return [*_samplers(config, facts), *_noise(config, facts), *_prediction_type(config, facts)]


def _samplers(config: Config, facts: FamilyFacts) -> Iterator[str]:
    fitting = SAMPLERS_OF[facts.objective]
    used = {"sample_grid": config.sample_grid.sampler}
    if config.class_images.count:
        used["class_images"] = config.class_images.sampler
    for group, name in used.items():
        if name not in fitting:
            names = ", ".join(A1111_NAMES[each] for each in sorted(fitting))
            yield (
                f"{group}.sampler {name} does not work with {facts.title}, whose objective is"
                f" {facts.objective}; use one of {names}"
            )


def _noise(config: Config, facts: FamilyFacts) -> Iterator[str]:
    others = OF_DIFFUSION if facts.objective == "flow" else OF_FLOW
    for name in others:
        if value := getattr(config.noise, name):
            off = "false" if value is True else "null"
            yield (
                f"noise.{name} has no meaning for {facts.title}, whose objective is {facts.objective}; set it"
                f" to {off}, use a preset of conf/experiment/ for this family, or choose another base"
            )


def _prediction_type(config: Config, facts: FamilyFacts) -> Iterator[str]:
    if config.base.prediction_type and facts.objective == "flow":
        yield (
            f"base.prediction_type {config.base.prediction_type}: {facts.title} predicts a flow's velocity;"
            " set it to null"
        )
