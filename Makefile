# Every target sets up what it needs; a second run starts at once. Works with GNU make 3.81 and later.

VENV    := .venv
BIN     := $(VENV)/bin
PIP     := $(BIN)/python -m pip --disable-pip-version-check install -qq
WORKERS ?= 2
PYTEST  := $(BIN)/python -m pytest
UV_LOCK := uv pip compile --quiet --universal --python-version 3.11 --generate-hashes --no-emit-index-url \
           --custom-compile-command "make lock"

.PHONY: help demo run test test-slow simulate check format bench docs lock clean
.DEFAULT_GOAL := help

help: ## Show this list
	@awk -F ':.*## ' '/^[a-z-]+:.*## / { printf "  make %-10s %s\n", $$1, $$2 }' Makefile

demo: $(VENV)/.run ## Tell the stories over real HTTP, every figure checked
	@$(BIN)/kiungo demo

run: $(VENV)/.run ## Start the platform with sample data on http://127.0.0.1:8000
	@$(BIN)/kiungo dev

test: $(VENV)/.dev ## Run the tests, on SQLite and on a real PostgreSQL
	@$(PYTEST) -m "not slow" -n $(WORKERS) --dist worksteal

test-slow: $(VENV)/.dev ## Run the long simulations, fault loops, browser tests, and properties on more examples
	@$(PYTEST) -m slow -rs -n $(WORKERS) --dist worksteal
	@KIUNGO_TEST_EXAMPLES=1000 $(PYTEST) -m "hypothesis and not slow" -n $(WORKERS) --dist worksteal

simulate: $(VENV)/.dev ## Run 10,000 seeds of the settlement simulation
	@KIUNGO_TEST_SEEDS=10000 $(PYTEST) tests/simulation/settlement/test_simulation.py -m slow -n $(WORKERS)

check: $(VENV)/.dev ## Format, lint, types, import contracts
	@$(BIN)/ruff format --quiet --check . || { echo "Run 'make format'."; exit 1; }
	@$(BIN)/ruff check --quiet .
	@$(BIN)/mypy
	@$(BIN)/lint-imports --no-logo

format: $(VENV)/.dev ## Put the code into its one format
	@$(BIN)/ruff format --quiet . && $(BIN)/ruff check --quiet --fix .

bench: $(VENV)/.dev ## Measure, and write benchmarks/RESULTS.md (needs wrk)
	@$(BIN)/python -m benchmarks

docs: $(VENV)/.dev ## Generate the reference pages and build the site into site/
	@$(BIN)/python -m scripts.reference
	@NO_MKDOCS_2_WARNING=1 $(BIN)/mkdocs build --strict
	@echo "Open site/index.html"

lock: ## Refresh requirements/*.lock (needs uv)
	@$(UV_LOCK) --upgrade -o requirements/run.lock pyproject.toml requirements/build.in
	@$(UV_LOCK) --upgrade --extra dev -c requirements/run.lock -o requirements/dev.lock \
		pyproject.toml requirements/build.in

clean: ## Remove what the targets made; your data in .kiungo/ stays
	@rm -rf $(VENV) site .mypy_cache .ruff_cache .pytest_cache .import_linter_cache .hypothesis

$(VENV)/.made: scripts/make_venv.sh
	@sh scripts/make_venv.sh $(VENV)
	@touch $@

$(VENV)/.run: $(VENV)/.made requirements/run.lock pyproject.toml
	@echo "Installing the locked dependencies (once; up to a minute)"
	@$(PIP) --require-hashes -r requirements/run.lock
	@$(PIP) --no-deps --no-build-isolation -e .
	@touch $@

$(VENV)/.dev: $(VENV)/.run requirements/dev.lock
	@echo "Installing what tests and checks need (once; a minute or two)"
	@$(PIP) --require-hashes -r requirements/dev.lock
	@touch $@
