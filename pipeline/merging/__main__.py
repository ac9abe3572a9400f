"""Merging outside the graph: `python -m pipeline.merging run|rebuild|inspect|diff|combine|resize|extract`.

`run RECIPE --out FILE` merges as a recipe says: a YAML file, or a file that was merged here and has its
recipe in its header. `rebuild MERGED --out FILE` makes it again from that recipe and compares the bytes. See
docs/merging.md.
"""

import argparse
from collections.abc import Sequence
from pathlib import Path
from typing import TYPE_CHECKING

from pipeline.command import run as run_command
from pipeline.errors import UserError, warn
from pipeline.files.outputs import claim, claim_folder, is_same
from pipeline.files.yaml_text import parse_yaml
from pipeline.merging.command_line import make_parser
from pipeline.same_bytes import fix_where_asked
from pipeline.typed_numbers import ratios_in

if TYPE_CHECKING:
    from pipeline.schemas.recipe import Recipe


def main(arguments: Sequence[str]) -> None:
    parser = make_parser(__doc__)
    chosen, rest = parser.parse_known_args(arguments)
    if chosen.command == "run":  # KEY=VALUE behind options, as the stages take it
        chosen.changes += [word for word in rest if "=" in word and not word.startswith("-")]
        rest = [word for word in rest if word not in chosen.changes]
    if rest:
        parser.error(f"unrecognized arguments: {' '.join(rest)}")
    _insist_on_suffix(chosen)
    COMMANDS[chosen.command](chosen)


def _insist_on_suffix(chosen: argparse.Namespace) -> None:
    """Checks the result's name before hours of work."""
    if chosen.command == "rebuild":
        chosen.layout = "folder" if chosen.merged.is_dir() else "file"
    suffix = ".png" if chosen.command in ("inspect", "diff") else ".safetensors"
    if getattr(chosen, "layout", "file") == "folder":
        if chosen.out.suffix == suffix:
            raise UserError(f"--out {chosen.out}: the result is a folder; remove {suffix} from its name")
    elif chosen.out and chosen.out.suffix != suffix:
        raise UserError(f"--out {chosen.out}: the result is a {suffix} file; end its name so")


def _run(chosen: argparse.Namespace) -> None:
    from pipeline.config.recipes import parse, varied
    from pipeline.merging.recipes import is_merged, model_by_hash, read_content

    changes = {
        key: parse_yaml(value, f"--set {key}")
        for key, _, value in (change.partition("=") for change in chosen.changes)
    }
    recipe = parse(varied(read_content(chosen.recipe), changes), str(chosen.recipe))
    folders, stated = chosen.search, set[str]()
    if is_merged(chosen.recipe):
        folders = [chosen.recipe.parent, *folders]
        typed = {key.removeprefix("inputs.").removesuffix(".path") for key in changes}
        stated = recipe.inputs.keys() - typed
    _merge(model_by_hash(recipe, folders, stated), chosen.out, chosen.layout)


def _rebuild(chosen: argparse.Namespace) -> None:
    from pipeline.config.recipes import parse
    from pipeline.files.hashing import sha256_of_tree
    from pipeline.merging.recipes import model_by_hash, read_content

    merged: Path = chosen.merged
    recipe = parse(read_content(merged), str(merged))
    located = model_by_hash(recipe, [merged.parent, *chosen.search], recipe.inputs)
    if is_same(chosen.out, merged):
        raise UserError(
            f"--out {chosen.out} is {merged} itself; choose another name, so that they can be compared"
        )
    _merge(located, chosen.out, chosen.layout)
    before, after = sha256_of_tree(merged), sha256_of_tree(chosen.out)
    if before != after:
        raise UserError(
            f"{chosen.out} has the sha256 {after}, {merged} has {before}: the recipe and its inputs are the"
            " same, so different versions of this program or of torch made the two, or one was changed"
        )
    print(f"{chosen.out} is {merged} to the byte (sha256 {after})")


