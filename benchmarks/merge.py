"""A merge relative to `cp`: `python -m benchmarks.merge [--xl] [--rounds 3] [--folder /tmp/athanor-merge]`.

Merges two random fp16 checkpoints of SD 1.5's (2.13 GB) or SDXL's size (6.9 GB) with 25 (19) block weights by
`python -m pipeline.merging run`; `cp` copies the two inputs and the result on the same disk. Rounds
alternate, so that both run under the same load. Prints both times, their ratio, the merge's peak anonymous
memory, and how many numbers equal the float64 formula rounded once. SDXL's table of names is sd-mecha's.
"""

import argparse
import shutil
import statistics
import subprocess
import sys
import time
from collections.abc import Iterator
from pathlib import Path

import numpy as np
import torch
import yaml
from diffusers import AutoencoderKL, UNet2DConditionModel
from transformers import CLIPTextConfig, CLIPTextModel

from pipeline.bases.registry import family
from pipeline.files.tensor_file import open_tensors
from pipeline.files.tensor_writer import tensor_writer
from pipeline.typed_numbers import whole_number
from tests.pipeline.bases.random_sd1 import file_key

Table = dict[str, tuple[int, ...]]


def sd1_table() -> Table:
    """Shapes of SD 1.5's weights by their single-file names."""
    configs = family("sd1").configs
    with torch.device("meta"):
        parts = {
            "unet": UNet2DConditionModel.from_config(configs["unet"]),
            "vae": AutoencoderKL.from_config(configs["vae"]),
            "text_encoder": CLIPTextModel(CLIPTextConfig(**configs["text_encoder"])),
        }
    return {
        file_key(part, key): tuple(weight.shape)
        for part, module in parts.items()
        for key, weight in module.state_dict().items()
    }


def xl_table() -> Table:
    """Shapes of SDXL's weights, from the list that ships with sd-mecha."""
    import sd_mecha

    path = Path(sd_mecha.__file__).parent / "extensions/builtin/model_configs/sdxl-sgm.yaml"
    components = yaml.safe_load(path.read_text())["components"]
    return {
        key: tuple(entry["shape"])
        for component in components.values()
        for key, entry in component.items()
        if "model_ema." not in key and "position_ids" not in key
    }


def write_random(path: Path, table: Table, seed: int) -> None:
    """Random fp16 weights with the spread of trained ones; random bits would contain infinities."""
    shapes = {name: (torch.float16, shape) for name, shape in table.items()}
    generator = np.random.default_rng(seed)
    with tensor_writer(path, shapes, {}) as writer:
        for name, (_, shape) in shapes.items():
            numbers = generator.standard_normal(shape, np.float32) * np.float32(0.03)
            writer.write(name, torch.from_numpy(np.atleast_1d(numbers)).half())


def merge(recipe: Path, out: Path) -> tuple[float, float]:
    """(seconds, peak anonymous memory in GB) of the command, with the interpreter's start."""
    begin, peak = time.perf_counter(), 0.0
    process = subprocess.Popen(
        [sys.executable, "-m", "pipeline.merging", "run", str(recipe), "--out", str(out)]
    )
    while process.poll() is None:
        peak = max(peak, anonymous_gb(process.pid))
        time.sleep(0.01)
    assert process.returncode == 0
    return time.perf_counter() - begin, peak


def anonymous_gb(pid: int) -> float:
    """Resident memory that does not map a file."""
    try:
        lines = Path(f"/proc/{pid}/status").read_text().splitlines()
    except (FileNotFoundError, ProcessLookupError):
        return 0.0
    return sum(int(line.split()[1]) for line in lines if line.startswith("RssAnon")) * 1024 / 1e9


def copy(files: list[Path]) -> float:
    begin = time.perf_counter()
    for file in files:
        subprocess.run(["cp", str(file), f"{file}.copy"], check=True)
    seconds = time.perf_counter() - begin
    for file in files:
        Path(f"{file}.copy").unlink()
    return seconds


def exact_share(a: Path, b: Path, out: Path, weights: dict[str, float]) -> float:
    """Share of numbers in every tenth tensor that equal (1 - w) A + w B in float64, rounded once."""
    files = [open_tensors(path).tensors for path in (a, b, out)]
    same = total = 0
    for name in list(files[2])[::10]:
        left, right, merged = (file[name].read() for file in files)
        weight = weights[name]
        expected = ((1 - weight) * left.double() + weight * right.double()).numpy().astype(np.float16)
        same += int((merged.numpy() == expected).sum())
        total += merged.numel()
    return same / total


def expected_weights(table: Table, listed: list[float]) -> dict[str, float]:
    from pipeline.merging.weights import blocks_of, weight_of

    blocks = blocks_of(table)
    assert blocks
    weight = weight_of(listed, blocks, "alpha")
    return {name: weight(name) for name in table}


def measure(folder: Path, table: Table, rounds: int) -> Iterator[str]:
    a, b, out, recipe = (
        folder / name for name in ("a.safetensors", "b.safetensors", "out.safetensors", "r.yaml")
    )
    write_random(a, table, 1)
    write_random(b, table, 2)
    num_blocks = 25 if any("input_blocks.11." in name for name in table) else 19
    listed = [round(0.3 + 0.4 * number / num_blocks, 3) for number in range(num_blocks + 1)]
    step = {"method": "weighted_sum", "a": "a", "b": "b", "alpha": listed}
    recipe.write_text(yaml.safe_dump({"inputs": {"a": str(a), "b": str(b)}, "merge": step}))
    merge(recipe, out)  # fills the page cache for both
    merges, copies = [], []
    for _ in range(rounds):
        copies.append(copy([a, b, out]))
        out.unlink()
        merges.append(merge(recipe, out))
    seconds = [seconds for seconds, _ in merges]
    ratios = [seconds / copied for (seconds, _), copied in zip(merges, copies, strict=True)]
    yield f"inputs 2 x {a.stat().st_size / 1e9:.2f} GB, {num_blocks} block weights, {rounds} rounds"
    yield f"merge {statistics.median(seconds):.1f} s ({min(seconds):.1f}-{max(seconds):.1f})"
    yield f"cp of inputs and result {statistics.median(copies):.1f} s ({min(copies):.1f}-{max(copies):.1f})"
    yield f"merge / cp {statistics.median(ratios):.2f} ({min(ratios):.2f}-{max(ratios):.2f})"
    yield f"peak anonymous memory {max(peak for _, peak in merges):.2f} GB"
    yield f"equal to float64 rounded once: {exact_share(a, b, out, expected_weights(table, listed)):.3%}"


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument(
        "--xl", action="store_true", help="SDXL's size: needs 21 GB of disk, 42 while copying"
    )
    parser.add_argument("--rounds", type=whole_number(1), default=3)
    parser.add_argument("--folder", type=Path, default=Path("/tmp/athanor-merge"))
    chosen = parser.parse_args()
    try:
        for line in measure(chosen.folder, xl_table() if chosen.xl else sd1_table(), chosen.rounds):
            print(line)
    finally:
        shutil.rmtree(chosen.folder, ignore_errors=True)


if __name__ == "__main__":
    main()
