"""SDXL at its true size on this machine: `python -m benchmarks.xl_step [--tiny] [--side 256] [--dim 16]
[--precision bf16]`.

Writes one single file with random weights in bf16 (6.9 GB, in a temporary folder), one encoded picture and
its caption, and runs `stages.train` on them as the graph does: load, one LoRA step, save. Prints the seconds
and the peak of resident memory after each of these. `--plan` predicts the memory of a GPU, which holds the
same tensors as a CPU's process without Python and its libraries; so the prediction here is the plan's plus
what the libraries had taken before the base was loaded. `--tiny`: the same with the demo's narrow SDXL. Needs
10 GB of free memory and 8 GB of disk. The step takes tens of minutes on a CPU without bf16 instructions.
"""

import argparse
import json
import os
import re
import shutil
import subprocess
import sys
import tempfile
import time
from pathlib import Path

from pipeline.typed_numbers import whole_number

ROOT = Path(__file__).parent.parent
CHILD = """
import json, resource, sys, time
from diffusers import AutoencoderKL, UNet2DConditionModel
from transformers import CLIPTextModel
from stages import train
started, rows = time.perf_counter(), []
def peak():
    return resource.getrusage(resource.RUSAGE_SELF).ru_maxrss / 2**20
rows.append(("libraries", 0.0, peak()))
def after(owner, name, phase):
    before = getattr(owner, name)
    def measured(*arguments, **named):
        made = before(*arguments, **named)
        rows.append((phase, time.perf_counter() - started, peak()))
        return made
    setattr(owner, name, measured)
from pipeline.training.callbacks.metrics import MetricsCallback
after(train, "prepared", "load, new LoRA")
after(MetricsCallback, "on_train_batch_end", "one step")
after(train, "train", "save")
train.main([])
print("measured", json.dumps(rows))
"""
"""Runs the stage; notes seconds and GiB at the end of each phase."""
SMALL_PARENT = "import subprocess, sys; sys.exit(subprocess.call(sys.argv[1:]))"
"""A process's peak memory starts at its parent's, so a small one starts each that is measured."""


def write_base(path: Path, tiny: bool) -> None:
    """A single file in bf16."""
    import torch

    from pipeline.bases.base import Base
    from pipeline.bases.load import load_base
    from pipeline.bases.registry import family
    from pipeline.bases.save import save_file
    from pipeline.bases.tokenizers import make_tokenizer
    from pipeline.config.check import check
    from pipeline.config.compose import Params, compose

    if tiny:
        base = load_base(check(compose(Params({"base": "tiny_xl"}, {}))).base)
    else:
        made = family("sdxl")
        parts = {part.name: part.outline(made.configs[part.name]).bfloat16() for part in made.parts}
        block = (torch.randn(1 << 22, generator=torch.Generator().manual_seed(0)) * 0.02).bfloat16()
        for part in parts.values():
            part.to_empty(device="cpu")
            for name, parameter in part.named_parameters():
                numbers = parameter.data.view(-1)
                for piece in numbers.split(len(block)):
                    piece.copy_(block[: len(piece)])
                if "norm" in name and name.endswith("weight"):
                    numbers += 1
        base = Base(made, make_tokenizer(None), parts, made.configs)
    save_file(base, path, "bf16", {})


