"""Files of each kind that strangers hand over, the smallest there are, and who reads them."""

import io
import json
import tarfile
import zipfile
from base64 import b64encode
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import pytest
import torch
from PIL import Image
from PIL.PngImagePlugin import PngInfo
from transformers import CLIPTextConfig, CLIPTextModel

from pipeline.bases.from_folder import read_part, reporting_failures
from pipeline.bases.registry import family
from pipeline.bases.stated import BASE_KEY, checked, stated
from pipeline.captions.camie import camie_side_px, read_camie_metadata
from pipeline.captions.folders import read_caption as read_own_caption
from pipeline.captions.labels import read_selected_tags, read_tag_mapping, read_tags_txt, read_top_tags
from pipeline.captions.onnx_tagger import OnnxTagger
from pipeline.captions.stated_preprocessing import read_stated
from pipeline.captions.thresholds import stated_thresholds
from pipeline.config.recipes import parse, read_yaml
from pipeline.drawing.regions import Region
from pipeline.drawing.upscaling import load_upscaler
from pipeline.files.aesthetic_file import read_aesthetic
from pipeline.files.embedding_file import embedding_metadata, read_embeddings, write_a1111
from pipeline.files.hypernetwork_file import hypernetwork_metadata, hypernetwork_tensors, read_hypernetwork
from pipeline.files.hypernetwork_file import write_a1111 as write_hypernetwork
from pipeline.files.json_text import read_mapping
from pipeline.files.pickled import pickled
from pipeline.files.safetensors_file import write_safetensors
from pipeline.files.safetensors_header import read_header
from pipeline.files.tensor_file import open_tensors
from pipeline.merging.checkpoint import open_vae
from pipeline.merging.lora_files import read_lora
from pipeline.networks.inspection import inspect
from pipeline.pictures.archives import unpack
from pipeline.pictures.metadata_rows import read_rows
from pipeline.pictures.parquet_rows import read_parquet
from pipeline.pictures.reading import read
from pipeline.pictures.sidecars import read_caption
from pipeline.prompts.infotext_reader import parse_infotext
from tests.pipeline.bases.random_sd1 import small_configs
from tests.pipeline.captions.onnx_models import write_tagger


@dataclass(frozen=True)
class Kind:
    """`inner`: the member of a zip that is changed, where the zip's own checksums would hide all else."""

    file: str
    make: Callable[[Path], None]
    read: Callable[[Path], Any]
    inner: str | None = None


def small_lora() -> dict[str, torch.Tensor]:
    name = "lora_unet_mid_block_attentions_0_transformer_blocks_0_attn1_to_q"
    return {
        f"{name}.lora_down.weight": torch.ones(2, 4), f"{name}.lora_up.weight": torch.ones(4, 2),
        f"{name}.alpha": torch.tensor(1.0),
    }  # fmt: skip


def make_lora(path: Path) -> None:
    write_safetensors(path, small_lora(), {"ss_network_module": "networks.lora", "a": "b"})


def make_vae(path: Path) -> None:
    write_safetensors(path, {"first_stage_model.decoder.conv_in.weight": torch.ones(4, 4)}, {})


def make_diffusers_lora(path: Path) -> None:
    name = "unet.mid_block.attentions.0.transformer_blocks.0.attn1.to_q"
    tensors = {f"{name}.lora_A.weight": torch.ones(2, 4), f"{name}.lora_B.weight": torch.ones(4, 2)}
    header = {"lora_adapter_metadata": json.dumps({"unet.lora_alpha": 4, "unet.r": 2})}
    write_safetensors(path, tensors, header)


def make_embedding(path: Path) -> None:
    if path.suffix == ".safetensors":
        write_safetensors(path, {"emb_params": torch.ones(2, 4)}, embedding_metadata(["zib"]))
    elif path.suffix == ".bin":
        torch.save({"<zib>": torch.ones(4)}, path)
    else:
        write_a1111(path, "zib", torch.ones(2, 4), {"step": 3})


def make_old_pickle(path: Path) -> None:
    """As torch wrote before its version 1.6: no zip, so that any byte may be another instruction."""
    nest = {"string_to_token": {"*": 265}, "string_to_param": {"*": torch.ones(2, 4)}, "name": "zib"}
    torch.save(nest, path, _use_new_zipfile_serialization=False)


def make_hypernetwork(path: Path) -> None:
    from pipeline.files.hypernetwork_file import HypernetworkFile, MlpStructure

    made = MlpStructure((1, 2, 1), "linear", False, False, "Normal", (0.0, 0.0, 0.0))
    weights = {"linear.0.weight": torch.ones(8, 4), "linear.0.bias": torch.ones(8)}
    layers = {4: (weights, weights)}
    if path.suffix == ".pt":
        write_hypernetwork(path, HypernetworkFile(made, layers))
    else:
        write_safetensors(path, hypernetwork_tensors(layers), hypernetwork_metadata(made))


