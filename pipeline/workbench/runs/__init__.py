"""Runs that the workbench starts: processes of their own, which go on without it and are found again.

process.py, wrapped.py      which process it is; the wrapper that notes its end
commands.py                 everything that may be started
run.py, runs.py             a folder of .athanor/workbench/runs/ each: start, stop, state
log_reader.py, stages.py    what it prints, which stages it ran, which would run
live.py, thinning.py        what a training writes while it runs; sample pictures
"""
