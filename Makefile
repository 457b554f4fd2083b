# make run | test | lint | bench | clean      everything happens in .venv/, made on demand
.DEFAULT_GOAL := help
.PHONY: help run test lint bench packages clean
SHELL := /bin/sh

VENV := .venv
BIN := $(VENV)/bin
# Moved or copied, a venv's programs point to nowhere: its own path is part of the stamp.
STAMP := $(VENV)/made-for$(subst /,-,$(subst $() ,_,$(CURDIR)))
PACKAGES := core registry ingest detectors alerts storage console dashboards simulators service

help:
	@echo 'make run     everything on this machine with a simulated town, until Ctrl-C'
	@echo 'make test    all tests; installs what they need when root on Debian'
	@echo 'make lint    ruff and mypy --strict'
	@echo 'make bench   how fast it is here'
	@echo 'make clean   remove .venv and caches; .fengsui (data) stays'

run: $(STAMP)
	@$(BIN)/fengsui up --demo

# Most of a test's time it waits for servers: two workers halve it. In order of names, so that the long ones come first.
test: $(STAMP) packages
	$(BIN)/pytest -n 2 --dist loadfile --no-loadscope-reorder $(ARGS)

lint: $(STAMP)
	$(BIN)/ruff check .
	$(BIN)/ruff format --check .
	$(BIN)/mypy $(PACKAGES)

bench: $(STAMP)
	$(BIN)/fengsui bench ingest $(ARGS)

# Programs of the system that tests use; without them those tests skip and say why.
packages:
	@.ci/packages

$(STAMP): requirements-dev.lock pyproject.toml
	@.ci/venv $(VENV)
	@touch '$@'

clean:
	rm -rf $(VENV) build dist fengsui.egg-info .mypy_cache .ruff_cache .pytest_cache .hypothesis
	find $(PACKAGES) tests -name __pycache__ -type d -prune -exec rm -rf {} +
