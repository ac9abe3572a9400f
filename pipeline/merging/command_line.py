"""The arguments of `python -m pipeline.merging`."""

import argparse
from pathlib import Path

from pipeline.typed_numbers import MOST_RANK, above, whole_number

RANK = whole_number(1, MOST_RANK)


def make_parser(description: str | None) -> argparse.ArgumentParser:
    parser = argparse.ArgumentParser(prog="python -m pipeline.merging", description=description)
    commands = parser.add_subparsers(dest="command", required=True)
    merges = [_run(commands.add_parser("run", help="merge as a recipe says"))]
    merges += [_rebuild(commands.add_parser("rebuild", help="make a merge again, and compare the bytes"))]
    for each in merges:
        each.add_argument(
            "--search", type=Path, nargs="+", default=[], metavar="DIR", help="folders with the inputs"
        )
    _inspect(commands.add_parser("inspect", help="a checkpoint's norms by block"), "a")
    _inspect(commands.add_parser("diff", help="the distance between two checkpoints, by block"), "a", "b")
    loras = [_combine(commands.add_parser("combine", help="combine LoRAs: exactly, or at a smaller rank"))]
    loras += [_resize(commands.add_parser("resize", help="a LoRA at a smaller rank"))]
    loras += [_extract(commands.add_parser("extract", help="two checkpoints' difference as a LoRA"))]
    for each in (*merges, *loras):
        each.add_argument("--out", type=Path, required=True, metavar="FILE", help="the .safetensors to write")
    for each in loras:
        each.add_argument("--dtype", choices=["fp16", "bf16", "fp32"], default="fp16")
    return parser


def _run(run: argparse.ArgumentParser) -> argparse.ArgumentParser:
    run.add_argument("recipe", type=Path, metavar="RECIPE", help="a YAML file, or a merged .safetensors")
    run.add_argument("changes", nargs="*", metavar="KEY=VALUE", help="merge.alpha=0.3, dtype=fp32 ...")
    run.add_argument(
        "--layout", choices=["file", "folder"], default="file", help="folder: in diffusers' layout"
    )
    return run


def _rebuild(rebuild: argparse.ArgumentParser) -> argparse.ArgumentParser:
    rebuild.add_argument("merged", type=Path, metavar="MERGED", help="a merged .safetensors or folder")
    return rebuild


def _inspect(inspect: argparse.ArgumentParser, *names: str) -> None:
    for name in names:
        inspect.add_argument(name, type=Path, metavar=name.upper())
    inspect.add_argument("--out", type=Path, metavar="PNG", help="write the bars as a picture too")


def _combine(combine: argparse.ArgumentParser) -> argparse.ArgumentParser:
    combine.add_argument("files", nargs="+", metavar="FILE[:RATIO]", help="RATIO: a number, 26, or a preset")
    combine.add_argument("--rank", type=RANK, metavar="N", help="the best sum of this rank; without: exact")
    return combine


def _resize(resize: argparse.ArgumentParser) -> argparse.ArgumentParser:
    resize.add_argument("file", type=Path, metavar="FILE")
    resize.add_argument("--rank", type=RANK, required=True, metavar="N", help="the largest rank")
    resize.add_argument(
        "--by", choices=["ratio", "frobenius", "cumulative"], help="without: the same rank everywhere"
    )
    resize.add_argument(
        "--share", type=above(0), help="fraction of the norm or sum to keep; with ratio, the largest S0 / S"
    )
    return resize


def _extract(extract: argparse.ArgumentParser) -> argparse.ArgumentParser:
    extract.add_argument("tuned", type=Path, metavar="TUNED")
    extract.add_argument("original", type=Path, metavar="ORIGINAL")
    extract.add_argument("--dim", type=RANK, required=True)
    extract.add_argument(
        "--conv-dim", type=whole_number(0, MOST_RANK), default=0, help="rank of 3x3 kernels; 0: none"
    )
    return extract