def make_checkpoint(path: Path) -> None:
    torch.save({"state_dict": small_lora(), "global_step": 3, "epoch": 1.5}, path)


def make_base_header(path: Path) -> None:
    tokenizer = {"vocab.json": '{"a": 0, "b": 1, "ab": 2}', "merges.txt": "#version: 0.2\na b\n"}
    own = {"configs": small_configs(), "tokenizer": tokenizer}
    write_safetensors(path, {"x": torch.ones(1)}, {BASE_KEY: json.dumps(own)})


def read_base_header(path: Path) -> None:
    stated(read_header(path).metadata.get(BASE_KEY), str(path))


def make_text_encoder(path: Path) -> None:
    """A folder's text encoder whose weights are a pickle."""
    values = small_configs()["text_encoder"] | {"vocab_size": 8, "num_hidden_layers": 1}
    (path.parent / "config.json").write_text(json.dumps(values))
    torch.save(CLIPTextModel(CLIPTextConfig(**values)).state_dict(), path)


def read_text_encoder(path: Path) -> None:
    with reporting_failures(str(path.parent.parent)):
        read_part(family("sd1").part("text_encoder"), str(path.parent.parent), {}, torch.float32)


def make_config(path: Path) -> None:
    path.write_text(json.dumps(small_configs()["unet"]))


def read_config(path: Path) -> None:
    checked("unet", read_mapping(path), str(path))


def make_upscaler(path: Path) -> None:
    torch.save({"params": {"body.0.weight": torch.ones(12, 3, 3, 3), "body.0.bias": torch.ones(12)}}, path)


def read_upscaler(path: Path) -> None:
    load_upscaler(path, torch.device("cpu"))


def make_aesthetic(path: Path) -> None:
    path.write_bytes(pickled(torch.ones(1, 4)))


def make_embedding_picture(path: Path) -> None:
    nest = {"string_to_param": {"*": {"TORCHTENSOR": [[1.0, 2.0]]}}, "name": "zib"}
    info = PngInfo()
    info.add_text("sd-ti-embedding", b64encode(json.dumps(nest).encode()).decode())
    Image.new("RGB", (4, 4)).save(path, pnginfo=info)


def make_embedding_text(path: Path) -> None:
    path.write_text(json.dumps({"string_to_param": {"*": {"TORCHTENSOR": [[1.0, 2.0]]}}, "name": "zib"}))


def read_embedding_text(path: Path) -> None:
    """The text within the picture, whose checksum would hide it."""
    info = PngInfo()
    info.add_text("sd-ti-embedding", b64encode(path.read_bytes()).decode())
    Image.new("RGB", (4, 4)).save(path.with_name("zib.png"), pnginfo=info)
    read_embeddings(path.with_name("zib.png"))


def make_infotext(path: Path) -> None:
    path.write_text(
        "a (cat:1.2)\nNegative prompt: blurry\nSteps: 20, Sampler: Euler a, CFG scale: 7.5, Seed: 1,"
        ' Size: 512x512, Denoising strength: 0.5, Hires upscale: 2, Hires steps: 5, Lora hashes: "a: 1, b: 2"'
    )


def read_infotext(path: Path) -> None:
    parse_infotext(path.read_bytes().decode("utf-8", "replace"))


def make_archive(path: Path) -> None:
    if path.suffix == ".zip":
        with zipfile.ZipFile(path, "w", zipfile.ZIP_DEFLATED) as file:
            file.writestr("3_zib/a.png", b"x" * 100)
            file.writestr("3_zib/a.txt", b"a cat")
        return
    mode: Any = f"w:{path.suffix[1:]}" if path.suffix != ".tar" else "w"
    with tarfile.open(path, mode) as packed:
        info = tarfile.TarInfo("3_zib/a.png")
        info.size = 100
        packed.addfile(info, io.BytesIO(b"x" * 100))


def read_archive(path: Path) -> None:
    from shutil import rmtree

    target = path.parent / "unpacked"
    try:
        unpack(path, target)
    finally:
        rmtree(target, ignore_errors=True)


def make_parquet(path: Path) -> None:
    pa = pytest.importorskip("pyarrow")
    from pyarrow import parquet

    parquet.write_table(pa.table({"image": [b"x" * 20, b"y" * 20], "text": ["a cat", "a dog"]}), path)


def make_onnx(path: Path) -> None:
    write_tagger(path.parent, "N")


def texts(text: str) -> Callable[[Path], None]:
    def write(path: Path) -> None:
        path.write_text(text)

    return write


