"""The workbench: a local web page over a checkout (`python -m pipeline.workbench`).

It shows what is in the files, and writes each decision into the file in git that a person would edit by hand.
It has no database: without `.athanor/workbench/` nothing is lost but the undo steps. No stage imports it, and
it loads neither torch nor hydra nor dvc.

    __main__.py, serving.py, instance.py    the command: one server a checkout, on 127.0.0.1 alone
    guard.py, safety.py, answers.py         who may ask for what, and what they get
    decisions.py, versions.py, journal.py, desk.py     writing: compare and swap, undo, redo
    pictures.py, captions.py                what is shown, read from the stages' outputs
    filters.py, matching.py, sorting.py     which pictures, in which order
    actions.py, bulk.py                     changes of many captions at once
    completion.py, picture_files.py         names for tag fields, thumbnails
    crops.py                                what would be cut
    grid.py                                 the sample grid, its votes (pipeline/votes), what they say
    runs/, commits.py, top.py               runs and their queue; committing decisions; the bar of all pages
    gate.py                                 faults of the last collect
    home.py, last_run.py, stale.py          what to do next
    routes/                                 what the browser may ask for
    pages/, static/                         the pages: Jinja2, styles, ES modules served as they are
"""

from pathlib import Path

STATE_FOLDER = Path(".athanor/workbench")
"""Undo steps, the lock, old versions of files; ignored by git."""
