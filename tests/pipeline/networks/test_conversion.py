from pathlib import Path
from typing import Any

import pytest
import torch
from diffusers import StableDiffusionPipeline
from safetensors.torch import save_file

from pipeline.bases.base import Base
from pipeline.bases.save import save_folder
from pipeline.errors import UserError
from pipeline.files.embedding_file import embedding_metadata, read_embeddings, write_a1111
from pipeline.files.hypernetwork_file import read_hypernetwork
from pipeline.files.safetensors_file import write_safetensors
from pipeline.networks.__main__ import main
from pipeline.networks.conversion import convert, convert_to_lora
from pipeline.networks.families import family_of_file, load
from pipeline.networks.inspection import inspect
from pipeline.networks.network import AdapterNetwork
from pipeline.networks.network_files import read_weights
from pipeline.networks.reduction import best_of_rank
from tests.pipeline.bases.random_sd1 import random_base
from tests.pipeline.files.a1111_hypernetwork import two_wide
from tests.pipeline.networks.test_families import trained
from tests.typed import typed

ROWS = torch.arange(4.0).reshape(2, 2)


def diffusers_pipeline(base: Base, folder: Path) -> Any:
    save_folder(base, folder, "fp32", {})
    return StableDiffusionPipeline.from_pretrained(folder, safety_checker=None)


def network_of(path: Path, base: Base) -> AdapterNetwork:
    network = load(path, base)
    assert isinstance(network, AdapterNetwork)
    return network


def test_a_hypernetwork_goes_there_and_back(tmp_path: Path) -> None:
    two_wide(tmp_path / "a.pt", dropout_structure=[0, 0.5, 0], name="c", step=0)
    convert(tmp_path / "a.pt", tmp_path / "b.safetensors")
    convert(tmp_path / "b.safetensors", tmp_path / "c.pt")
    convert(tmp_path / "a.pt", tmp_path / "direct.pt")
    old, new = read_hypernetwork(tmp_path / "a.pt"), read_hypernetwork(tmp_path / "c.pt")
    assert new.structure == old.structure
    assert all(torch.equal(new.layers[2][0][key], old.layers[2][0][key]) for key in old.layers[2][0])


def test_an_embedding_goes_there_and_back(tmp_path: Path) -> None:
    write_a1111(tmp_path / "zib.pt", "zib", ROWS, {})
    convert(tmp_path / "zib.pt", tmp_path / "b.safetensors")
    convert(tmp_path / "b.safetensors", tmp_path / "new" / "zib.pt")
    assert (tmp_path / "new" / "zib.pt").read_bytes() == (tmp_path / "zib.pt").read_bytes()


def test_several_words_become_one_file_each(tmp_path: Path) -> None:
    path = tmp_path / "run.safetensors"
    write_safetensors(path, {"zib": ROWS, "zob": ROWS + 1}, embedding_metadata(["zib", "zob"]))
    with pytest.raises(UserError, match="give a folder"):
        convert(path, tmp_path / "a.pt")
    told = typed(main, "convert", str(path), str(tmp_path / "each")).stdout
    assert told.splitlines() == [str(tmp_path / "each" / f"{word}.safetensors") for word in ("zib", "zob")]
    assert torch.equal(read_embeddings(tmp_path / "each" / "zob.safetensors")["zob"], ROWS + 1)


def test_what_has_no_other_layout_is_a_sentence(tmp_path: Path) -> None:
    save_file({"lora_te_x.unknown": ROWS}, tmp_path / "a.safetensors")
    with pytest.raises(UserError, match="is not a network file of a known family"):
        convert(tmp_path / "a.safetensors", tmp_path / "b.pt")
    write_a1111(tmp_path / "zib.pt", "zib", ROWS, {})
    with pytest.raises(UserError, match=r"no layout has the suffix '\.ckpt'"):
        convert(tmp_path / "zib.pt", tmp_path / "b.ckpt")


