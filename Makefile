# The entry points: each sets up what it needs (python3 and a C compiler are enough).
PYTHON ?= python3
VENV := .venv
BIN := $(VENV)/bin
PIP_FLAGS := --quiet --disable-pip-version-check
MODEL ?= tinypssr
SCALE ?= 2
BOARD ?= mps2-an386

.PHONY: help export firmware test lint docs picture clean

help:
	@echo "make export   export int8 TinyPSSR x2 into artifacts/ and verify it"
	@echo "make firmware build int8 TinyPSSR x2 for BOARD=$(BOARD), without the training packages"
	@echo "make test     run all tests"
	@echo "make lint     ruff, mypy, import-linter"
	@echo "make docs     build the documentation into site/"
	@echo "make picture  draw the README's comparison"
	@echo "make clean    remove the virtual environment and build output"

$(VENV)/.installed: pyproject.toml constraints.txt
	test -d $(VENV) || $(PYTHON) -m venv $(VENV)
	$(BIN)/pip install $(PIP_FLAGS) -c constraints.txt -e '.[all]'
	touch $@

export: $(VENV)/.installed
	$(BIN)/edge-sr export --model $(MODEL) --scale $(SCALE) --int8 --force

# Training's packages are a gigabyte that firmware does without.
$(VENV)/.slim: pyproject.toml constraints.txt
	test -d $(VENV) || $(PYTHON) -m venv $(VENV)
	$(BIN)/pip install $(PIP_FLAGS) -c constraints.txt -e .
	touch $@

firmware: $(VENV)/.slim
	$(BIN)/edge-sr firmware build --model $(MODEL) --scale $(SCALE) --board $(BOARD) --force

test: $(VENV)/.installed
	$(BIN)/python -m pytest -n 2 --dist worksteal

lint: $(VENV)/.installed
	$(BIN)/ruff check .
	$(BIN)/ruff format --check .
	$(BIN)/mypy
	$(BIN)/lint-imports

$(VENV)/.docs: pyproject.toml constraints.txt
	test -d $(VENV) || $(PYTHON) -m venv $(VENV)
	$(BIN)/pip install $(PIP_FLAGS) -c constraints.txt -e '.[docs]'
	touch $@

# Strict: a broken link, or a docstring that contradicts its signature, fails. The variable hides an advertisement.
docs: $(VENV)/.docs
	NO_MKDOCS_2_WARNING=1 $(BIN)/mkdocs build --strict --quiet

picture: $(VENV)/.installed
	mkdir -p build docs
	$(BIN)/python -c "import skimage.data, PIL.Image as I; I.fromarray(skimage.data.astronaut()).save('build/astronaut.png')"
	$(BIN)/edge-sr compare build/astronaut.png --out docs/compare.png --force
	$(BIN)/edge-sr models --picture docs/cost.png --force

clean:
	rm -rf $(VENV) build dist site *.egg-info artifacts
