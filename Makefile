# Every target but help sets up .venv if it is missing or out of date.
PYTHON ?= python3
export PATH := $(CURDIR)/.venv/bin:$(PATH)
export HF_HUB_DISABLE_TELEMETRY := 1

.DEFAULT_GOAL := help
.PHONY: help repro check test test-large lint docs bench presets schema demo look

help: ## list these targets
	@grep -hE '^[a-z-]+:.*## ' $(MAKEFILE_LIST) | sed -E 's/^([a-z-]+):.*## (.*)/  make \1\t\2/' | expand -t 18

.venv/ready: pyproject.toml constraints.txt
	$(PYTHON) -m venv .venv
	.venv/bin/python -m pip install --quiet --disable-pip-version-check --constraint constraints.txt torch
	.venv/bin/python -m pip install --quiet --disable-pip-version-check --constraint constraints.txt --editable '.[test]'
	@touch $@

repro: .venv/ready ## run what has changed, from pictures to a merged checkpoint and a report
	@python -m pipeline.mend
	dvc repro
	@echo && dvc metrics show && echo "\nOpen reports/index.html; the network is in models/network/, the merged checkpoint in models/merged/."

check: .venv/ready ## what to run after each edit: the linters and the fast tests (a minute)
	$(MAKE) lint
	pytest -n 2 --dist worksteal -m "not slow and not large"

test: .venv/ready ## run the linters and all tests
	$(MAKE) lint
	pytest -n 2 --dist loadfile --no-loadscope-reorder

test-large: .venv/ready ## run the graph on a random base of SD 1.5's size (20 GB of memory, half an hour)
	pytest -m large

lint: .venv/ready ## check style, types and import contracts
	ruff check .
	ruff format --check .
	mypy
	lint-imports

look: .venv/ready ## open the workbench: look at pictures, captions and faults, and decide
	@python -m pipeline.workbench

docs: .venv/ready ## build the site of docs/ and of the library in .site/
	NO_MKDOCS_2_WARNING=1 mkdocs build --quiet
	@echo "open .site/index.html"

bench: .venv/ready ## measure ratios to the bare minimum
	python -m benchmarks.train_step --large --side 256
	python -m benchmarks.first_step
	python -m benchmarks.adapter_step
	python -m benchmarks.data_preparation
	python -m benchmarks.tagger_preprocessing
	python -m benchmarks.drawing
	python -m benchmarks.grid
	python -m benchmarks.merge
	python -m benchmarks.records
	python -m benchmarks.workbench

presets: .venv/ready ## run every preset of conf/experiment/ on the demo, shortened (about ten minutes)
	python -m benchmarks.presets

schema: .venv/ready ## write the editors' schema into conf/ after a change in schemas or conf/
	python -m pipeline.config schema

demo: .venv/ready ## retrain the demo's models and redraw its pictures (hours)
	dvc repro demo/dvc.yaml
