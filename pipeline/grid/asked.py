"""What the pictures of a cell should show."""

from pipeline.grid.axes import Cell
from pipeline.prompts.plain import plain_prompt


def asked_of(cell: Cell) -> list[str]:
    """What each picture should show, in plain words."""
    second = cell.settings.second_pass.steps if cell.settings.second_pass else 0
    return [plain_prompt(job.prompt, cell.settings.steps, second) for job in cell.jobs]
