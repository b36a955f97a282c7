# Everything a newcomer or a developer runs. `make` alone prints this list.
# `make demo` and `make test` do all the set-up themselves.

PYTHON ?= python3
VENV ?= .venv
# auto (uv where it is found, else pip), pip or uv
INSTALLER ?= auto
# a requirement that picks a build of PyTorch, such as torch==2.13.0+cpu
TORCH ?=
# given to pip or uv as they are, such as the index that PyTorch's install page names for your machine
PIP_ARGS ?=

BIN := $(VENV)/bin
READY := $(VENV)/installed.json
LOCKED := $(BIN)/python -m benchmarks.lock --

.DEFAULT_GOAL := help
.PHONY: help setup base demo test check format drills bench docs clean

help: ## this list
	@sed -n 's/^\([a-z]*\):.*## /  make \1|/p' $(MAKEFILE_LIST) | awk -F'|' '{ printf "%-16s %s\n", $$1, $$2 }'
	@echo
	@echo "  PYTHON=python3.12        the Python to build $(VENV) with (3.11 or later)"
	@echo "  INSTALLER=pip            use pip even where uv is found"
	@echo "  TORCH=torch==2.13.0+cpu PIP_ARGS='--extra-index-url ...'"
	@echo "                           a CPU or CUDA build of PyTorch; its install page names the index"

setup: $(READY) ## create .venv and install the pinned versions, once

# where a build of PyTorch is asked for, install.py looks whether it is the one that was installed
ifneq ($(strip $(TORCH)$(PIP_ARGS)),)
$(READY): asked-for
endif
.PHONY: asked-for
asked-for:

$(READY): pyproject.toml constraints.txt tools/install.py
	@$(PYTHON) tools/install.py $(VENV) --installer $(INSTALLER) $(if $(TORCH),--torch '$(TORCH)') -- $(PIP_ARGS)

base: setup ## bring the open model of the demo, once
	@$(BIN)/mezzo base smollm2-135m

demo: setup ## a real open model goes to school in three languages; writes demo/report.html
	@$(BIN)/mezzo demo $(DEMO_ARGS)

test: setup ## style, types, import directions and the fast tests
	@$(LOCKED) $(MAKE) --no-print-directory check fast VENV=$(VENV)

check: setup ## style, types and import directions alone
	$(BIN)/ruff check .
	$(BIN)/ruff format --check .
	$(BIN)/mypy
	$(BIN)/lint-imports

.PHONY: fast
fast:
	$(BIN)/python -m pytest -m "not drill" $(PYTEST_ARGS)

format: setup ## mend style and layout
	$(BIN)/ruff check --fix .
	$(BIN)/ruff format .

drills: setup base ## the long tests, some with the real model
	@$(LOCKED) $(BIN)/python -m pytest -m drill $(PYTEST_ARGS)

bench: setup base ## the school benchmark, cell by cell; hours, resumable
	$(BIN)/python -m benchmarks.school $(BENCH_ARGS)

docs: setup ## the documentation as a web site in build/site
	$(BIN)/python -m pip install --quiet --constraint constraints.txt --editable '.[docs]'
	NO_MKDOCS_2_WARNING=1 $(BIN)/mkdocs build --quiet --strict

clean: ## remove what was built, not what was learnt
	rm -rf $(VENV) build dist .mypy_cache .pytest_cache .ruff_cache .hypothesis .import_linter_cache
	find . -name __pycache__ -type d -prune -exec rm -rf {} +