RECIPE = "inputs: {a: x, b: y}\nmerge:\n  method: weighted_sum\n  a: a\n  b: b\n  alpha: {blocks: 0.5}\n"
CAMIE_METADATA = (
    '{"model_info": {"img_size": 512}, "dataset_info": {"tag_mapping": {"idx_to_tag": {"0": "a", "1": "b"},'
    ' "tag_to_category": {"a": "general", "b": "year"}}}}'
)
STAGES_OF_PICTURES = (
    '{"stages": [{"type": "pad_to_size", "size": [8, 8], "background_color": "white"},'
    ' {"type": "resize", "size": 8, "interpolation": "bicubic"}, {"type": "center_crop", "size": [8, 8]},'
    ' {"type": "normalize", "mean": [0.5, 0.5, 0.5], "std": [0.5, 0.5, 0.5]}]}'
)


def read_camie(path: Path) -> None:
    read_camie_metadata(path)
    camie_side_px(path)


KINDS = {
    "LoRA": Kind("x.safetensors", make_lora, read_lora),
    "diffusers LoRA": Kind("x.safetensors", make_diffusers_lora, inspect),
    "tensors": Kind("x.safetensors", make_lora, open_tensors),
    "checkpoint (.ckpt)": Kind("x.ckpt", make_checkpoint, open_tensors),
    "checkpoint's pickle": Kind("x.ckpt", make_checkpoint, open_tensors, "data.pkl"),
    "base's header": Kind("x.safetensors", make_base_header, read_base_header),
    "base's config": Kind("config.json", make_config, read_config),
    "text encoder's pickle": Kind(
        "text_encoder/pytorch_model.bin", make_text_encoder, read_text_encoder, "data.pkl"
    ),
    "VAE": Kind("x.safetensors", make_vae, open_vae),
    "embedding": Kind("x.safetensors", make_embedding, read_embeddings),
    "embedding (.pt)": Kind("x.pt", make_embedding, read_embeddings, "data.pkl"),
    "embedding (.bin)": Kind("x.bin", make_embedding, read_embeddings, "data.pkl"),
    "embedding of old": Kind("x.pt", make_old_pickle, read_embeddings),
    "embedding (.png)": Kind("x.png", make_embedding_picture, read_embeddings),
    "embedding's text": Kind("x.json", make_embedding_text, read_embedding_text),
    "hypernetwork": Kind("x.safetensors", make_hypernetwork, read_hypernetwork),
    "hypernetwork (.pt)": Kind("x.pt", make_hypernetwork, read_hypernetwork, "data.pkl"),
    "aesthetic embedding": Kind("x.pt", make_aesthetic, read_aesthetic, "data.pkl"),
    "upscaler": Kind("x.pth", make_upscaler, read_upscaler, "data.pkl"),
    "tagger": Kind("model.onnx", make_onnx, lambda path: OnnxTagger(path.parent, 1)),
    "tagger's labels": Kind(
        "selected_tags.csv", texts("tag_id,name,category,count\n1,a,0,5\n2,b,9,3\n"), read_selected_tags
    ),
    "tagger's mapping": Kind(
        "tag_mapping.json", texts('{"0": {"tag": "a", "category": "General"}}'), read_tag_mapping
    ),
    "tagger's tags": Kind("tags.txt", texts("a\nb\nrating:safe\n"), read_tags_txt),
    "tagger's top tags": Kind("top_tags.txt", texts("a\n\nb\n"), read_top_tags),
    "tagger's metadata": Kind("x-metadata.json", texts(CAMIE_METADATA), read_camie),
    "tagger's stages": Kind("preprocess.json", texts(STAGES_OF_PICTURES), read_stated),
    "tagger's thresholds": Kind(
        "thresholds.csv", texts("category,name,threshold\n0,general,0.3\n4,character,0.85\n"),
        lambda path: stated_thresholds(path.parent),
    ),
    "infotext": Kind("x.txt", make_infotext, read_infotext),
    "picture": Kind("x.png", make_embedding_picture, read),
    "mask": Kind("x.png", lambda path: Image.new("RGB", (4, 4), "white").save(path),
                 lambda path: Region.read(path, None)),
    "zip": Kind("x.zip", make_archive, read_archive),
    "tar": Kind("x.tar", make_archive, read_archive),
    "parquet": Kind("x.parquet", make_parquet, lambda path: list(read_parquet(path, ["text"]))),
    "table (.csv)": Kind("metadata.csv", texts("file_name,text\na.png,a cat\n"),
                         lambda path: list(read_rows(path, ["text"]))),
    "table (.jsonl)": Kind("metadata.jsonl", texts('{"file_name": "a.png", "tags": ["a", "b"]}\n'),
                           lambda path: list(read_rows(path, ["text", "tags"]))),
    "caption (.txt)": Kind("a.txt", texts("a cat, \u00e9l\u00e8ve, \u732b"), read_caption),
    "caption (.json)": Kind("a.json", texts('{"tags": {"general": ["a", "b"]}, "x": 1.5}'), read_caption),
    "caption by hand": Kind("a.txt", texts("a cat, \u00e9l\u00e8ve"), read_own_caption),
    "recipe": Kind("x.yaml", texts(RECIPE), lambda path: parse(read_yaml(path), str(path))),
}  # fmt: skip
