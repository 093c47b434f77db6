# Each common command, once. Set-up happens in .venv on first use, and again when pyproject.toml or
# constraints.txt change. pip's own variables (PIP_INDEX_URL, PIP_FIND_LINKS, ...) are honoured.

VENV := .venv
BIN := $(VENV)/bin
# PYTHON=/path/to/python chooses the interpreter of a new .venv; else the first suitable one here.
PYTHON ?=
CANDIDATES := $(if $(PYTHON),$(PYTHON),python3 python3.13 python3.12 python3.11)
# ensurepip is asked for because Debian ships venv without it.
SUITABLE := import ensurepip, sys, venv; sys.exit(sys.version_info < (3, 11))
INSTALL := $(BIN)/python -m pip install --disable-pip-version-check --constraint constraints.txt

.DEFAULT_GOAL := help
.DELETE_ON_ERROR:
.PHONY: help demo test test-slow lint venv clean

help: ## list these commands
	@sed -nE 's/^([a-z-]+):.*## (.*)/  make \1\t\2/p' Makefile | expand -t 18

demo: $(VENV)/.runtime ## the whole way on the embedded data set: sweep, fit, plots, report
	$(BIN)/climber demo

test: lint ## what a contributor runs: lint, types and the fast tests (at most 12 minutes)
	$(BIN)/pytest -m "not slow and not network and not browser"

test-slow: $(VENV)/.dev ## the other tests: full counts, network, browser
	$(BIN)/pytest -m "slow or network or browser" || test $$? -eq 5 # 5: there are none

lint: $(VENV)/.dev ## style, format and types; changes nothing
	$(BIN)/ruff check .
	$(BIN)/ruff format --check .
	$(BIN)/mypy

venv: $(VENV)/.dev ## set up .venv for development

clean: ## remove .venv and what tools left; results and the MLflow store stay
	rm -rf $(VENV) build dist *.egg-info .mypy_cache .ruff_cache .pytest_cache .hypothesis
	find . -name __pycache__ -type d -prune -exec rm -rf {} +

$(BIN)/python:
	@for python in $(CANDIDATES); do \
	    if $$python -c '$(SUITABLE)' 2>/dev/null; then \
	        echo "creating $(VENV) with $$($$python --version)"; \
	        exec $$python -m venv $(VENV); \
	    fi; \
	done; \
	echo "Climber needs Python 3.11 or newer with venv and pip; none of these is: $(CANDIDATES)." >&2; \
	echo "Install one (Debian: python3-venv) or name one: make PYTHON=/path/to/python" >&2; \
	exit 1

# The stamps come last, so an installation that was interrupted is done again.
$(VENV)/.runtime: pyproject.toml constraints.txt | $(BIN)/python
	$(INSTALL) --editable .
	@touch $@

$(VENV)/.dev: pyproject.toml constraints.txt | $(BIN)/python
	$(INSTALL) --editable '.[dev,serve]'
	@touch $(VENV)/.runtime $@
