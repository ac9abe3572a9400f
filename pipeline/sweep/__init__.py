"""Sweeps: many values of some settings, each run a DVC experiment in a git worktree of its own.

overrides --grammar--> jobs --launcher--> worktree: params.yaml, dvc repro, dvc exp save --> a metric each
"""
