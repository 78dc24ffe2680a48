# `make run` and `make test` set up everything they need in .venv.

PYTHON ?= $(shell command -v python3.11 || command -v python3)
BIN := .venv/bin
# The tests run on every core, in at least 4 processes: many of them wait for a browser or a timer.
# PYTEST_ARGS adds arguments for pytest.
WORKERS ?= $(shell cores=$$(getconf _NPROCESSORS_ONLN); echo $$((cores > 4 ? cores : 4)))
PYTEST_ARGS ?=

.DEFAULT_GOAL := help

.PHONY: help
help: ## list the targets
	@sed -n 's/^\([a-z-]*\):.*## \(.*\)/make \1\t\2/p' $(MAKEFILE_LIST) | expand -t 20

.PHONY: install
install: .venv/installed ## create .venv with what the server needs

.PHONY: run
run: .venv/installed ## run the server, with data/store as the store unless settings name another
	@if [ -f .env ] || [ -n "$$S3_BUCKET_NAME$$STORAGE_DIR" ]; \
	then exec $(BIN)/python server.py; \
	else STORAGE_DIR=data/store exec $(BIN)/python server.py; fi

.PHONY: test
test: lint ## check formatting, lint, types and import rules, then run every test
	$(BIN)/python -m pytest -n $(WORKERS) --dist worksteal $(PYTEST_ARGS)

.PHONY: lint
lint: .venv/installed-dev check-format ## check formatting, lint, types and import rules
	$(BIN)/ruff check .
	$(BIN)/mypy
	$(BIN)/lint-imports
	$(BIN)/python -m tests.sizes

.PHONY: check-format
check-format: .venv/installed-dev ## check the formatting
	$(BIN)/ruff format --check .

.PHONY: format
format: .venv/installed-dev ## format the code and fix what the linter can fix
	$(BIN)/ruff check --fix .
	$(BIN)/ruff format .

.PHONY: web
web: web/build/node_modules ## minify beacon.js and selftest.js into web/dist (needs npm)
	cd web/build && npm run --silent build

.PHONY: demo
demo: .venv/installed ## run a small site that sends events, and the collector that receives them
	@exec $(BIN)/python -m examples.demo

.PHONY: query
query: .venv/installed-query ## open DuckDB on data/store, with the views of docs/querying.md
	@ls data/store/events >/dev/null 2>&1 || { echo "data/store has no events yet: \`make run\`, then send one"; exit 1; }
	@exec $(BIN)/duckdb -init queries/duckdb.sql

.PHONY: bench
bench: .venv/installed-bench ## measure the server's speed in 45 minutes (needs wrk and nginx; BENCH_ARGS="throughput --rounds 3")
	$(BIN)/python -m benchmarks $(BENCH_ARGS)

.PHONY: chaos
chaos: .venv/installed-dev ## kill the server and fail its disk and store for a minute, then count every event (SECONDS=600)
	$(BIN)/python -m tests.faults.chaos --seconds $(or $(SECONDS),60)

.PHONY: clean
clean: ## remove everything that was set up; data/ and .env stay
	rm -rf .venv .mypy_cache .ruff_cache .pytest_cache .hypothesis .import_linter_cache web/build/node_modules
	find . -name __pycache__ -type d -prune -exec rm -rf {} +

.venv/bin/python:
	$(PYTHON) -m venv .venv

.venv/installed: .venv/bin/python requirements.txt constraints.txt
	$(BIN)/python -m pip install --quiet --disable-pip-version-check -r requirements.txt
	touch $@

.venv/installed-dev: .venv/installed requirements-dev.txt
	$(BIN)/python -m pip install --quiet --disable-pip-version-check -r requirements-dev.txt
	touch $@

.venv/installed-query: .venv/installed requirements-query.txt
	$(BIN)/python -m pip install --quiet --disable-pip-version-check -r requirements-query.txt
	touch $@

.venv/installed-bench: .venv/installed requirements-bench.txt
	$(BIN)/python -m pip install --quiet --disable-pip-version-check -r requirements-bench.txt
	touch $@

web/build/node_modules: web/build/package.json web/build/package-lock.json
	cd web/build && npm ci --no-audit --no-fund --loglevel=error
	touch $@
