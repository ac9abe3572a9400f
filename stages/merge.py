"""models/network/ + the base -> models/merged/: the chosen epoch's network baked in, or whatever merge.recipe
makes: a checkpoint that stands alone.

In: models/network/, reports/sample-grid/choice.json, the base, the recipe's inputs. Out:
models/merged/<name>.safetensors or a folder, metrics/merge.json. Reads `base` and `merge`. Deterministic:
float32 arithmetic, rounded once.
"""

import json
from collections.abc import Sequence
from pathlib import Path

from safetensors import safe_open

from pipeline.base.load import load_base
from pipeline.base.save import save_file, save_folder
from pipeline.command import Run, run, start
from pipeline.config.recipes import Content, content_of_the_run, parse
from pipeline.config.schemas import Config, Merge
from pipeline.errors import UserError, warn
from pipeline.files.atomic import new_folder, write_json
from pipeline.files.hashing import sha256_of_file, sha256_of_tree
from pipeline.merging.bake import acts_on_weights, bake
from pipeline.merging.folder import run_recipe_to_folder
from pipeline.merging.run import run_recipe
from pipeline.networks.families import load
from pipeline.networks.network_files import epoch_files

NETWORKS, CHOICE = Path("models/network"), Path("reports/sample-grid/choice.json")


def chosen_file(config: Merge) -> Path:
    """The epoch file that merge.epoch names."""
    epochs = epoch_files(NETWORKS)
    if config.epoch == "best":
        return NETWORKS / str(json.loads(CHOICE.read_text(encoding="utf-8"))["file"])
    if config.epoch == "last":
        return epochs[max(epochs)]
    if config.epoch not in epochs:
        raise UserError(
            f"merge.epoch {config.epoch}: no such epoch file in"
            f" {NETWORKS}; there are {', '.join(map(str, epochs))}"
        )
    return epochs[config.epoch]


def output_name(network: Path) -> str:
    """The training's name, from the file's header."""
    with safe_open(network, "pt") as file:
        return str(file.metadata()["ss_output_name"])


def recipe(config: Config, network: Path) -> dict[str, str]:
    """What the checkpoint was made of."""
    parts = {
        "base": config.base.sha256,
        "network": sha256_of_file(network),
        "alpha": config.merge.alpha,
        "method": "bake",
    }
    return {"athanor.merge": json.dumps(parts, sort_keys=True)}


def recipe_content(config: Config, network: Path) -> Content:
    """merge.recipe with the run's own inputs and numbers."""
    assert isinstance(config.merge.recipe, dict)
    content = content_of_the_run(config.merge.recipe, config.base.path, network, "merge.recipe")
    return {**content, "dtype": config.merge.dtype}


def merge_by_recipe(job: Run, network: Path) -> None:
    """Streamed, into a single file or a diffusers folder."""
    content = recipe_content(job.config, network)
    name = output_name(network) if "network" in content["inputs"] else "merged"
    with new_folder(job.out / "models/merged") as folder:
        wanted = parse(content, "merge.recipe")
        if job.config.merge.layout == "file":
            facts = run_recipe(wanted, folder / f"{name}.safetensors")
        else:
            facts = run_recipe_to_folder(wanted, folder / name)
        digest = sha256_of_tree(next(folder.iterdir()))
    write_json(job.out / "metrics/merge.json", {**facts, "sha256": digest})


def leave_out(job: Run, network: Path) -> None:
    """Of an embedding or a hypernetwork there is nothing to merge: an empty folder."""
    warn(
        f"{network} is no change of the base's weights, so nothing is merged; use the file beside the base,"
        " as the sample grid does"
    )
    with new_folder(job.out / "models/merged"):
        write_json(job.out / "metrics/merge.json", {"network": network.name, "layers_changed": 0})


def main(arguments: Sequence[str] = ()) -> None:
    job = start("merge", arguments)
    config = job.config
    network_file = chosen_file(config.merge)
    if config.merge.recipe is not None:
        return merge_by_recipe(job, network_file)
    base = load_base(config.base)
    network = load(network_file, base)
    if not acts_on_weights(network):
        return leave_out(job, network_file)
    changed = bake(network, base.unet, base.text_encoder, config.merge.alpha)
    name = output_name(network_file)
    with new_folder(job.out / "models/merged") as folder:
        if config.merge.layout == "file":
            save_file(base, folder / f"{name}.safetensors", config.merge.dtype, recipe(config, network_file))
        else:
            save_folder(base, folder / name, config.merge.dtype, recipe(config, network_file))
        digest = sha256_of_tree(next(folder.iterdir()))
    facts = {"network": network_file.name, "layers_changed": len(changed), "sha256": digest}
    write_json(job.out / "metrics/merge.json", facts)


if __name__ == "__main__":
    run(main)
