# daily30: two commands on a fresh machine, `make demo` and `make test`.
# Needs Python 3.11 or newer and make; everything else is installed into .venv from constraints.txt.
# pip's own settings (PIP_INDEX_URL, PIP_FIND_LINKS, pip.conf ...) are respected.

PYTHON ?= python3
WORKERS ?= 2
VENV := .venv
READY := $(VENV)/.ready

.DEFAULT_GOAL := help
.PHONY: help demo test slow lint clean

help: ## Show this list
	@grep -E '^[a-z]+:.*## ' $(MAKEFILE_LIST) | sed -E 's/^([a-z]+):.*## /  make \1\t/' | expand -t 16

demo: $(READY) ## Fuse the embedded sample region offline; ends with a table, a cube and a picture
	$(VENV)/bin/daily30 demo demo --workers $(WORKERS)

test: $(READY) ## Every test that needs no GPU, no internet and no patience
	$(VENV)/bin/python -m pytest -n $(WORKERS) --dist loadfile -m "not slow and not gpu and not online"

slow: $(READY) ## The tests of minutes: the whole 90-day sample, interruptions
	$(VENV)/bin/python -m pytest -m "slow and not gpu and not online"

lint: $(READY) ## ruff and mypy
	$(VENV)/bin/ruff check .
	$(VENV)/bin/ruff format --check .
	$(VENV)/bin/mypy

clean: ## Remove the environment and what the demo left
	rm -rf $(VENV) demo

# Rebuilt only when what is to be installed changed. --no-build-isolation because an isolated build
# would fetch an unpinned setuptools.
$(READY): pyproject.toml constraints.txt
	@$(PYTHON) -c 'import sys; sys.exit(sys.version_info < (3, 11))' || \
	  { echo "daily30 needs Python 3.11 or newer; say which: make $(MAKECMDGOALS) PYTHON=python3.12" >&2; exit 2; }
	$(PYTHON) -m venv $(VENV)
	$(VENV)/bin/python -m pip install --quiet --disable-pip-version-check -c constraints.txt setuptools
	$(VENV)/bin/python -m pip install --quiet --disable-pip-version-check -c constraints.txt --no-build-isolation -e '.[dev]'
	@touch $@
