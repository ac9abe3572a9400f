"""Header entries of a converted adapter: its family, as sd-scripts and ModelSpec state it, if the file itself
does not.
"""

from collections.abc import Mapping

from pipeline.bases.facts import FamilyFacts
from pipeline.bases.prediction import EPSILON, FLOW, MODELSPEC, MODELSPEC_KEY, V
from pipeline.bases.registry import ARCHITECTURE_KEY, VERSION_KEY
from pipeline.networks.base_family import Modules, family_of_network

IMPLEMENTATION_KEY = "modelspec.implementation"
V_KEY = "ss_v_parameterization"


def stamped(metadata: Mapping[str, str], modules: Modules, title: str, layout: str) -> dict[str, str]:
    """The header with what it lacks; the implementation follows the new layout. A prediction type that the
    family leaves open is not guessed.
    """
    made = family_of_network(modules, metadata)
    if made is None:
        return dict(metadata)
    facts = made.facts
    implementation = "diffusers" if layout == "diffusers" else facts.implementation
    return {**_of_family(facts, metadata, title), **metadata, IMPLEMENTATION_KEY: implementation}


def _of_family(facts: FamilyFacts, metadata: Mapping[str, str], title: str) -> dict[str, str]:
    prediction = MODELSPEC.get(metadata.get(MODELSPEC_KEY, ""), facts.prediction)
    if metadata.get(V_KEY) == "True" or (facts.of_v and metadata.get(VERSION_KEY) == facts.of_v[1]):
        prediction = V
    if prediction is None:  # a flow's family is known by its names alone, its member is not
        known = {VERSION_KEY: facts.version} if facts.objective == FLOW else {}
        return {**known, "ss_v2": str(facts.is_v2)}
    architecture, version = facts.stamp(prediction)
    side = facts.side_px(prediction)
    return {
        VERSION_KEY: version,
        "ss_v2": str(facts.is_v2),
        "modelspec.sai_model_spec": "1.0.1",
        ARCHITECTURE_KEY: f"{architecture}/lora",
        "modelspec.title": title,
        "modelspec.resolution": f"{side}x{side}",
        MODELSPEC_KEY: "epsilon" if prediction == EPSILON else "v",
    }