@torch.no_grad()
def test_diffusers_layout_acts_as_sd_scripts_does_in_diffusers_and_comes_back(tmp_path: Path) -> None:
    base = random_base()
    first, second, back = (tmp_path / f"{name}.safetensors" for name in ("first", "second", "back"))
    write_safetensors(first, trained("lora", base).file_tensors("fp32"), {"ss_seed": "1"})
    convert(first, second, "diffusers")
    answers = []
    for path in (first, second):
        pipe = diffusers_pipeline(base, tmp_path / "folder")
        pipe.load_lora_weights(tmp_path, weight_name=path.name, adapter_name=path.stem)
        pipe.set_adapters(path.stem)
        context = pipe.text_encoder(torch.tensor([[49406, 320, 49407]])).last_hidden_state
        answers.append([context, pipe.unet(torch.ones(1, 4, 8, 8), 500, context).sample])
    for one, other in zip(*answers, strict=True):
        assert torch.allclose(one, other, rtol=1e-4, atol=1e-5)  # another order of the same sums
    assert inspect(second).norms == pytest.approx(inspect(first).norms, rel=1e-6)
    convert(second, back, "sd-scripts")
    again = dict(network_of(back, base).adapters())
    for name, adapter in network_of(first, base).adapters():
        assert torch.allclose(adapter.change(), again[name].change(), rtol=1e-5, atol=1e-7)


def test_keys_of_peft_and_of_older_diffusers_are_read(tmp_path: Path) -> None:
    down, up = torch.ones(2, 3), torch.full((4, 2), 2.0)
    stem = "mid_block.attentions.0.transformer_blocks.0.attn1"
    layouts = [
        (f"base_model.model.{stem}.to_q.lora_A", f"base_model.model.{stem}.to_q.lora_B"),
        (f"unet.{stem}.to_q.lora.down", f"unet.{stem}.to_q.lora.up"),
        (f"unet.{stem}.processor.to_q_lora.down", f"unet.{stem}.processor.to_q_lora.up"),
    ]
    for number, (first, last) in enumerate(layouts):
        path = tmp_path / f"{number}.safetensors"
        save_file({f"{first}.weight": down, f"{last}.weight": up}, path)
        module = f"lora_unet_{stem.replace('.', '_')}_to_q"
        found = read_weights(path)
        ends = ("lora_down.weight", "lora_up.weight", "alpha")
        assert found.keys() == {f"{module}.{end}" for end in ends}
        assert torch.equal(found[f"{module}.lora_down.weight"], down)
        assert float(found[f"{module}.alpha"]) == 2


def test_the_best_of_a_rank_keeps_the_largest_values() -> None:
    down, up, lost = best_of_rank(torch.diag(torch.tensor([3.0, 2.0, 1.0])), 1)
    assert torch.allclose(up @ down, torch.diag(torch.tensor([3.0, 0.0, 0.0])), atol=1e-6)
    assert lost == pytest.approx(5**0.5)
    kernel = torch.randn(4, 3, 3, 3, generator=torch.Generator().manual_seed(0))
    down, up, lost = best_of_rank(kernel, 99)
    assert (down.shape, up.shape) == ((4, 3, 3, 3), (4, 4, 1, 1))
    assert torch.allclose(torch.einsum("or,rikl->oikl", up.flatten(1), down), kernel, atol=1e-5)
    assert lost == 0


@pytest.mark.parametrize("kind", ["loha", "lokr", "ia3", "dora", "tucker"])
@torch.no_grad()
def test_any_adapter_as_a_plain_lora(kind: str, tmp_path: Path) -> None:
    base = random_base()
    source, target = tmp_path / "a.safetensors", tmp_path / "b.safetensors"
    write_safetensors(source, trained(kind, base).file_tensors("fp32"), {})
    wanted = {name: each.delta(each.layer.weight) for name, each in network_of(source, base).adapters()}
    norm = sum(float(change.square().sum()) for change in wanted.values()) ** 0.5
    for dim in (2, 999):
        said = convert_to_lora(source, target, base, dim, "fp32")
        plain = dict(network_of(target, base).adapters())
        lost = sum(float((plain[name].change() - wanted[name]).square().sum()) for name in wanted) ** 0.5
        assert said.error == pytest.approx(lost / norm, rel=1e-3, abs=1e-5)
    assert said.error < 1e-5


