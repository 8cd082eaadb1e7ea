# `make run` sets everything up and runs the main job; `make test` sets everything up and passes all tests.
# The first of these that runs; another one by name: make run PYTHON=/opt/python3.12/bin/python3
PYTHON ?= $(shell for each in python3.11 python3.12 python3.13; do $$each -c "" 2>/dev/null && echo $$each && break; done)
VENV := .venv
BIN := $(VENV)/bin
ORACLES := $(VENV)/oracles
# Processes that run tests, each computing on one thread: one more than two cores have, since tests wait for services
# a third of the time. 0: in this process, on all.
WORKERS ?= 3
export GATEHOUSE_HOME ?= $(CURDIR)/.gatehouse

SHELL := /bin/bash

.PHONY: setup run test test-slow oracles lint unit up bench lock clean

# Stamps, not the folder: an interrupted installation is done again. Versions come from the lock files:
# requirements.lock for running, requirements-dev.lock for what only development needs.
INSTALL = $(BIN)/python -u -m pip install --disable-pip-version-check --progress-bar off --requirement $(1) \
	| $(BIN)/python infra/show_installation.py $(1); test $${PIPESTATUS[0]} -eq 0

setup: $(VENV)/.ready

$(VENV)/.run: pyproject.toml requirements.lock
	@test -x $(BIN)/python -o -n "$(PYTHON)" || { echo "no Python found: wanted 3.11, 3.12 or 3.13 on the PATH; install one, or name one: make run PYTHON=..."; exit 1; }
	@echo "[1/3] virtual environment in $(VENV), with $(PYTHON)"
	@test -x $(BIN)/python || $(PYTHON) -m venv $(VENV)
	@echo "[2/3] $$(grep -c '==' requirements.lock) packages of requirements.lock: 2 to 6 minutes, once"
	@$(call INSTALL,requirements.lock)
	@echo "[3/3] gatehouse itself"
	@$(BIN)/python -m pip install --quiet --disable-pip-version-check --no-deps --no-build-isolation --editable .
	@touch $@

$(VENV)/.ready: $(VENV)/.run requirements-dev.lock
	@echo "$$(grep -c '==' requirements-dev.lock) more packages for tests and benchmarks: about a minute, once"
	@$(call INSTALL,requirements-dev.lock)
	@touch $@

run: $(VENV)/.run
	$(BIN)/gatehouse run $(ARGS)

test: lint unit

lint: setup
	$(BIN)/ruff check .
	$(BIN)/ruff format --check .
	$(BIN)/mypy
	$(BIN)/lint-imports

unit: setup
	$(BIN)/python -m pytest -q -m "not slow" -n $(WORKERS) --dist loadfile --no-loadscope-reorder

# Mistakes noticed by tests with real services, every command killed, and two hundred pairs of commands at once.
test-slow: setup
	$(BIN)/python -m pytest -q -m slow -n $(WORKERS) --dist loadfile --no-loadscope-reorder

# Losses and click models beside independent code in JAX: 0.5 GB in a folder of its own, since nothing else needs it
# and one of the packages asks for an older version of what the others pin.
oracles: setup $(ORACLES)/.ready
	PYTHONPATH=$(abspath $(ORACLES)) $(BIN)/python -m pytest -q tests/oracles

$(ORACLES)/.ready: requirements-oracles.lock
	rm -rf $(ORACLES)
	$(BIN)/python -m pip install --quiet --disable-pip-version-check --no-deps --target $(ORACLES) --requirement $<
	@touch $@

up: $(VENV)/.run
	$(BIN)/gatehouse up

bench: setup
	$(BIN)/python -m tests.benchmarks.bench_pipeline

# Resolve anew and pin every version. torch comes from wherever pip finds it: see docs/operations/local.md.
lock: setup
	$(BIN)/python -m pip install --quiet --upgrade --editable ".[dev]"
	$(BIN)/python -m pip freeze --all --exclude-editable --exclude pip | sed "s|^torch==\(.*\)+cpu|torch==\1|" \
		| $(BIN)/python infra/split_lock.py

clean:
	rm -rf $(VENV) .gatehouse
