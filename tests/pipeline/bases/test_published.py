"""Every tensor of a published single file has exactly one place in the parts, or is a passenger."""

from collections import Counter

import pytest

from pipeline.bases.origins import file_shape
from pipeline.bases.registry import family
from tests.pipeline.bases.published import TOWER, whole_base

SD2_TEXT, XL_TEXT = "cond_stage_model.model.", "conditioner.embedders.1.model."
POSITIONS = "transformer.text_model.embeddings.position_ids"
COUNTS = {"sd1": 686 + 248 + 197, "sd2": 686 + 248 + 294, "sdxl": 1680 + 248 + 390 + 197}
PASSENGERS = {
    "sd1": {f"cond_stage_model.{POSITIONS}"},
    "sd2": {f"{SD2_TEXT}transformer.resblocks.23.{name}" for name in TOWER}
    | {f"{SD2_TEXT}text_projection", f"{SD2_TEXT}logit_scale"},
    "sdxl": {f"conditioner.embedders.0.{POSITIONS}", f"{XL_TEXT}logit_scale"},
}


@pytest.mark.parametrize("name", COUNTS)
def test_each_tensor_has_one_place(name: str) -> None:
    whole, made = whole_base(name), family(name)
    assert len(whole) == COUNTS[name]
    owners, pieces, shapes = Counter[str](), dict[str, list[int]](), dict[str, set[tuple[int, ...]]]()
    for part in made.parts:
        tensors = part.outline(dict(made.configs[part.name])).state_dict()
        origins = made.origins(part.name, tensors, made.configs)
        owners.update({origin.key for origin in origins.values()})
        for key, origin in origins.items():
            pieces.setdefault(origin.key, []).append(origin.piece)
            shapes.setdefault(origin.key, set()).add(file_shape(origin, tuple(tensors[key].shape)))
            assert origin.pieces == (3 if ".in_proj_" in origin.key else 1)
    assert set(owners.values()) == {1}
    assert whole.keys() - owners.keys() == PASSENGERS[name]
    assert owners.keys() <= whole.keys()
    assert all(sorted(found) == list(range(len(found))) for found in pieces.values())
    assert all(len(found) == (3 if ".in_proj_" in key else 1) for key, found in pieces.items())
    assert {key: {whole[key]} for key in shapes} == shapes