def _merge(recipe: "Recipe", out: Path, layout: str) -> None:
    from pipeline.merging.build import run_recipe
    from pipeline.merging.locking import paths_of

    inputs = list(paths_of(recipe).values())
    if layout == "file":
        claim(out, inputs)
        facts = run_recipe(recipe, out)
    else:
        claim_folder(out, inputs, "model_index.json")
        from pipeline.merging.folder import run_recipe_to_folder  # loads diffusers

        facts = run_recipe_to_folder(recipe, out)
    print(f"{out}: {facts['layers_changed']} layers changed")
    for name, digest in facts["inputs"].items():
        print(f"  inputs.{name}.sha256 {digest}")


def _compare(chosen: argparse.Namespace) -> None:
    from pipeline.merging.inspection import by_block, lines, picture

    if chosen.out:
        claim(chosen.out, [path for path in (chosen.a, getattr(chosen, "b", None)) if path])
    amounts = by_block(chosen.a, getattr(chosen, "b", None))
    print("\n".join(lines(amounts)))
    if chosen.out:
        names = [path.name for path in (chosen.a, getattr(chosen, "b", None)) if path]
        picture(amounts, names).save(chosen.out)


def _combine(chosen: argparse.Namespace) -> None:
    from pipeline.merging.lora_files import combine, read_lora, write_lora
    from pipeline.merging.lora_pairs import fixed

    parts = [given.rpartition(":") if _has_ratio(given) else (given, ":", "1") for given in chosen.files]
    ratios = [ratios_in(text, path) for path, _, text in parts]
    claim(chosen.out, [Path(path) for path, _, _ in parts])
    files = [read_lora(Path(path)) for path, _, _ in parts]
    result = combine(files, ratios, fixed(chosen.rank) if chosen.rank else None)
    write_lora(chosen.out, result, chosen.dtype)
    print(f"{chosen.out}: {len(result.pairs)} modules, relative error {result.error():.3%}")


def _has_ratio(given: str) -> bool:
    return ":" in given and not Path(given).exists()


def _resize(chosen: argparse.Namespace) -> None:
    from pipeline.merging.lora_files import read_lora, resize, write_lora
    from pipeline.merging.lora_pairs import RULES, fixed, insist_on_fraction

    if (chosen.by is None) != (chosen.share is None):
        raise UserError("--by and --share belong together: give both, or neither for one rank everywhere")
    if chosen.by:
        insist_on_fraction(chosen.by, chosen.share)
    rule = RULES[chosen.by](chosen.share) if chosen.by else fixed(chosen.rank)
    claim(chosen.out, [chosen.file])
    result = resize(read_lora(chosen.file), rule, chosen.rank)
    write_lora(chosen.out, result, chosen.dtype)
    ranks = sorted(pair.rank for pair in result.pairs.values())
    print(f"{chosen.out}: ranks {ranks[0]} to {ranks[-1]}, relative error {result.error():.3%}")


def _extract(chosen: argparse.Namespace) -> None:
    from pipeline.merging.lora_extract import extract
    from pipeline.merging.lora_files import write_lora

    claim(chosen.out, [chosen.tuned, chosen.original])
    extracted = extract(chosen.tuned, chosen.original, chosen.dim, chosen.conv_dim)
    if not extracted.lora.pairs:
        raise UserError(f"{chosen.tuned} and {chosen.original} differ in no layer that a LoRA can hold")
    write_lora(chosen.out, extracted.lora, chosen.dtype)
    print(f"{chosen.out}: {len(extracted.lora.pairs)} modules, relative error {extracted.lora.error():.3%}")
    if extracted.left_out:
        warn(
            f"{len(extracted.left_out)} tensors that differ do not fit into this LoRA"
            f" ({', '.join(extracted.left_out[:3])} ...); --conv-dim adds 3x3 kernels"
        )


COMMANDS = {
    "run": _run,
    "rebuild": _rebuild,
    "inspect": _compare,
    "diff": _compare,
    "combine": _combine,
    "resize": _resize,
    "extract": _extract,
}


if __name__ == "__main__":
    fix_where_asked(())  # torch is loaded later, by the command
    run_command(main)
