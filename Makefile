# make help lists what there is. Everything runs from a virtual environment that is set up on first use.
PYTHON ?= python3
VENV ?= .venv
OUT ?= runs/gpu-results
BIN := $(VENV)/bin
PIP := $(BIN)/python -m pip install --quiet --disable-pip-version-check --constraint constraints.txt

.DEFAULT_GOAL := help
.PHONY: help demo test test-fast test-long lint types gpu-test gpu-results gold physics clean

help: ## this list
	@grep -hE '^[a-z-]+:.*## ' $(MAKEFILE_LIST) | sed -E 's/:.*## /\t/' | awk -F'\t' '{printf "make %-11s %s\n", $$1, $$2}'

demo: $(VENV)/run-installed ## sweep configs/quickstart.yaml on this machine and write its report
	$(BIN)/saih sweep configs/quickstart.yaml

PARALLEL := --numprocesses auto --maxprocesses 4 --dist loadfile --no-loadscope-reorder
# by file, for the tests of a file share sweeps

TEST := $(BIN)/python -m pytest

test: $(VENV)/dev-installed ## the tests: first those that bear company, then those that need a quiet machine
	$(TEST) $(PARALLEL) -m "not planted"
	$(TEST) -m planted

test-fast: $(VENV)/dev-installed ## the unit tests that start no ranks, for working: about a minute
	$(TEST) $(PARALLEL) tests/unit -m "not mpi and not slow"

test-long: $(VENV)/dev-installed ## also the tests that take minutes
	$(TEST) $(PARALLEL) -m "not planted" --run-long
	$(TEST) -m planted --run-long

gpu-test: ## the tests that need a CUDA device, with the Python at hand: make gpu-test PYTHON=python3
	$(PYTHON) -m pytest -m gpu

gpu-results: ## all that is measured on a GPU by hand, in under twelve minutes, into one folder: make gpu-results PYTHON=python3 OUT=runs/gpu-results
	$(PYTHON) -m benchmarks.gpu_results --out $(OUT)

lint: $(VENV)/dev-installed ## ruff: errors, imports, docstrings, format
	$(BIN)/ruff check .
	$(BIN)/ruff format --check .

types: $(VENV)/dev-installed ## mypy, strict
	$(BIN)/mypy

gold: $(VENV)/dev-installed ## write the reports' gold files anew, after looking at the difference
	$(BIN)/python -m tests.gold.update

physics: $(VENV)/dev-installed ## the pictures of docs/physics.md anew, beside pycola3 (needs a C compiler)
	$(PIP) pycola3==0.0.7
	$(BIN)/python -m benchmarks.physics

clean: ## remove the virtual environment and caches; runs/ and data/ stay
	rm -rf $(VENV) build *.egg-info .pytest_cache .mypy_cache .ruff_cache

$(BIN)/python:
	$(PYTHON) -c 'import sys; sys.exit(sys.version_info < (3, 11) and "SAIH needs Python 3.11 or later: make PYTHON=...")'
	$(PYTHON) -m venv $(VENV)

$(VENV)/run-installed: setup.cfg pyproject.toml constraints.txt | $(BIN)/python
	$(PIP) --editable '.[run]'
	touch $@

$(VENV)/dev-installed: setup.cfg pyproject.toml constraints.txt | $(BIN)/python
	$(PIP) --editable '.[run,dev]'
	touch $@ $(VENV)/run-installed
