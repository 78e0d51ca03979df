# The verbs. Each does its own set-up on a fresh machine, once; needed are a Python 3.11 or newer and a network to the package registry.
#
#   make demo         a site and an issuer to sign in with, in your browser; Ctrl-C stops both
#   make check-demo   the same round trip without a person, one line per hop
#   make test         the test suite
#   make lint         style, types, walls, room size
#   make test-faults  real processes, Redis, database and issuer, and the plug pulled; prints its counts
#   make soak         a hundred thousand refreshes with faults, in at most five minutes
#   make soak-memory  a million tokens through one process
#
# PYTHON=…, VENV=… and PYTEST_ARGS=… may be given.

VENV ?= .venv
PYTHON ?= $(shell workshop/find-python)
PYTEST_ARGS ?=

bin := $(VENV)/bin
pip := $(bin)/python -m pip --disable-pip-version-check --quiet --quiet install

.PHONY: demo check-demo test test-faults soak soak-memory lint

demo: $(VENV)/installed-core
	@$(bin)/python -m example_project.demo

check-demo: $(VENV)/installed-core
	@$(bin)/python -m example_project.check_demo

test: $(VENV)/installed-dev
	$(bin)/python -m pytest -n auto --maxprocesses 8 $(PYTEST_ARGS)

# One at a time and with their output: each prints its counts.
test-faults: $(VENV)/installed-dev
	$(bin)/python -m pytest -q -s -m faults $(PYTEST_ARGS) tests/faults

soak: $(VENV)/installed-dev
	$(bin)/python -m pytest -q -s -m soak $(PYTEST_ARGS) tests/faults/test_soak.py

soak-memory: $(VENV)/installed-dev
	$(bin)/python -m pytest -q -s -m soak $(PYTEST_ARGS) tests/faults/test_memory_flat.py

lint: $(VENV)/installed-dev
	$(bin)/ruff check .
	$(bin)/ruff format --check .
	$(bin)/mypy
	$(bin)/lint-imports
	$(bin)/python workshop/room_size.py

# What the site and the issuer need, and nothing else: the demo is on screen sooner.
$(VENV)/installed-core: pyproject.toml
	$(make-venv)
	@$(pip) --editable .
	@touch $@

$(VENV)/installed-dev: pyproject.toml
	$(make-venv)
	@$(pip) --editable '.[dev]'
	@touch $@ $(VENV)/installed-core

define make-venv
	@test -x $(bin)/python || { test -n "$(PYTHON)" && echo "Setting up $(VENV) with $(PYTHON), once …" && "$(PYTHON)" -m venv $(VENV); }
	@echo "Installing into $(VENV), once …"
endef
