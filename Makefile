# The commands of leadloop. `make help` lists them.
SHELL := /bin/bash
.SHELLFLAGS := -euo pipefail -c
.DEFAULT_GOAL := help
MAKEFLAGS += --no-print-directory

PYTHON ?= python3
BIN := .venv/bin
# Options for all pytest runs, such as PYTEST_OPTIONS="-x -k routing".
PYTEST_OPTIONS ?=
PYTEST := $(BIN)/pytest $(PYTEST_OPTIONS)
LOCK := $(BIN)/uv pip compile --quiet --no-config --python-version 3.11 --universal --generate-hashes \
	--no-emit-index-url --no-emit-find-links --no-header

.PHONY: help setup test test-fast test-kafka test-loop lint types format demo up bench chaos lock upgrade schemas clean

help: ## list all targets
	@awk -F ':.*## ' '/^[a-z-]+:.*## / { printf "  make %-11s %s\n", $$1, $$2 }' Makefile

setup: ## make .venv with everything in it and fetch Kafka; a second call takes a second
	@PYTHON="$(PYTHON)" .ci/setup

demo: setup ## play a working day of a company in about a minute, then stay up (on a terminal)
	@$(BIN)/leadloop demo

up: setup ## start an empty installation in ./data and keep it running
	@$(BIN)/leadloop up --data data

test: setup lint types test-fast test-kafka test-loop ## everything: lint, types, all tests and a short chaos run

test-fast: setup ## the tests that need no Kafka: unit, schemas, properties, architecture
	$(PYTEST) -n auto --dist worksteal -m "not integration and not e2e and not chaos"

test-kafka: setup ## the tests of the parts on a real Kafka
	$(PYTEST) -n 2 --dist loadfile -m "integration"

test-loop: setup ## the tests of the whole loop, and a short chaos run
	$(PYTEST) -n 2 --dist loadfile tests/e2e tests/chaos -m "(e2e or chaos) and not slow"

chaos: setup ## the long chaos runs: every process killed again and again under load, outages, an engine broken on purpose
	$(PYTEST) tests/chaos -m "chaos and slow" -s

bench: setup ## measure the loop and its engine (ratios, medians)
	$(BIN)/python -m benchmarks

lint: setup ## ruff, and who may import whom
	$(BIN)/ruff check .
	$(BIN)/lint-imports --no-cache

types: setup ## mypy --strict
	$(BIN)/mypy

format: setup ## put imports in order and repair what ruff can repair
	$(BIN)/ruff check --fix .

schemas: setup ## freeze what is new in the published language, and write docs/asyncapi.yaml and docs/lifecycle.md anew
	$(BIN)/python -m schemas.history freeze
	$(BIN)/python -m schemas.asyncapi
	$(BIN)/python -m schemas.diagram

lock: setup ## resolve requirements*.in into requirements*.txt anew, changing only what must change
	$(LOCK) requirements-bootstrap.in --output-file requirements-bootstrap.txt
	$(LOCK) requirements-dev.in --output-file requirements-dev.txt
	$(LOCK) requirements.in --constraints requirements-dev.txt --output-file requirements.txt
	@if grep -nE '://|find-links|index-url' requirements*.txt; then echo 'lock: an address got into a lock; remove it' >&2; exit 1; fi

upgrade: ## the same with the newest versions that the project allows
	@$(MAKE) lock LOCK='$(LOCK) --upgrade'

clean: ## remove .venv and what tools left (not ./data)
	rm -rf .venv .pytest_cache .mypy_cache .ruff_cache .hypothesis build *.egg-info deploy/asyncapi/node_modules
