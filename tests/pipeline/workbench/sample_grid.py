"""A sample grid without training: the base alone and three epochs, two prompts, two seeds; flat colours."""

import json
from pathlib import Path

from PIL import Image

PROMPTS, SEEDS = ("zib, meadow", "zib, night"), (7, 8)


def make_grid(project: Path) -> None:
    folder = project / "reports/sample-grid"
    (folder / "pictures").mkdir(parents=True)
    cells = []
    for epoch in range(4):
        pictures = []
        for number, (prompt, seed) in enumerate((p, s) for p in PROMPTS for s in SEEDS):
            file = f"pictures/{epoch}-{number}.png"
            Image.new("RGB", (64, 64), f"hsl({60 * number}, 60%, {20 + 20 * epoch}%)").save(folder / file)
            pictures.append({"file": file, "prompt": prompt, "seed": seed})
        score = {"prompt": 1.0, "subject": 1 - epoch / 10} if epoch else None
        cells.append(
            {"row": epoch, "column": 0, "epoch": epoch, "network": f"zib-{epoch}" if epoch else None,
             "pictures": pictures, "score": score, "figures": {"sharpness": 100.0, "clip": None}}
        )  # fmt: skip
    rows = ["base alone", "epoch 1", "epoch 2", "epoch 3"]
    content = {"cells": cells, "rows": rows, "columns": [""], "sheets": [""], "settings": {}}
    (folder / "grid.json").write_text(json.dumps(content), encoding="utf-8")
