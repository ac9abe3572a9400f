"""NaN and infinity: every tool that reads weights refuses them in the same words, and writes nothing."""

from collections.abc import Callable
from pathlib import Path

import pytest

from pipeline.bases.base import Base
from pipeline.bases.save import save_file
from pipeline.errors import UserError
from pipeline.files.safetensors_file import read_safetensors, write_safetensors
from pipeline.merging.__main__ import main
from pipeline.networks.__main__ import main as networks
from tests.pipeline.bases.random_sd1 import random_base
from tests.pipeline.networks.test_families import trained


@pytest.fixture(scope="module")
def base() -> Base:
    return random_base()


@pytest.fixture(scope="module")
def lora(base: Base, tmp_path_factory: pytest.TempPathFactory) -> Path:
    path = tmp_path_factory.mktemp("lora") / "lora.safetensors"
    write_safetensors(path, trained("lora", base).file_tensors("fp32"), {})
    return path


@pytest.fixture(scope="module")
def checkpoint(base: Base, tmp_path_factory: pytest.TempPathFactory) -> Path:
    path = tmp_path_factory.mktemp("checkpoint") / "checkpoint.safetensors"
    save_file(base, path, "fp32", {})
    return path


def broken(path: Path, target: Path, value: float, ending: str = ".weight") -> tuple[Path, str]:
    """A copy of which one number is `value`, and the name of its tensor."""
    tensors, header = read_safetensors(path)
    name = next(
        name for name in sorted(tensors) if name.endswith(ending) and tensors[name].is_floating_point()
    )
    tensors[name] = tensors[name].clone()
    tensors[name].view(-1)[0] = value
    write_safetensors(target, tensors, header)
    return target, name


Command = Callable[[str, str, str], list[str]]
OF_LORAS: dict[str, Command] = {
    "combine": lambda sick, well, out: ["combine", well, sick, "--out", out],
    "combine at a rank": lambda sick, well, out: ["combine", well, sick, "--rank", "1", "--out", out],
    "resize": lambda sick, *rest: ["resize", sick, "--rank", "1", "--out", rest[-1]],
}
OF_CHECKPOINTS: dict[str, Command] = {
    "extract": lambda sick, well, out: ["extract", sick, well, "--dim", "1", "--out", out],
    "extract from": lambda sick, well, out: ["extract", well, sick, "--dim", "1", "--out", out],
}


@pytest.mark.parametrize("value", [float("nan"), float("inf"), -float("inf")])
@pytest.mark.parametrize("ending", ["lora_up.weight", "alpha"])
@pytest.mark.parametrize("command", OF_LORAS)
def test_a_broken_lora_is_refused(
    command: str, ending: str, value: float, lora: Path, tmp_path: Path
) -> None:
    sick, name = broken(lora, tmp_path / "sick.safetensors", value, ending)
    out = tmp_path / "out.safetensors"
    with pytest.raises(UserError) as error:
        main(OF_LORAS[command](str(sick), str(lora), str(out)))
    assert error.value.problems == (
        f"{sick} holds NaN or infinity in 1 tensors ({name}); it is broken, use another file",
    )
    assert not out.exists()


@pytest.mark.parametrize("command", OF_CHECKPOINTS)
def test_a_broken_checkpoint_gives_no_lora(command: str, checkpoint: Path, tmp_path: Path) -> None:
    sick, _ = broken(checkpoint, tmp_path / "sick.safetensors", float("nan"))
    out = tmp_path / "out.safetensors"
    with pytest.raises(UserError, match=r"sick\.safetensors holds NaN or infinity in 1 tensors"):
        main(OF_CHECKPOINTS[command](str(sick), str(checkpoint), str(out)))
    assert not out.exists()


@pytest.mark.parametrize("command", [["inspect"], ["diff"]])
def test_a_broken_checkpoint_is_not_measured(command: list[str], checkpoint: Path, tmp_path: Path) -> None:
    sick, _ = broken(checkpoint, tmp_path / "sick.safetensors", float("inf"))
    files = [str(checkpoint)] * (command == ["diff"]) + [str(sick)]
    with pytest.raises(UserError, match=r"sick\.safetensors holds NaN or infinity in 1 tensors"):
        main([*command, *files])


@pytest.mark.parametrize("arguments", [["--to", "diffusers"], ["--to", "sd-scripts"]])
def test_a_broken_network_is_not_converted(arguments: list[str], lora: Path, tmp_path: Path) -> None:
    sick, _ = broken(lora, tmp_path / "sick.safetensors", float("nan"))
    out = tmp_path / "out.safetensors"
    with pytest.raises(UserError, match=r"sick\.safetensors holds NaN or infinity in 1 tensors"):
        networks(["convert", str(sick), str(out), *arguments])
    assert not out.exists()


@pytest.mark.parametrize(
    ("ratio", "sentence"),
    [
        (".nan", r"the ratio .\.nan. must be a finite number"),
        (".inf", r"the ratio .\.inf. must be a finite number"),
        ("1000000000", "the numbers do not fit into fp16"),
    ],
)
def test_ratios_that_no_number_holds_are_refused(
    ratio: str, sentence: str, lora: Path, tmp_path: Path
) -> None:
    out = tmp_path / "out.safetensors"
    with pytest.raises(UserError, match=sentence):
        main(["combine", f"{lora}:{ratio}", "--out", str(out)])
    assert not out.exists()