def test_what_has_no_layout_of_the_kind_is_a_sentence(tmp_path: Path) -> None:
    base = random_base()
    write_safetensors(tmp_path / "a.safetensors", trained("loha", base).file_tensors("fp32"), {})
    with pytest.raises(UserError, match="choose its new layout"):
        convert(tmp_path / "a.safetensors", tmp_path / "b.safetensors")
    with pytest.raises(UserError, match="only plain LoRA has diffusers' layout"):
        convert(tmp_path / "a.safetensors", tmp_path / "b.safetensors", "diffusers")
    write_a1111(tmp_path / "zib.pt", "zib", ROWS, {})
    with pytest.raises(UserError, match="cannot become a LoRA"):
        convert_to_lora(tmp_path / "zib.pt", tmp_path / "b.safetensors", base, 2, "fp16")


STEM = "lora_unet_mid_block_attentions_0_proj_in"


@pytest.mark.parametrize(
    ("key", "reason"),
    [
        (f"{STEM}.some_new_thing", "1 of its keys are not known .*some_new_thing"),
        ("lora_unet_double_blocks_0_img_attn_qkv.lora_up.weight", "it is for Flux"),
        ("lora_te_x.lora_up.weight", "not known"),
        ("a_stray_key", "not known"),
    ],
)
def test_d4_convert_refuses_what_it_does_not_know(key: str, reason: str, tmp_path: Path) -> None:
    source, target = tmp_path / "a.safetensors", tmp_path / "b.safetensors"
    save_file({f"{STEM}.lora_up.weight": ROWS, f"{STEM}.lora_down.weight": ROWS + 1, key: ROWS + 2}, source)
    with pytest.raises(UserError, match=reason):
        convert(source, target, "sd-scripts")
    assert not target.exists()


def test_d4_convert_refuses_a_layout_for_what_is_no_adapter(tmp_path: Path) -> None:
    write_a1111(tmp_path / "zib.pt", "zib", ROWS, {})
    two_wide(tmp_path / "hyper.pt")
    for name in ("zib", "hyper"):
        with pytest.raises(UserError, match="--to diffusers is for adapters"):
            convert(tmp_path / f"{name}.pt", tmp_path / "b.safetensors", "diffusers")
    save_file({"aesthetic": torch.ones(1, 768)}, tmp_path / "a.safetensors")
    if family_of_file(tmp_path / "a.safetensors") == "aesthetic":
        with pytest.raises(UserError, match="aesthetic embedding"):
            convert(tmp_path / "a.safetensors", tmp_path / "b.safetensors", "sd-scripts")


def test_d4_brother_an_unknown_activation_is_not_converted(tmp_path: Path) -> None:
    two_wide(tmp_path / "a.pt", activation_func="nonsense")
    with pytest.raises(UserError, match="unknown activation 'nonsense'"):
        convert(tmp_path / "a.pt", tmp_path / "b.safetensors")


def test_d4_a_hypernetwork_that_comfyui_misreads_is_said(
    tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    two_wide(tmp_path / "a.pt", activation_func="gelu", activate_output=False)
    convert(tmp_path / "a.pt", tmp_path / "b.safetensors")
    assert "activation gelu is unknown to ComfyUI" in capsys.readouterr().err


@torch.no_grad()
def test_d1_brother_our_diffusers_file_says_that_alpha_is_in_the_matrices(
    tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    base = random_base()
    write_safetensors(tmp_path / "a.safetensors", trained("lora", base).file_tensors("fp32"), {})
    convert(tmp_path / "a.safetensors", tmp_path / "b.safetensors", "diffusers")
    (tmp_path / "adapter_config.json").write_text('{"r": 4, "lora_alpha": 99}')
    convert(tmp_path / "b.safetensors", tmp_path / "c.safetensors", "sd-scripts")
    assert {
        float(value) for key, value in read_weights(tmp_path / "c.safetensors").items() if "alpha" in key
    } == {4}
    assert capsys.readouterr().err == ""
