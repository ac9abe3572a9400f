# Each target is a task of tasks.py, which does the same where there is no make.
PYTHON ?= python3
TASKS := setup repro check test test-large lint look docs bench presets schema demo

.DEFAULT_GOAL := help
.PHONY: help $(TASKS)

help: ## list these targets
	@$(PYTHON) tasks.py | sed -E 's/^  python tasks.py/  make/'

$(TASKS): ## see tasks.py
	@$(PYTHON) tasks.py $@
