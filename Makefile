# Everything here works on a bare machine: Python 3.11–3.13 and a C library are enough.
PYTHON ?= python3
VENV := .venv
BIN := $(VENV)/bin
EXTRAS ?= dev
INSTALLED := $(BIN)/.installed-$(EXTRAS)
# Two threads on a busy two-core machine cost tests a hundred times their time. Bytecode is kept even where the shell says
# PYTHONDONTWRITEBYTECODE: the tests start a hundred processes, and each would compile all that it imports.
TEST_ENVIRONMENT := OMP_NUM_THREADS=1 PYTHONDONTWRITEBYTECODE=
# Tests of a file share what they build, so one process runs them all.
PYTEST = $(TEST_ENVIRONMENT) $(BIN)/python -m pytest -n 2 --dist loadfile --no-loadscope-reorder $(OPTIONS)

.DEFAULT_GOAL := help
.PHONY: help setup run test test-slow test-all test-newest coverage lint docs benchmark

help: ## what there is to make
	@grep -E '^[a-z-]+:.*##' $(MAKEFILE_LIST) | sed -E 's/:[^#]*## /\t/' | expand -t 14

setup: $(INSTALLED) ## virtual environment in .venv with everything in it

$(INSTALLED): pyproject.toml
	@$(PYTHON) -c 'import sys; sys.exit(not (3, 11) <= sys.version_info[:2] <= (3, 13))' \
		|| { echo "error: Python 3.11 to 3.13 is needed, $(PYTHON) is another: try 'make setup PYTHON=python3.12'"; exit 2; }
	$(PYTHON) -m venv $(VENV)
	@# Python compiles a module when it is first imported; most of what is installed never is.
	$(BIN)/python -m pip install --quiet --disable-pip-version-check --no-compile -e '.[$(EXTRAS)]'
	@touch $@

run: setup ## the main job: prototypes → zarr pairs → a trained network, beside the shipped one → report.html
	$(BIN)/python train.py evaluation.methods=[phase_zero,charge_flipping,solver]
	@printf 'next:   %s\n' 'source $(BIN)/activate' 'phaselearn runs' 'python train.py model=cnn trainer.max_epochs=3'

test: setup ## the tests but the slow ones
	$(PYTEST) -m "not slow"

test-slow: setup ## the slow ones: kills, long training runs, every space group, the rest of large families
	$(PYTEST) -m slow

test-all: setup ## all tests, in one session: what a file builds serves its slow tests, too
	$(PYTEST)

coverage: setup ## `make test`, and the share of the code that it runs; an error below the floor
	$(PYTEST) -m "not slow" --cov --cov-report=term:skip-covered

test-newest: ## all tests with the newest dependencies that pyproject.toml allows, and a list of newer ones
	rm -rf .venv-newest
	$(MAKE) test-all VENV=.venv-newest
	.venv-newest/bin/python -m pip list --outdated

lint: setup ## ruff, check and format, and the types
	$(BIN)/ruff check .
	$(BIN)/ruff format --check .
	$(BIN)/mypy

docs: setup ## the documentation site, into site/index.html; a link that leads nowhere is an error
	NO_MKDOCS_2_WARNING=1 $(BIN)/python -m mkdocs build --quiet

benchmark: setup ## side-by-side measurements; each prints its figures and exits 1 if one falls short
	$(BIN)/python benchmarks/pairs.py
	$(BIN)/python benchmarks/harness.py
