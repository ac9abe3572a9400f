"""What a picture of the grid says of itself; the infotext's own format is tested beside it."""

import hashlib
import json
import shutil
from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest
import torch
from PIL import Image

from pipeline.bases.save import save_file
from pipeline.config.check import check
from pipeline.config.compose import Params, compose
from pipeline.drawing.named_files import NO_FILES, NamedFiles
from pipeline.files.embedding_file import embedding_metadata, embedding_tensors
from pipeline.files.hashing import sha256_of_file
from pipeline.files.kinds import HYPERNETWORK_KEY, WORDS_KEY
from pipeline.files.safetensors_file import write_safetensors
from pipeline.grid.axes import Cell
from pipeline.grid.cell_texts import lora_hash, texts_of
from pipeline.prompts.block_weights import block_weights
from pipeline.prompts.infotext_reader import parameters_of, parse_infotext
from pipeline.prompts.settings import DrawingSettings, PictureJob, SecondPass
from pipeline.schemas import BaseConfig
from tests.pipeline.bases.random_sd1 import random_base

pytestmark = pytest.mark.usefixtures("root")
SETTINGS = DrawingSettings(
    steps=2,
    guidance=5.0,
    sampler="euler_a",
    negative_prompt="bad",
    width=64,
    height=128,
    clip_skip=2,
    batch=2,
)
HASH = "0123456789abcdef" * 4
LORA_KEY = "lora_unet_x.lora_up.weight"


def base() -> BaseConfig:
    return check(compose(Params({}, {}))).base


def cell(network: Path | None, blocks: str | None = None) -> Cell:
    chosen = block_weights(blocks) if blocks else None
    return Cell(
        checkpoint=None, network=network, weight=0.8, blocks=chosen, prompts=("a cat",), seeds=(7,),
        settings=SETTINGS,
    )  # fmt: skip


def write(path: Path, key: str, metadata: dict[str, str]) -> Path:
    write_safetensors(path, {key: torch.arange(4.0).reshape(2, 2)}, metadata)
    return path


def told(each: Cell, files: NamedFiles = NO_FILES, prompt: str = "a cat", **changes: Any) -> dict[str, Any]:
    """What the texts of the cell's picture say: infotext's values, and the recipe's."""
    each = replace(each, settings=replace(each.settings, **changes))
    texts = texts_of(each, PictureJob(prompt, 7), base(), sha256_of_file, files)
    return {**parameters_of(texts["parameters"]), "recipe": json.loads(texts["athanor"])}


def test_a_lora_is_called_in_the_prompt_with_its_hash(tmp_path: Path) -> None:
    network = write(tmp_path / "zib.safetensors", LORA_KEY, {"sshs_model_hash": HASH})
    texts = texts_of(cell(network, "INS"), PictureJob("a cat", 7), base(), sha256_of_file, NO_FILES)
    values = parameters_of(texts["parameters"])
    assert values["Prompt"] == "a cat <lora:zib:0.8:lbw=INS>"
    assert values["Lora hashes"] == "zib: 0123456789ab"
    job, settings = parse_infotext(texts["parameters"])
    assert job.seed == 7
    assert (settings.sampler, settings.width, settings.height, settings.clip_skip) == ("euler_a", 64, 128, 2)
    recipe = json.loads(texts["athanor"])
    digest = sha256_of_file(network)
    assert recipe["network"] == {"name": "zib.safetensors", "sha256": digest, "weight": 0.8}
    assert (recipe["prompt"], recipe["block_weights"]["IN05"]) == ("a cat", 0.0)
    assert "files" not in recipe


def test_the_hash_is_of_the_tensors_where_the_header_has_none(tmp_path: Path) -> None:
    network = write(tmp_path / "zib.safetensors", "lora_te_x.lora_up.weight", {})
    digest = hashlib.sha256(torch.arange(4.0).numpy().tobytes()).hexdigest()
    assert lora_hash(network, sha256_of_file(network)) == digest[:12]


def test_the_base_alone_and_an_aesthetic_embedding_are_not_called(tmp_path: Path) -> None:
    for network in (None, write(tmp_path / "set.safetensors", "aesthetic", {})):
        values = told(cell(network))
        assert values["Prompt"] == "a cat"
        assert values.keys().isdisjoint({"Lora hashes", "TI hashes", "VAE"})


def test_a_hypernetwork_is_called_and_an_embedding_is_told_by_its_words_hash(tmp_path: Path) -> None:
    hypernetwork = write(tmp_path / "ink.safetensors", "x", {HYPERNETWORK_KEY: "{}"})
    assert told(cell(hypernetwork))["Prompt"] == "a cat <hypernet:ink:0.8>"
    embedding = write(tmp_path / "ink.safetensors", "emb_params", {WORDS_KEY: '["zib"]'})  # in its place
    values = told(cell(embedding), prompt="a (Zib:1.2) zibbo")
    assert values["Prompt"] == "a (Zib:1.2) zibbo"
    assert values["TI hashes"] == f"zib: {sha256_of_file(embedding)[:12]}"
    assert "TI hashes" not in told(cell(embedding), prompt="a zibbo")


