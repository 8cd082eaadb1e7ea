# `make run` sets everything up and runs the main job; `make test` sets everything up and passes all tests.
PYTHON ?= python3.11
VENV := .venv
BIN := $(VENV)/bin
export GATEHOUSE_HOME ?= $(CURDIR)/.gatehouse

.PHONY: setup run test lint unit up bench lock clean

setup: $(VENV)/.ready

# A stamp, not the folder: an interrupted installation is done again. Versions come from the lock file.
$(VENV)/.ready: pyproject.toml requirements.lock
	test -x $(BIN)/python || $(PYTHON) -m venv $(VENV)
	$(BIN)/python -m pip install --quiet --requirement requirements.lock
	$(BIN)/python -m pip install --quiet --no-deps --no-build-isolation --editable .
	touch $@

run: setup
	$(BIN)/gatehouse run $(ARGS)

test: lint unit

lint: setup
	$(BIN)/ruff check .
	$(BIN)/ruff format --check .
	$(BIN)/mypy
	$(BIN)/lint-imports

unit: setup
	$(BIN)/python -m pytest -q -m "not slow"

up: setup
	$(BIN)/gatehouse up

bench: setup
	$(BIN)/python -m tests.benchmarks.bench_pipeline

# Resolve anew and pin every version. torch comes from wherever pip finds it: see README, "Installing".
lock: setup
	$(BIN)/python -m pip install --quiet --upgrade --editable ".[dev]"
	$(BIN)/python -m pip freeze --all --exclude-editable --exclude pip | sed "s|^torch==\(.*\)+cpu|torch==\1|" > requirements.lock

clean:
	rm -rf $(VENV) .gatehouse