def write_project(folder: Path, chosen: argparse.Namespace) -> None:
    """Settings, one picture as `collect` reads it, and the same encoded and captioned."""
    import torch
    from PIL import Image

    from pipeline.files.atomic import write_jsonl
    from pipeline.files.safetensors_file import write_safetensors

    side = chosen.side
    shutil.copytree(ROOT / "conf", folder / "conf")
    shutil.copy(ROOT / "dvc.yaml", folder)
    shutil.copytree(ROOT / "demo/tagger", folder / "demo/tagger")
    values = {
        "use": {"base": "file"}, "base": {"path": "base.safetensors"},
        "collect": {"source": "pictures", "min_side_px": 64},
        "crop": {"shape": "square", "resolution": side}, "network": {"dim": chosen.dim, "alpha": chosen.dim},
        "train": {"precision": chosen.precision, "epochs": 1, "batch": 1}, "validation": {"pictures": 0},
        "filter_tags": {"trigger": "zib"},
    }  # fmt: skip
    (folder / "params.yaml").write_text(json.dumps(values))
    (folder / "pictures/1_a").mkdir(parents=True)
    noise = torch.randint(256, (side, side, 3), dtype=torch.uint8)
    Image.fromarray(noise.numpy()).save(folder / "pictures/1_a/0.png")
    encoded, captions = folder / "data/encoded", folder / "data/captions"
    encoded.mkdir(parents=True)
    captions.mkdir()
    mean = torch.randn(4, side // 8, side // 8)
    moments = torch.cat([mean, torch.full_like(mean, 0.1)])
    write_safetensors(encoded / "latents.safetensors", {"a/0": moments}, {})
    row = {
        "id": "a/0", "concept": "a", "repeats": 1, "is_class": False, "caption": "a picture",
        "width_px": side, "height_px": side, "sha256": "", "group": "a/0",
        "sizes": [side, side, 0, 0, side, side],
        "origin": {"box_px": [0, 0, side, side], "scale": 1.0, "mirrored": False, "by": "focal"},
    }  # fmt: skip
    write_jsonl(encoded / "records.jsonl", [row])
    write_jsonl(captions / "captions.jsonl", [{"id": "a/0", "caption": "a picture", "trigger": None}])


def run(place: Path, folder: Path, *command: str) -> str:
    """What a process prints that runs in `place`; the project in `folder` keeps its store."""
    own = {"PYTHONPATH": str(ROOT), "ATHANOR_STORE": str(folder / "store")}
    ended = subprocess.run(
        [sys.executable, "-c", SMALL_PARENT, sys.executable, *command],
        cwd=place,
        env={**os.environ, **own},
        stdout=subprocess.PIPE,
        text=True,
        check=False,
    )
    if ended.returncode:
        sys.exit(f"{' '.join(command[:2])} failed")
    return ended.stdout


def table(folder: Path, plan: str, measured: str) -> str:
    """The figures as text."""
    rows = json.loads(measured.rpartition("measured ")[2])
    predicted = re.search(r"memory: about ([\d.]+) GiB.*", plan)
    assert predicted, plan
    file = (folder / "base.safetensors").stat().st_size / 1e9
    lines = [f"base: {file:.2f} GB in one file", "phase              seconds   peak of resident memory, GiB"]
    before = 0.0
    for phase, seconds, peak in rows:
        lines.append(f"{phase:<18} {seconds - before:>7.1f}   {peak:.2f}")
        before = seconds
    most, libraries = max(peak for *_, peak in rows), rows[0][2]
    expected = float(predicted[1]) + libraries
    return "\n".join(
        [
            *lines,
            f"plan: {predicted[0]}",
            f"with the libraries: {expected:.2f} GiB, {expected / most - 1:+.0%} of the peak measured",
        ]
    )


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--tiny", action="store_true", help="the demo's narrow SDXL, not a true-size one")
    parser.add_argument("--side", type=whole_number(1), default=256, help="side of the picture, px")
    parser.add_argument("--dim", type=whole_number(1), default=16)
    parser.add_argument("--precision", choices=["fp32", "bf16", "bf16_full"], default="bf16")
    parser.add_argument("--write", type=Path, help=argparse.SUPPRESS)
    chosen = parser.parse_args()
    if chosen.write:
        write_project(chosen.write, chosen)
        write_base(chosen.write / "base.safetensors", chosen.tiny)
        return
    with tempfile.TemporaryDirectory() as name:
        folder = Path(name)
        run(ROOT, folder, "-m", "benchmarks.xl_step", *sys.argv[1:], "--write", name)
        time.sleep(3)  # known_hashes.py does not trust the times of a file just written
        run(folder, folder, "-m", "stages.compose")
        plan = run(folder, folder, "-m", "stages.train", "--plan")
        print(table(folder, plan, run(folder, folder, "-c", CHILD)))


if __name__ == "__main__":
    main()