def test_of_an_embedding_of_several_words_each_words_own_file_counts(tmp_path: Path) -> None:
    vectors = {"zib": torch.ones(1, 4), "zob": torch.zeros(1, 4)}
    network = tmp_path / "both.safetensors"
    write_safetensors(network, embedding_tensors(vectors), embedding_metadata(list(vectors)))
    alone = write(tmp_path / "both_zob.safetensors", "emb_params", {})
    values = told(cell(network), prompt="zib and", negative_prompt="zob")
    assert values["TI hashes"] == f"zob: {sha256_of_file(alone)[:12]}"


def test_a_full_fine_tune_is_the_model_itself_at_full_strength_alone(tmp_path: Path) -> None:
    network = tmp_path / "tuned.safetensors"
    save_file(random_base(), network, "fp16", {})
    values = told(replace(cell(network), weight=1.0))
    assert (values["Model"], values["Model hash"]) == ("tuned", sha256_of_file(network)[:10])
    assert values["Prompt"] == "a cat"
    mixed = told(cell(network))
    assert mixed["Model"] == "base + tuned"
    assert "Model hash" not in mixed


def test_what_a_prompt_calls_is_told_with_its_hashes(tmp_path: Path) -> None:
    folder = tmp_path / "networks"
    lora = write(folder / "style/ink.safetensors", LORA_KEY, {"sshs_model_hash": HASH})
    word = write(folder / "bad-hands.safetensors", "emb_params", {})
    mask = folder / "left.png"
    Image.new("L", (2, 2), 255).save(mask)
    upscaler = write(tmp_path / "4x_net.safetensors", "conv_first.weight", {})
    second = SecondPass(upscaler=str(upscaler), scale=2.0, steps=3, strength=0.5)
    files, prompt = NamedFiles([folder]), "a cat<lora:style/ink:0.5:mask=left.png>"
    values = told(cell(None), files, prompt, negative_prompt="bad-hands", second_pass=second)
    assert values["Lora hashes"] == "style/ink: 0123456789ab"
    assert values["TI hashes"] == f"bad-hands: {sha256_of_file(word)[:12]}"
    assert values["Hires upscaler"] == "4x_net"
    assert values["recipe"]["files"] == {
        name: sha256_of_file(path)
        for name, path in {
            "bad-hands": word, "left.png": mask, "style/ink": lora, str(upscaler): upscaler,
        }.items()
    }  # fmt: skip


def test_a_vae_of_its_own_is_told(tmp_path: Path) -> None:
    vae = write(tmp_path / "clear.vae.safetensors", "x", {})
    changed = base().model_copy(update={"vae": str(vae), "vae_sha256": sha256_of_file(vae)})
    text = texts_of(cell(None), PictureJob("a cat", 7), changed, sha256_of_file, NO_FILES)["parameters"]
    assert f"VAE hash: {sha256_of_file(vae)[:10]}, VAE: clear.vae.safetensors" in text


def test_a_base_of_v_with_zero_terminal_snr_is_told_also_where_it_is_merged(tmp_path: Path) -> None:
    folder = tmp_path / "noob"
    for file in ("model_index.json", "unet/config.json"):
        (folder / file).parent.mkdir(parents=True, exist_ok=True)
        shutil.copy(Path("demo/base_xl") / file, folder / file)
    (folder / "scheduler").mkdir()
    published = json.loads(Path("demo/base_xl/scheduler/scheduler_config.json").read_text())
    marked = {**published, "prediction_type": "v_prediction", "rescale_betas_zero_snr": True}
    (folder / "scheduler/scheduler_config.json").write_text(json.dumps(marked))
    noob = base().model_copy(update={"path": str(folder)})
    recipe = json.dumps({"inputs": {"a": {"path": "one.safetensors"}, "b": {"path": "two.safetensors"}}})
    for merge, name in ((None, "noob"), (recipe, "one + two")):
        texts = texts_of(cell(None), PictureJob("a cat", 7), noob, sha256_of_file, NO_FILES, merge)
        values = parameters_of(texts["parameters"])
        said = values["Model"], values["Noise Schedule"], values["Prediction type"]
        assert said == (name, "Zero Terminal SNR", "v_prediction")


def test_what_the_user_says_a_base_predicts_goes_before_its_files(tmp_path: Path) -> None:
    changed = base().model_copy(update={"prediction_type": "v_prediction"})
    text = texts_of(cell(None), PictureJob("a cat", 7), changed, sha256_of_file, NO_FILES)["parameters"]
    values = parameters_of(text)
    assert values["Prediction type"] == "v_prediction"
    assert "Noise Schedule" not in values
    network = write(tmp_path / "zib.safetensors", LORA_KEY, {"ss_zero_terminal_snr": "True"})
    text = texts_of(cell(network), PictureJob("a cat", 7), changed, sha256_of_file, NO_FILES)["parameters"]
    assert parameters_of(text)["Noise Schedule"] == "Zero Terminal SNR"
