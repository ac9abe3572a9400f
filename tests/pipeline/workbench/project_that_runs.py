"""A project whose stages are stubs: DVC runs them in a moment, and one goes on until it is stopped."""

import os
import subprocess
import sys
from pathlib import Path

from benchmarks.many_pictures import make_set

SLOW = """
import json, pathlib, signal, sys, time
def keep(*_):
    print("kept what was trained so far", flush=True)
    sys.exit(1)
signal.signal(signal.SIGINT, keep)
folder = pathlib.Path("logs/critter/samples")
folder.mkdir(parents=True, exist_ok=True)
live = open("logs/critter/live.jsonl", "w", buffering=1)
def say(**line):
    live.write(json.dumps(line) + "\\n")
print("<img src=x onerror='window.__hit=1'>", flush=True)
say(run={"name": "critter", "done": 0, "steps": 100000, "epochs": 100})
for number in range(1, 100000):
    say(step=number, epoch=number // 20 + 1, loss=1 / number + 0.1 * (number % 3), lr=1e-4,
        text_encoder_lr=0.0, gradient_norm=None, pictures_per_s=4.5,
        memory_bytes=2_000_000_000, seconds_left=95.0)
    if number == 3:
        say(finding={"kind": "blown_up", "sentence": "The loss blew up.", "advice": "Lower optimizer.lr."})
    time.sleep(0.1)
"""


def make_project_that_runs(folder: Path) -> Path:
    """60 pictures, and three stages: `first`, `train` (goes on until Ctrl-C), `last`."""
    make_set(folder, 60, tags_each=8, identity_lists=[])
    (folder / "slow.py").write_text(SLOW)
    (folder / "in.txt").write_text("1")
    (folder / "dvc.yaml").write_text(
        f"""stages:
  first:
    cmd: echo the first line && echo 1 > first.txt
    deps: [in.txt]
    outs: [first.txt]
  train:
    cmd: "'{sys.executable}' slow.py"
    deps: [first.txt, slow.py]
    outs: [network.txt]
  last:
    cmd: echo 1 > last.txt
    deps: [network.txt]
    outs: [last.txt]
"""
    )
    with (folder / "params.resolved.yaml").open("a") as file:
        file.write("train: {name: critter}\n")
    (folder / "params.yaml").write_text("network:\n  dim: 4 # small\n")
    (folder / ".gitignore").write_text(".athanor/\n/logs/\n/data/*\n!/data/*.yaml\n")
    quiet(folder, "git", "init", "--quiet", "--initial-branch", "main")
    quiet(folder, "git", "config", "user.email", "person@example.org")
    quiet(folder, "git", "config", "user.name", "Person")
    quiet(folder, sys.executable, "-m", "dvc", "init", "--quiet")
    quiet(folder, "git", "add", "data/*.yaml", "*.yaml", "*.py", ".gitignore", "in.txt")
    quiet(folder, "git", "commit", "--quiet", "--message", "Begin")
    return folder


def quiet(folder: Path, *command: str) -> str:
    environment = {**os.environ, "DVC_NO_ANALYTICS": "1", "GIT_CONFIG_GLOBAL": os.devnull}
    return subprocess.run(
        command, cwd=folder, env=environment, check=True, capture_output=True, text=True
    ).stdout
