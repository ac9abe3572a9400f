"""What this project asks of Lightning beyond its documented calls: failures here name what changed there."""

from pathlib import Path

import lightning
import pytest
import torch
from lightning.pytorch.demos.boring_classes import BoringModel
from torch.utils.data import DataLoader, TensorDataset

from pipeline.training.trainer_state import EPOCH_COUNTS, begin_at, optimizers_of


class Watched(BoringModel):
    """Notes the epoch of each step."""

    def __init__(self) -> None:
        super().__init__()
        self.epochs: list[int] = []

    def training_step(self, batch: list[torch.Tensor], batch_idx: int) -> torch.Tensor:  # noqa: ARG002
        self.epochs.append(self.current_epoch)
        total: torch.Tensor = self.layer(batch[0]).sum()
        return total


def trainer(folder: Path) -> lightning.Trainer:
    return lightning.Trainer(
        accelerator="cpu", max_epochs=5, logger=False, enable_checkpointing=False, default_root_dir=folder,
        enable_progress_bar=False, enable_model_summary=False,
    )  # fmt: skip


@pytest.mark.filterwarnings("ignore")  # Lightning's advice on workers
def test_a_training_that_begins_at_an_epoch_runs_the_rest(tmp_path: Path) -> None:
    made, module = trainer(tmp_path), Watched()
    begin_at(made, 3)
    assert made.current_epoch == 3
    made.fit(module, DataLoader(TensorDataset(torch.ones(2, 32))))
    assert module.epochs == [3, 3, 4, 4]
    assert optimizers_of(module) == made.optimizers
    assert len(made.optimizers) == 1


def test_the_counts_are_all_that_lightning_keeps_of_epochs(tmp_path: Path) -> None:
    """One that is new there would stay behind at 0."""
    assert set(vars(trainer(tmp_path).fit_loop.epoch_progress.current)) == set(EPOCH_COUNTS)


def test_a_module_without_a_trainer_has_no_optimisers() -> None:
    assert optimizers_of(Watched()) == []
