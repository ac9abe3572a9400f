"""Prior preservation, results kept by content, and what the later stages refuse."""

import json
import shutil
from collections.abc import Iterator
from itertools import islice
from pathlib import Path

import pytest
import yaml
from PIL import Image
from safetensors import safe_open

from pipeline.errors import UserError
from pipeline.files.atomic import read_jsonl
from pipeline.files.hashing import sha256_of_file
from pipeline.grid import renderer as cells
from pipeline.prompts.infotext_reader import parse_infotext
from pipeline.schemas import Config
from pipeline.store.items import Items
from stages import class_images, compose, encode, merge, sample_grid, train
from tests.noting import noting
from tests.stages.project import draw_pictures, make_project, run_all

CLASS = {"prompt": "a thing", "resolution": 64, "steps": 2, "batch": 2}


@pytest.fixture(scope="module")
def project(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A run with five class pictures; tests that change it work on a copy."""
    folder = tmp_path_factory.mktemp("prior") / "project"
    make_project(folder, class_images={**CLASS, "count": 5})
    with pytest.MonkeyPatch.context() as patch:
        patch.chdir(folder)
        patch.setenv("ATHANOR_STORE", str(folder / "store"))
        run_all()
    return folder


@pytest.fixture
def copy(project: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    folder = tmp_path / "copy"
    shutil.copytree(project, folder)
    monkeypatch.chdir(folder)
    monkeypatch.setenv("ATHANOR_STORE", str(folder / "store"))
    return folder


def test_class_pictures_join_the_training(project: Path) -> None:
    rows = read_jsonl(project / "data/encoded/records.jsonl")
    assert [row["caption"] for row in rows if row["is_class"]] == ["a thing"] * 5
    # Three pictures, twice each, and as many class pictures: 12 showings in batches of 2, for 2 epochs.
    assert json.loads((project / "metrics/train.json").read_text())["steps"] == 12


def test_class_pictures_say_what_they_were_drawn_with(project: Path) -> None:
    first = yaml.safe_load((project / "params.resolved.yaml").read_text())["seed"]
    for number, path in enumerate(sorted((project / "data/class_images/pictures/class").iterdir())):
        with Image.open(path) as picture:
            job, settings = parse_infotext(picture.info["parameters"])
            recipe = json.loads(picture.info["athanor"])
        assert (job.prompt, settings.steps, settings.width, settings.height) == ("a thing", 2, 64, 64)
        assert recipe["seed"] == job.seed == first + number


def test_class_pictures_of_ones_own_join_the_training(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    folder = make_project(tmp_path / "own", collect={"source": "photos", "class_source": "class_photos"})
    draw_pictures(folder / "more" / "1_thing", 7)
    (folder / "class_photos" / "1_thing").mkdir(parents=True)
    for number in range(3, 7):
        (folder / "more" / "1_thing" / f"{number}.png").rename(
            folder / "class_photos" / "1_thing" / f"{number}.png"
        )
    monkeypatch.chdir(folder)
    run_all()
    texts = {row["id"]: row["caption"] for row in read_jsonl(Path("data/captions/captions.jsonl"))}
    assert all(text.startswith("zib") == name.startswith("zib/") for name, text in texts.items())
    assert json.loads(Path("metrics/train.json").read_text())["steps"] == 12
    with safe_open("models/network/net.safetensors", "pt") as file:
        metadata = file.metadata()
    assert metadata["ss_num_reg_images"] == "4"
    assert json.loads(metadata["ss_dataset_dirs"]) == {"2_zib": {"img_count": 3, "n_repeats": 2}}


def test_more_class_pictures_cost_only_the_new_ones(copy: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    before = {path.name: path.read_bytes() for path in (copy / "data/class_images/pictures/class").iterdir()}
    drawn: list[list[int]] = []
    monkeypatch.setattr(
        class_images, "fresh", noting(drawn, lambda _config, seeds: seeds, class_images.fresh)
    )
    text = (copy / "params.yaml").read_text()
    (copy / "params.yaml").write_text(text.replace("count: 5", "count: 7"))
    compose.main([])
    class_images.main([])
    assert drawn == [[6, 7]]  # the sixth came with the fifth
    after = {path.name: path.read_bytes() for path in (copy / "data/class_images/pictures/class").iterdir()}
    assert len(after) == 7
    assert after.items() >= before.items()


def test_class_pictures_of_a_killed_run_are_kept_and_the_rest_comes_out_the_same(
    copy: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    before = {path.name: path.read_bytes() for path in (copy / "data/class_images/pictures/class").iterdir()}
    monkeypatch.setenv("ATHANOR_STORE", str(copy / "another store"))
    fresh, drawn = class_images.fresh, list[list[int]]()

    def killed(config: Config, seeds: list[int]) -> Iterator[bytes]:
        yield from islice(fresh(config, seeds), 3)
        raise KeyboardInterrupt

    monkeypatch.setattr(class_images, "fresh", killed)
    with pytest.raises(KeyboardInterrupt):
        class_images.main([])
    monkeypatch.setattr(class_images, "fresh", noting(drawn, lambda _config, seeds: seeds, fresh))
    class_images.main([])
    assert drawn == [[2, 3, 4, 5]]
    after = {path.name: path.read_bytes() for path in (copy / "data/class_images/pictures/class").iterdir()}
    assert after == before


@pytest.mark.parametrize("family", ["lora", "checkpoint"])
def test_two_means_trains_any_family(copy: Path, family: str) -> None:
    """As many steps; another result than with the other form."""
    params = yaml.safe_load((copy / "params.yaml").read_text())
    del params["network"]
    digests, losses = set(), []
    for form in ("sd_scripts", "two_means"):
        changed = {**params, "use": {"network": family}, "train": {**params["train"], "prior_form": form}}
        (copy / "params.yaml").write_text(yaml.safe_dump(changed))
        compose.main([])
        train.main(["--out", form])
        metrics = json.loads((copy / form / "metrics/train.json").read_text())
        assert metrics["steps"] == 12 / 2 * 2
        losses.append(metrics["loss_first_epoch"])
        digests.add(sha256_of_file(copy / form / "models/network/net.safetensors"))
    assert len(digests) == 2
    assert losses[1] == pytest.approx(losses[0], rel=0.3)  # a mean is written down; the sum would be twice


def test_cells_that_are_kept_are_not_drawn_again(copy: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    grid = (copy / "reports/sample-grid/grid.png").read_bytes()
    monkeypatch.setattr(cells, "base_to_draw", lambda *_: pytest.fail("the base was loaded"))
    sample_grid.main([])
    assert (copy / "reports/sample-grid/grid.png").read_bytes() == grid


def test_latents_that_are_kept_are_not_encoded_again(copy: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    latents = (copy / "data/encoded/latents.safetensors").read_bytes()
    monkeypatch.setattr(encode, "load_base", lambda _: pytest.fail("the base was loaded"))
    encode.main([])
    assert (copy / "data/encoded/latents.safetensors").read_bytes() == latents
    assert Items("encode").folder.is_dir()


def test_an_epoch_that_is_not_there_is_a_sentence(copy: Path) -> None:
    with pytest.raises(UserError, match=r"merge\.epoch 9: models/network has no such epoch; it has 1, 2"):
        merge.main(["merge.epoch=9", "--out", "tries"])


def test_merging_by_hand_leaves_the_graphs_outputs_alone(copy: Path) -> None:
    before = (copy / "models/merged/net.safetensors").read_bytes()
    merge.main(["merge.epoch=last", "merge.layout=folder", "merge.alpha=0.5", "--out", "tries"])
    assert (copy / "tries/models/merged/net/unet/config.json").is_file()
    assert (copy / "models/merged/net.safetensors").read_bytes() == before


def test_captions_that_do_not_fit_the_pictures_are_a_sentence(copy: Path) -> None:
    (copy / "data/captions/captions.jsonl").write_text("")
    with pytest.raises(UserError, match="no caption for zib/0"):
        train.main([])


def test_a_rate_that_blows_up_leaves_no_network(copy: Path) -> None:
    shutil.rmtree(copy / "models/network")
    with pytest.raises(UserError, match=r"the loss became NaN.*; lower optimizer\.lr"):
        train.main(
            ["optimizer.lr=1e30", "optimizer.text_encoder_lr=1e30", "train.clip_norm=0", "--out", "tries"]
        )
    assert not (copy / "tries/models/network").exists()


def test_collected_pictures_can_be_exported_for_other_trainers(copy: Path) -> None:
    from stages import filter_tags

    filter_tags.main(["--export", "kohya"])
    assert (copy / "kohya/2_zib/0.txt").read_text() == (copy / "data/captions/zib/0.txt").read_text()
    assert (copy / "kohya/2_zib/0.png").is_file()
    with pytest.raises(UserError, match="not empty"):
        filter_tags.main(["--export", "kohya"])


def test_one_more_picture_is_one_more_crop(copy: Path) -> None:
    from stages import collect, crop

    kept = len(list(Items("crop").folder.rglob("*.png")))
    draw_pictures(copy / "photos" / "1_more", 4)
    for number in range(3):
        (copy / "photos" / "1_more" / f"{number}.png").unlink()
    collect.main([])
    crop.main([])
    assert len(list(Items("crop").folder.rglob("*.png"))) == kept + 1
