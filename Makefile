# Two commands do everything: `make run` and `make test`. The rest are their parts.
SHELL := /bin/bash
PYTHON ?= python3
VENV ?= .venv
BIN := $(VENV)/bin
COMPILED := $(abspath $(VENV))/compiled
PIP := $(BIN)/python -m pip --disable-pip-version-check

.PHONY: run ui setup setup-dev fast fast-undo test thirdparty check bench fmt lint types contracts unit unit-compiled compiled-copy clean

run: setup  ## a real load run on the embedded CSMS: 500 stations for about a minute
	@$(BIN)/greenup run steady --stations 500 --spawn-rate 50 --duration 60s

ui: setup  ## the Locust web UI with the same fleet, on 127.0.0.1:8089
	@$(BIN)/greenup run steady --ui --stations 500 --spawn-rate 50

setup: $(VENV)/.run-ready

setup-dev: $(VENV)/.dev-ready

# It pays for large fleets; without it everything does the same from its sources.
fast: setup  ## the hot path compiled beside its sources: needs a C compiler, takes two minutes
	@$(PIP) install -q -c constraints.txt --group fast
	@$(BIN)/python deploy/compile.py

fast-undo:  ## the compiled modules taken away
	@$(PYTHON) deploy/compile.py --undo

$(VENV)/.venv-ready:
	@echo "setting up $(VENV) (once; about a minute)"
	@$(PYTHON) -c 'import sys; sys.exit(sys.version_info < (3, 11) and "Green'"'"'Up Swarm needs Python 3.11 or newer; set PYTHON=python3.x")'
	@$(PYTHON) -m venv $(VENV)
	@$(PIP) install -q "pip>=25.1"
	@touch $@

$(VENV)/.run-ready: $(VENV)/.venv-ready pyproject.toml constraints.txt
	@$(PIP) install -q -c constraints.txt -e ".[report,transfer]"
	@touch $@

$(VENV)/.dev-ready: $(VENV)/.run-ready
	@$(PIP) install -q -c constraints.txt -e ".[report,sql,notebook,transfer]" --group dev
	@touch $@

test: setup-dev  ## set-up, then every check and every test
	@$(MAKE) --no-print-directory check && echo "make test: all checks and tests passed"

# Each of the others in a place of its own: their pins are not ours, and one is not Python.
thirdparty: setup-dev $(VENV)/.arthexis-ready $(VENV)/.ocpp-rpc-ready  ## the tests against central systems of others
	@GREENUP_ARTHEXIS=$(abspath $(VENV))/arthexis/bin/python GREENUP_OCPP_RPC=$(abspath $(VENV))/ocpp-rpc \
	  $(BIN)/python -m pytest -m thirdparty tests/programs

$(VENV)/.arthexis-ready: $(VENV)/.venv-ready
	@$(PYTHON) -m venv $(VENV)/arthexis && $(VENV)/arthexis/bin/python -m pip install -q arthexis==2.0.0
	@touch $@

$(VENV)/.ocpp-rpc-ready: $(VENV)/.venv-ready
	@npm install --silent --no-audit --no-fund --prefix $(VENV)/ocpp-rpc ocpp-rpc@2.2.1
	@touch $@

check: lint types contracts unit unit-compiled

bench: setup-dev  ## every published figure beside last time's
	@$(BIN)/python benchmarks/table.py

fmt: setup-dev
	@$(BIN)/ruff format . && $(BIN)/ruff check --fix .

lint:
	@echo "== ruff"; $(BIN)/ruff format --check . && $(BIN)/ruff check .

types:
	@echo "== mypy --strict"; $(BIN)/mypy

contracts:
	@echo "== import contracts"; $(BIN)/lint-imports --no-logo 2>/dev/null || $(BIN)/lint-imports

unit:
	@test ! -e engine/compiled.json || { echo "the tests run on the sources, then on a compiled copy: make fast-undo"; exit 2; }
	@echo "== tests"; $(BIN)/python -m pytest -n 2 --dist worksteal
	@echo "== tests that import Locust"; $(BIN)/python -m pytest tests/engine/bridge

unit-compiled:
	@echo "== tests of the compiled hot path"
	@if $(BIN)/python deploy/compile.py --check; then $(MAKE) --no-print-directory compiled-copy; \
	  else echo "skipped for that reason: the tests of the compiled hot path"; fi

# The checkout stays as it is.
compiled-copy:
	@rm -rf $(COMPILED) && mkdir -p $(COMPILED)
	@tar -c --exclude=./.venv --exclude=./.git --exclude=./runs --exclude="*.so" . | tar -x -C $(COMPILED)
	@cd $(COMPILED) && export PYTHONPATH=$(COMPILED) && $(abspath $(BIN))/python deploy/compile.py && \
	  $(abspath $(BIN))/python -m pytest -n 2 --dist worksteal tests/core tests/profiles tests/engine

clean: fast-undo
	rm -rf $(VENV) .mypy_cache .ruff_cache .pytest_cache .hypothesis .import_linter_cache *.egg-info
