"""Recipes run on whole checkpoints with every name of SD 1.x."""

import json
from pathlib import Path
from typing import Any

import pytest
import torch
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st
from safetensors import safe_open
from safetensors.torch import load_file
from torch import Tensor

from pipeline.bases.weight_names import part_of
from pipeline.config.recipes import parse, varied
from pipeline.errors import UserError
from pipeline.files.hashing import sha256_of_file, sha256_of_tree
from pipeline.files.safetensors_file import write_safetensors
from pipeline.files.tensor_writer import TensorWriter
from pipeline.merging.__main__ import main
from pipeline.merging.build import build, open_inputs, run_recipe
from pipeline.schemas.recipe import Recipe
from tests.pipeline.merging.random_checkpoints import (
    FIRST,
    POSITION_IDS,
    random_weights,
    single_file,
    write_file,
    write_folder,
)

Tensors = dict[str, Tensor]


@pytest.fixture(scope="module")
def files(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """a, b and c as files, b as a folder too."""
    folder = tmp_path_factory.mktemp("models")
    for seed, name in enumerate("abc"):
        write_file(folder / f"{name}.safetensors", seed)
        write_file(folder / f"{name}16.safetensors", seed, torch.float16)
    write_folder(folder / "b", 1)
    return folder


def recipe(files: Path, merge: Any, dtype: str = "fp32", **inputs: str) -> Recipe:
    paths = {"a": "a.safetensors", "b": "b.safetensors", "c": "c.safetensors", **inputs}
    used = {name: str(files / path) for name, path in paths.items() if f"'{name}'" in str(merge)}
    return parse({"inputs": used, "merge": merge, "dtype": dtype}, "recipe")


def run(files: Path, merge: Any, out: Path, dtype: str = "fp32", **inputs: str) -> Tensors:
    run_recipe(recipe(files, merge, dtype, **inputs), out)
    return load_file(out)


def pair(alpha: Any, method: str = "weighted_sum") -> dict[str, Any]:
    return {"method": method, "a": "a", "b": "b", "alpha": alpha}


def test_nothing_of_b_gives_as_bytes(files: Path, tmp_path: Path) -> None:
    for dtype, name in (("fp32", "a.safetensors"), ("fp16", "a16.safetensors")):
        found = run(files, pair(0.0), tmp_path / "out.safetensors", dtype, a=name)
        expected = load_file(files / name)
        assert found.keys() == expected.keys()
        assert all(torch.equal(found[key], expected[key]) for key in expected)


def test_all_of_b_gives_bs_values_and_as_vae(files: Path, tmp_path: Path) -> None:
    found = run(files, pair(1.0), tmp_path / "out.safetensors")
    a, b = load_file(files / "a.safetensors"), load_file(files / "b.safetensors")
    assert all(torch.equal(found[key], (a if part_of(key) == "vae" else b)[key]) for key in a)
    with_vae = run(files, pair({"blocks": 1.0, "vae": 1.0}), tmp_path / "out.safetensors")
    assert all(torch.equal(with_vae[key], b[key]) for key in b)


@settings(max_examples=3, deadline=None, suppress_health_check=[HealthCheck.function_scoped_fixture])
@given(alpha=st.floats(0, 1))
def test_equal_blocks_are_the_plain_sum_and_equal_models_stay(
    files: Path, tmp_path: Path, alpha: float
) -> None:
    plain = run(files, pair(alpha), tmp_path / "plain.safetensors")
    listed = run(files, pair([alpha] * 26), tmp_path / "listed.safetensors")
    assert all(torch.equal(plain[key], listed[key]) for key in plain)
    same = run(files, pair(alpha), tmp_path / "same.safetensors", b="a.safetensors")
    a = load_file(files / "a.safetensors")
    assert all(torch.equal(same[key], a[key]) for key in a)


def test_a_folder_is_the_file_with_the_same_numbers(files: Path, tmp_path: Path) -> None:
    by_file = run(files, pair(0.3), tmp_path / "file.safetensors")
    by_folder = run(files, pair(0.3), tmp_path / "folder.safetensors", b="b")
    assert all(torch.equal(by_file[key], by_folder[key]) for key in by_file)
    first = run(files, {**pair(0.7), "a": "b", "b": "a"}, tmp_path / "first.safetensors", b="b")
    assert first.keys() == by_file.keys() - {POSITION_IDS}
    close = [key for key in first if part_of(key) != "vae"]
    assert all(torch.allclose(first[key], by_file[key], atol=1e-6) for key in close)


def test_weights_reach_their_tensors(files: Path, tmp_path: Path) -> None:
    alpha = {"blocks": "GRAD_A", "base_alpha": 1.0, "vae": 0.5, "time": "base", "keys": {r"\.attn2\.": 0.25}}
    found = run(files, pair(alpha), tmp_path / "out.safetensors")
    a, b = load_file(files / "a.safetensors"), load_file(files / "b.safetensors")
    unet = "model.diffusion_model."
    expected = {
        f"{unet}input_blocks.0.0.weight": 0.0,
        f"{unet}input_blocks.6.0.op.weight": 0.5,
        f"{unet}middle_block.0.in_layers.0.weight": 1.0,
        f"{unet}out.2.bias": 0.0,
        f"{unet}time_embed.0.weight": 1.0,
        f"{unet}middle_block.1.transformer_blocks.0.attn2.to_k.weight": 0.25,
        "cond_stage_model.transformer.text_model.final_layer_norm.bias": 1.0,
        "first_stage_model.decoder.conv_in.weight": 0.5,
    }
    for key, weight in expected.items():
        assert torch.equal(found[key], torch.lerp(a[key], b[key], weight)), key


def test_a_full_fine_tune_is_baked_by_its_distance_from_the_base(files: Path, tmp_path: Path) -> None:
    step = {"method": "bake", "model": "a", "network": "b", "strength": [0.3] * 26}
    found = run(files, step, tmp_path / "out.safetensors")
    expected = run(files, pair(0.3), tmp_path / "pair.safetensors")
    assert all(torch.equal(found[key], expected[key]) for key in expected)


def test_rounded_once_to_fp16(files: Path, tmp_path: Path) -> None:
    names = {"a": "a16.safetensors", "b": "b16.safetensors"}
    found = run(files, pair(0.3), tmp_path / "out.safetensors", "fp16", **names)
    a, b = (load_file(files / name) for name in names.values())
    same = total = 0
    for key in (key for key in a if part_of(key) in ("unet", "text_encoder") and key != POSITION_IDS):
        wanted = (0.7 * a[key].double() + 0.3 * b[key].double()).to(torch.float16)
        same, total = same + int((found[key] == wanted).sum()), total + wanted.numel()
        assert found[key].dtype == torch.float16
    assert same / total >= 0.998


def test_steps_nest_in_their_order(files: Path, tmp_path: Path) -> None:
    added = {"method": "add_difference", "a": "b", "b": "c", "c": "a", "alpha": 0.5}
    nested = {"method": "replace_vae", "model": {**pair(0.25), "b": added}, "vae": "c"}
    found = run(files, nested, tmp_path / "out.safetensors")
    a, b, c = (load_file(files / f"{name}.safetensors") for name in "abc")
    key = "model.diffusion_model.input_blocks.4.0.in_layers.2.weight"
    assert torch.equal(found[key], torch.lerp(a[key], torch.add(b[key], c[key] - a[key], alpha=0.5), 0.25))
    vae = [key for key in a if part_of(key) == "vae"]
    assert all(torch.equal(found[key], c[key]) for key in vae)


@pytest.mark.parametrize(
    "step",
    [
        pair(0.4, "slerp"),
        pair(0.4, "cosine_a"),
        pair(0.4, "cosine_b"),
        {"method": "train_difference", "a": "a", "b": "b", "c": "c", "alpha": 1.0},
        {"method": "smooth_add", "a": "a", "b": "b", "c": "c", "alpha": 1.0},
        {"method": "triple_sum", "a": "a", "b": "b", "c": "c", "alpha": 0.3, "beta": "GRAD_V"},
        {"method": "sum_twice", "a": "a", "b": "b", "c": "c", "alpha": 0.3, "beta": 0.2},
        {"method": "ties", "base": "a", "models": ["b", "c"], "density": 0.3},
        {"method": "dare", "base": "a", "models": ["b", "c"], "drop": 0.5, "seed": 3},
        {"method": "model_stock", "base": "a", "models": ["b", "c"]},
    ],
    ids=lambda step: step["method"],
)
def test_every_method_streams_the_same_bytes_each_time(
    step: dict[str, Any], files: Path, tmp_path: Path
) -> None:
    found = run(files, step, tmp_path / "one.safetensors", "fp16")
    run(files, step, tmp_path / "two.safetensors", "fp16")
    assert (tmp_path / "one.safetensors").read_bytes() == (tmp_path / "two.safetensors").read_bytes()
    a = load_file(files / "a.safetensors")
    assert all(
        not torch.equal(found[key], a[key].half()) for key in (FIRST, "model.diffusion_model.out.2.weight")
    )


NOTHING = [
    *(pair(0.0, method) for method in ("weighted_sum", "slerp")),
    *({"method": method, "a": "a", "b": "b", "c": "c", "alpha": 0}
      for method in ("add_difference", "train_difference", "smooth_add")),
    *({"method": method, "a": "a", "b": "b", "c": "c", "alpha": 0, "beta": 0}
      for method in ("triple_sum", "sum_twice")),
    {"method": "ties", "base": "a", "models": ["b", "c"], "density": 0.3, "alpha": 0},
    {"method": "dare", "base": "a", "models": ["b", "c"], "drop": 0.5, "alpha": 0},
    {"method": "model_stock", "base": "a", "models": ["b", "c"], "alpha": 0},
    {"method": "bake", "model": "a", "network": "b", "strength": 0},
]  # fmt: skip
"""cosine_a and cosine_b are not A at alpha 0: they take from B what points elsewhere."""


@pytest.mark.parametrize("step", NOTHING, ids=lambda step: step["method"])
def test_every_method_at_nothing_passes_as_own_bytes_on(step: dict[str, Any], files: Path) -> None:
    opened = open_inputs(recipe(files, step))
    node, a = build(opened=opened, step=recipe(files, step).merge), opened.checkpoints["a"].tensors
    assert node.tensors.keys() == a.keys()
    assert all(node.unchanged(name) is stored for name, stored in a.items())


def test_dare_draws_other_places_for_each_tensor(files: Path, tmp_path: Path) -> None:
    step = {"method": "dare", "base": "a", "models": ["b"], "drop": 0.5}
    found = run(files, step, tmp_path / "out.safetensors")
    a = load_file(files / "a.safetensors")
    masks = [
        found[key] == a[key]
        for n in (1, 2)
        for key in [f"model.diffusion_model.input_blocks.{n}.0.out_layers.3.weight"]
    ]
    assert masks[0].shape == masks[1].shape
    assert not torch.equal(*masks)


def test_a_merged_file_is_made_again_to_the_byte_from_its_own_header(
    files: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    alpha = {"blocks": "GRAD_V", "base_alpha": 0, "keys": {r"attn2\.to_k": 1.0, "attn": 0.5}}
    merge = {"method": "replace_vae", "model": pair(alpha), "vae": "c"}
    out, again = tmp_path / "out.safetensors", tmp_path / "again.safetensors"
    run(files, merge, out, "bf16", b="b")
    main(["rebuild", str(out), "--out", str(again), "--search", str(files)])
    assert again.read_bytes() == out.read_bytes()
    assert f"is {out} to the byte (sha256 {sha256_of_file(out)})" in capsys.readouterr().out
    with safe_open(out, "pt") as file:
        header = file.metadata()
    own = json.loads(header["athanor.merge"])
    assert own["inputs"]["a"] == {"path": "a.safetensors", "sha256": sha256_of_file(files / "a.safetensors")}
    assert own["inputs"]["b"] == {"path": "b", "sha256": sha256_of_tree(files / "b")}
    assert str(files) not in json.dumps(header)


def test_the_webui_finds_its_own_entries(files: Path, tmp_path: Path) -> None:
    out, nested = tmp_path / "out.safetensors", tmp_path / "nested.safetensors"
    run(files, pair(0.3), out, "fp16")
    write_file(tmp_path / "c.safetensors", 2)
    again = {
        "inputs": {"a": str(out), "c": str(tmp_path / "c.safetensors")},
        "merge": {**pair(0.5), "b": "c"},
    }
    run_recipe(parse(again, "recipe"), nested)
    with safe_open(nested, "pt") as file:
        header = file.metadata()
    entry, models = json.loads(header["sd_merge_recipe"]), json.loads(header["sd_merge_models"])
    assert entry["type"] == "webui"
    assert (entry["interp_method"], entry["multiplier"], entry["save_as_half"]) == ("Weighted sum", 0.5, True)
    assert entry["primary_model_hash"] == sha256_of_file(out)
    first = models[sha256_of_file(out)]
    assert first["name"] == "out.safetensors"
    assert first["sd_merge_recipe"]["multiplier"] == 0.3
    assert (entry["is_inpainting"], entry["is_instruct_pix2pix"]) == (False, False)
    assert sha256_of_file(files / "a.safetensors") in models


def test_position_ids_are_restored_and_never_blended(files: Path, tmp_path: Path) -> None:
    tensors = load_file(files / "a.safetensors") | {POSITION_IDS: torch.rand(1, 77).half()}
    write_safetensors(tmp_path / "a.safetensors", tensors, {})
    found = run(files, pair(0.3), tmp_path / "out.safetensors", a=str(tmp_path / "a.safetensors"))
    assert torch.equal(found[POSITION_IDS], torch.arange(77)[None])


def test_an_empty_tensor_that_marks_a_model_is_kept(files: Path, tmp_path: Path) -> None:
    """As `v_pred`, by which ComfyUI knows a model of v-prediction."""
    tensors = load_file(files / "a.safetensors") | {"v_pred": torch.zeros(0)}
    write_safetensors(tmp_path / "a.safetensors", tensors, {})
    found = run(files, pair(0.3), tmp_path / "out.safetensors", a=str(tmp_path / "a.safetensors"))
    assert found["v_pred"].shape == (0,)


def test_ema_and_optimizer_are_dropped_by_choice(files: Path, tmp_path: Path) -> None:
    extra = {"model_ema.decay": torch.ones(()), "betas": torch.ones(3), "optimizer.step": torch.ones(1)}
    write_safetensors(tmp_path / "a.safetensors", load_file(files / "a.safetensors") | extra, {})
    content = {"inputs": {"a": str(tmp_path / "a.safetensors")}, "merge": "a", "dtype": "fp32"}
    for drop, left in ((None, {"betas"}), ([], set(extra)), (["schedule", "ema", "optimizer", "vae"], set())):
        given = content if drop is None else {**content, "drop": drop}
        run_recipe(parse(given, "recipe"), tmp_path / "out.safetensors")
        found = load_file(tmp_path / "out.safetensors")
        assert found.keys() & extra.keys() == left
        assert any(part_of(key) == "vae" for key in found) == ("vae" not in (drop or []))


@pytest.mark.parametrize("channels", [8, 9])
def test_inpainting_keeps_its_own_channels(channels: int, files: Path, tmp_path: Path) -> None:
    tensors = load_file(files / "a.safetensors")
    extra = torch.randn(tensors[FIRST].shape[0], channels - 4, 3, 3)
    write_safetensors(
        tmp_path / "a.safetensors", tensors | {FIRST: torch.cat([tensors[FIRST], extra], 1)}, {}
    )
    special = str(tmp_path / "a.safetensors")
    found = run(files, pair(0.3), tmp_path / "out.safetensors", a=special)
    plain = run(files, pair(0.3), tmp_path / "plain.safetensors")
    assert torch.equal(found[FIRST], torch.cat([plain[FIRST], extra], 1))
    everything = run(files, pair(1.0), tmp_path / "out.safetensors", a=special)
    assert torch.equal(everything[FIRST][:, 4:], extra)
    with pytest.raises(UserError, match="must be A"):
        run(files, {**pair(0.3), "a": "b", "b": "a"}, tmp_path / "no.safetensors", a=special)


def test_other_architectures_are_refused_before_a_weight_is_read(
    files: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("pipeline.files.tensor_file.Stored.read", lambda *_: pytest.fail("a weight was read"))
    a = load_file(files / "a.safetensors")
    shorter = {key: value for key, value in a.items() if ".layers.1." not in key}
    write_safetensors(tmp_path / "b.safetensors", shorter, {})
    with pytest.raises(UserError, match=r"different architectures: 16 missing in the second \(.*layers\.1"):
        run_recipe(recipe(files, pair(0.5), b=str(tmp_path / "b.safetensors")), tmp_path / "out.safetensors")
    key = "model.diffusion_model.input_blocks.4.0.in_layers.2.weight"
    write_safetensors(tmp_path / "b.safetensors", a | {key: torch.ones(2, 2, 3, 3)}, {})
    with pytest.raises(UserError, match=r"1 of another shape .*input_blocks\.4\.0"):
        run_recipe(recipe(files, pair(0.5), b=str(tmp_path / "b.safetensors")), tmp_path / "out.safetensors")
    write_safetensors(tmp_path / "b.safetensors", {"double_blocks.0.img_attn.qkv.weight": torch.ones(1)}, {})
    with pytest.raises(UserError, match="is Flux"):
        run_recipe(recipe(files, pair(0.5), b=str(tmp_path / "b.safetensors")), tmp_path / "out.safetensors")
    assert not (tmp_path / "out.safetensors").exists()


def test_nan_in_an_input_and_another_file_than_asked_for_are_told_together(
    files: Path, tmp_path: Path
) -> None:
    sick = load_file(files / "b.safetensors")
    sick[FIRST][0, 0, 0, 0] = torch.nan
    write_safetensors(tmp_path / "b.safetensors", sick, {})
    content = {
        "inputs": {
            "a": {"path": str(files / "a.safetensors"), "sha256": "0" * 64},
            "b": str(tmp_path / "b.safetensors"),
        },
        "merge": pair(0.5),
    }
    with pytest.raises(UserError) as caught:
        run_recipe(parse(content, "recipe"), tmp_path / "out.safetensors")
    assert len(caught.value.problems) == 2
    found = sha256_of_file(files / "a.safetensors")
    assert f"a.safetensors has the sha256 {found}, the recipe asks for {'0' * 64}" in caught.value.problems[0]
    assert "NaN or infinity in 1 tensors" in caught.value.problems[1]


def test_numbers_that_do_not_fit_are_told_and_leave_nothing(files: Path, tmp_path: Path) -> None:
    huge = load_file(files / "b.safetensors")
    huge[FIRST] += 1e6
    write_safetensors(tmp_path / "b.safetensors", huge, {})
    given = recipe(files, pair(0.5), "fp16", b=str(tmp_path / "b.safetensors"))
    (tmp_path / "out").mkdir()
    with pytest.raises(UserError, match="do not fit"):
        run_recipe(given, tmp_path / "out" / "out.safetensors")
    assert list((tmp_path / "out").iterdir()) == []


@pytest.mark.parametrize(
    ("error", "told"),
    [
        (KeyboardInterrupt(), "^$"),
        (
            OSError(28, "No space left on device"),
            r"out\.safetensors needs 0\.00 GB.*No space left.*free space",
        ),
    ],
)
def test_stopped_in_the_middle_leaves_no_file(
    error: BaseException, told: str, files: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    real, calls = TensorWriter.write, []

    def failing(*arguments: Any) -> None:
        calls.append(1)
        if len(calls) == 300:
            raise error
        real(*arguments)

    monkeypatch.setattr(TensorWriter, "write", failing)
    with pytest.raises((KeyboardInterrupt, UserError), match=told):
        run(files, pair(0.5), tmp_path / "out.safetensors")
    assert list(tmp_path.iterdir()) == []


def test_too_little_room_is_told_before_the_first_byte(
    files: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("shutil.disk_usage", lambda _: type("Usage", (), {"free": 1000}))
    with pytest.raises(UserError, match="are free there; free space"):
        run(files, pair(0.5), tmp_path / "out.safetensors")
    assert list(tmp_path.iterdir()) == []


def test_a_ckpt_gives_what_its_safetensors_gives(files: Path, tmp_path: Path) -> None:
    torch.save({"state_dict": single_file(random_weights(1)), "global_step": 3}, tmp_path / "b.ckpt")
    found = run(files, pair(0.3), tmp_path / "out.safetensors", b=str(tmp_path / "b.ckpt"))
    expected = run(files, pair(0.3), tmp_path / "plain.safetensors")
    assert all(torch.equal(found[key], expected[key]) for key in expected)


def test_old_names_of_the_text_encoder_are_known(files: Path, tmp_path: Path) -> None:
    old = {
        key.replace(".text_model.", "."): value for key, value in load_file(files / "b.safetensors").items()
    }
    write_safetensors(tmp_path / "b.safetensors", old, {})
    found = run(files, pair(0.3), tmp_path / "out.safetensors", b=str(tmp_path / "b.safetensors"))
    expected = run(files, pair(0.3), tmp_path / "plain.safetensors")
    assert all(torch.equal(found[key], expected[key]) for key in expected)


def test_mistakes_of_a_recipe_come_together() -> None:
    with pytest.raises(UserError) as caught:
        parse({"inputs": {"a": "x"}, "merge": {"method": "weightd_sum", "a": "a"}, "dtyp": 1}, "r.yaml")
    text = "\n".join(caught.value.problems)
    assert "did you mean weighted_sum" in text
    assert "dtyp is not a key" in text
    with pytest.raises(UserError, match="did you mean anime") as caught:
        parse({"inputs": {"anime": "x", "b": "y"}, "merge": {**pair(1), "a": "anme", "b": "anme"}}, "r.yaml")
    assert len(caught.value.problems) == 3  # an unknown name, two inputs without use


@pytest.mark.parametrize(
    ("alpha", "told"),
    [
        ({"M00": 1}, ["merge.alpha.blocks is missing", "merge.alpha.M00 is not a key of a recipe there"]),
        ({"blocks": {"M00": "x"}}, ["merge.alpha.blocks.M00: 'x' is not allowed; input should be"]),
        ([0.1, "x"], ["merge.alpha.1: 'x' is not allowed; input should be"]),
        (None, ["merge.alpha: None is not allowed; weights are a number, a list of them,"]),
    ],
)
def test_weights_of_no_known_form_are_told_in_one_sentence(alpha: Any, told: list[str]) -> None:
    with pytest.raises(UserError) as caught:
        parse({"inputs": {"a": "x", "b": "y"}, "merge": pair(alpha)}, "r.yaml")
    for problem, start in zip(caught.value.problems, told, strict=True):
        assert problem.startswith(f"r.yaml: {start}")


def test_a_recipe_is_varied_at_dotted_places() -> None:
    content = {"inputs": {"a": "x", "b": "y"}, "merge": pair(0.5)}
    assert varied(content, {"merge.alpha": 0.2})["merge"]["alpha"] == 0.2
    deeper = varied(content, {"merge.alpha.base_alpha": 1})["merge"]["alpha"]
    assert deeper == {"blocks": 0.5, "base_alpha": 1}
    assert content["merge"] == pair(0.5)
    with pytest.raises(UserError, match="has no mergee; did you mean merge"):
        varied(content, {"mergee.alpha": 1})


@pytest.mark.parametrize("number", [12, 24, 27])
def test_a_list_of_another_length_is_refused(number: int, files: Path, tmp_path: Path) -> None:
    with pytest.raises(UserError, match=f"merge.alpha has {number} numbers; give one for each"):
        run(files, pair([0.5] * number), tmp_path / "out.safetensors")
