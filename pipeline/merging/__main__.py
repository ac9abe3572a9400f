"""`python -m pipeline.merging run RECIPE --out FILE`: merges as a recipe says, outside the graph.

RECIPE is a YAML file, or a merged .safetensors, whose header carries its recipe: then the file is made again,
to the byte.
"""

import argparse
from collections.abc import Sequence
from pathlib import Path

import yaml

from pipeline.command import run as run_command
from pipeline.errors import UserError


def main(arguments: Sequence[str]) -> None:
    parser = argparse.ArgumentParser(prog="python -m pipeline.merging", description=__doc__)
    commands = parser.add_subparsers(dest="command", required=True)
    run = commands.add_parser("run", help="merge as a recipe says")
    run.add_argument("recipe", type=Path, metavar="RECIPE", help="a YAML file, or a merged .safetensors")
    run.add_argument("changes", nargs="*", metavar="KEY=VALUE", help="merge.alpha=0.3, dtype=fp32 ...")
    run.add_argument("--out", type=Path, required=True, metavar="FILE", help="the .safetensors to write")
    run.add_argument(
        "--search", type=Path, nargs="+", default=[], metavar="DIR", help="folders with the inputs"
    )
    chosen = parser.parse_args(arguments)
    {"run": _run}[chosen.command](chosen)


def _run(chosen: argparse.Namespace) -> None:
    from pipeline.config.recipes import parse, varied
    from pipeline.merging.recipes import found_by_hash, read_content
    from pipeline.merging.run import run_recipe

    if chosen.out.suffix != ".safetensors":
        raise UserError(f"--out {chosen.out}: a merged checkpoint is a .safetensors file; name it so")
    changes = {
        key: yaml.safe_load(value) for key, _, value in (change.partition("=") for change in chosen.changes)
    }
    recipe = parse(varied(read_content(chosen.recipe), changes), str(chosen.recipe))
    facts = run_recipe(found_by_hash(recipe, chosen.search), chosen.out)
    print(f"{chosen.out}: {facts['tensors_merged']} tensors merged")


if __name__ == "__main__":
    run_command(main)
