# The entry points: each sets up what it needs (python3 and a C compiler are enough).
PYTHON ?= python3
VENV := .venv
BIN := $(VENV)/bin
PIP_FLAGS := --quiet --disable-pip-version-check
MODEL ?= tinypssr
SCALE ?= 2
DATA ?= ../shared/data

.PHONY: help export test lint zoo picture clean

help:
	@echo "make export   export int8 TinyPSSR x2 into artifacts/ and verify it"
	@echo "make test     run the linters' rules and all tests"
	@echo "make lint     ruff, mypy, import-linter"
	@echo "make picture  draw the README's comparison"
	@echo "make clean    remove the virtual environment and build output"

$(VENV)/.installed: pyproject.toml constraints.txt
	test -d $(VENV) || $(PYTHON) -m venv $(VENV)
	$(BIN)/pip install $(PIP_FLAGS) -c constraints.txt -e '.[all]'
	touch $@

export: $(VENV)/.installed
	$(BIN)/edge-sr export --model $(MODEL) --scale $(SCALE) --int8 --out artifacts/$(MODEL)-x$(SCALE) --force

test: $(VENV)/.installed
	$(BIN)/python -m pytest

lint: $(VENV)/.installed
	$(BIN)/ruff check .
	$(BIN)/ruff format --check .
	$(BIN)/mypy
	$(BIN)/lint-imports

clean:
	rm -rf $(VENV) build dist *.egg-info artifacts
