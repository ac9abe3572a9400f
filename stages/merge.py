"""models/network/ + the base -> models/merged/: a complete checkpoint with the chosen epoch's network baked
in, or the result of merge.recipe.

In: models/network/, reports/sample-grid/choice.json, the base, the recipe's inputs; with `merge.epoch: voted`
data/votes.yaml, of which `merge` holds the hash, and grid.json, which the votes name by hash. Out:
models/merged/<name>.safetensors or a folder, metrics/merge.json. Reads `base` and `merge`. Deterministic:
float32 arithmetic, rounded once. The header contains the recipe: `python -m pipeline.merging rebuild` makes
the same bytes again.
"""

import json
from collections.abc import Sequence
from pathlib import Path
from typing import Any

from pipeline.bases.load import load_base
from pipeline.bases.save import save_file, save_folder
from pipeline.command import StageRun, run, start
from pipeline.config.recipes import RecipeContent, content_of_the_run, parse
from pipeline.errors import UserError, warn
from pipeline.files.atomic import new_folder, write_json
from pipeline.files.hashing import sha256_of_tree
from pipeline.files.names import insist_on_plain_name
from pipeline.files.safetensors_header import metadata_of
from pipeline.merging.bake import bake
from pipeline.merging.build import first_input, run_recipe
from pipeline.merging.folder import run_recipe_to_folder
from pipeline.merging.header import MERGE_KEY, recipe_text
from pipeline.merging.locking import paths_of
from pipeline.networks.epochs import epoch_files
from pipeline.networks.families import acts_on_weights, load
from pipeline.schemas import Config, MergeConfig
from pipeline.votes.winner import Winner, voted
from stages import NETWORKS

CHOICE = Path("reports/sample-grid/choice.json")


def winner_of(config: MergeConfig) -> Winner | None:
    """What the votes choose, if merge.epoch is voted."""
    if config.epoch != "voted":
        return None
    winner = voted(config.votes, {path.name for path in epoch_files(NETWORKS).values()})
    if config.recipe is None and winner.weight != config.alpha:
        warn(
            f"the votes prefer {winner.place}, drawn at weight {winner.weight:g}, but merge.alpha is"
            f" {config.alpha:g}, so the merged checkpoint draws other pictures; set merge.alpha to"
            f" {winner.weight:g}"
        )
    return winner


def chosen_file(config: MergeConfig, winner: Winner | None = None) -> Path:
    """The epoch file that merge.epoch names. `winner`: of the votes, if it is voted."""
    if winner is not None:
        return NETWORKS / winner.file
    epochs = epoch_files(NETWORKS)
    if config.epoch == "best":
        return NETWORKS / str(json.loads(CHOICE.read_text(encoding="utf-8"))["file"])
    if not epochs:
        raise UserError(f"{NETWORKS} has no epoch file; run `dvc repro train`")
    if config.epoch == "last":
        return epochs[max(epochs)]
    if not isinstance(config.epoch, int) or config.epoch not in epochs:
        raise UserError(
            f"merge.epoch {config.epoch}: {NETWORKS} has no such epoch; it has {', '.join(map(str, epochs))}"
        )
    return epochs[config.epoch]


def output_name(network: Path) -> str:
    """The training's name, from the file's header."""
    name = metadata_of(network).get("ss_output_name")
    return insist_on_plain_name(name, f"{network}: ss_output_name in its header,")


def bake_content(config: Config, network: Path) -> RecipeContent:
    """The default recipe: bakes the network into the base, and replaces the VAE by base.vae if set."""
    step: RecipeContent = {
        "method": "bake", "model": "base", "network": "network", "strength": config.merge.alpha,
    }  # fmt: skip
    inputs: RecipeContent = {
        "base": {"path": config.base.path, "sha256": config.base.sha256},
        "network": {"path": str(network)},
    }
    if config.base.vae:
        step = {"method": "replace_vae", "model": step, "vae": "vae"}
        inputs["vae"] = {"path": config.base.vae, "sha256": config.base.vae_sha256}
    return {"inputs": inputs, "merge": step, "dtype": config.merge.dtype, **_predicted(config)}


def recipe_content(config: Config, network: Path) -> RecipeContent:
    """merge.recipe or the default, with the run's inputs, dtype and prediction."""
    if config.merge.recipe is None:
        return bake_content(config, network)
    assert isinstance(config.merge.recipe, dict)
    content = content_of_the_run(config.merge.recipe, config.base.path, network, "merge.recipe")
    parsed = parse(content, "merge.recipe")
    is_of_base = paths_of(parsed)[first_input(parsed.merge)] == Path(config.base.path)
    return {**content, "dtype": config.merge.dtype, **(_predicted(config) if is_of_base else {})}


def _predicted(config: Config) -> RecipeContent:
    """base.prediction_type, which overrides the base's files."""
    given = config.base.prediction_type
    return {"prediction_type": given} if given else {}


def merge_by_recipe(config: Config, content: RecipeContent, out: Path) -> dict[str, Any]:
    """Streams the result into a single file or a diffusers folder; returns facts about it."""
    recipe = parse(content, "merge.recipe")
    if config.merge.layout == "file":
        return run_recipe(recipe, out.with_name(f"{out.name}.safetensors"))
    return run_recipe_to_folder(recipe, out)


def bake_into_hub_base(config: Config, content: RecipeContent, out: Path) -> dict[str, Any]:
    """The default for a base in the hub's cache: loads, changes and writes it."""
    base = load_base(config.base)
    network = load(Path(content["inputs"]["network"]["path"]), base)
    changed = bake(network, base, config.merge.alpha)
    header = {MERGE_KEY: recipe_text(parse(content, "merge"))}
    if config.merge.layout == "file":
        save_file(base, out.with_name(f"{out.name}.safetensors"), config.merge.dtype, header)
    else:
        save_folder(base, out, config.merge.dtype, header)
    return {"layers_changed": len(changed)}


def leave_out(job: StageRun, network: Path) -> None:
    """Writes an empty folder: an embedding or hypernetwork cannot be merged."""
    warn(
        f"{network} does not change the base's weights, so nothing is merged; use the file with the base, as"
        " the sample grid does"
    )
    with new_folder(job.out / "models/merged"):
        write_json(job.out / "metrics/merge.json", {"network": network.name, "layers_changed": 0})


def main(arguments: Sequence[str] = ()) -> None:
    job = start("merge", arguments)
    config, winner = job.config, winner_of(job.config.merge)
    network = chosen_file(config.merge, winner)
    is_default = config.merge.recipe is None
    if is_default and not acts_on_weights(network):
        return leave_out(job, network)
    content = recipe_content(config, network)
    on_the_hub = is_default and not Path(config.base.path).exists()
    write = bake_into_hub_base if on_the_hub else merge_by_recipe
    uses_network = "network" in content["inputs"]
    with new_folder(job.out / "models/merged") as folder:
        facts = write(config, content, folder / (output_name(network) if uses_network else "merged"))
        facts["sha256"] = sha256_of_tree(next(folder.iterdir()))
    if uses_network:
        facts["network"] = network.name
    if winner is not None:
        facts |= {"place": winner.place, "votes": winner.num_votes}
    write_json(job.out / "metrics/merge.json", facts)


if __name__ == "__main__":
    run(main)
