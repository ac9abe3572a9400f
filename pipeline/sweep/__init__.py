"""Sweeps over settings: each run is a DVC experiment in its own git worktree.

overrides --grammar--> jobs --launcher--> worktree: params.yaml, dvc repro, dvc exp save --> a metric each
"""
