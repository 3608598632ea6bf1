# `make demo` and `make test` are all that a fresh machine needs: they set up .venv first, once.
PYTHON ?= python3
BIN := .venv/bin
STAMP := .venv/.installed
DEMO_OUT ?= demo
# One thread a test worker: two workers with two threads each would wait for each other.
PYTEST := OMP_NUM_THREADS=1 $(BIN)/python -m pytest -n 2 --dist worksteal
# A time limit holds for a machine that does nothing else. Their files alone: to import all takes half a minute.
ALONE = OMP_NUM_THREADS=1 $(BIN)/python -m pytest -m alone $$(grep -rlF --include=*.py pytest.mark.alone tests)

.PHONY: install demo test test-all lint clean

install: $(STAMP)

$(STAMP): pyproject.toml constraints.txt
	test -d .venv || $(PYTHON) -m venv .venv
	$(BIN)/python -m pip install --quiet --constraint constraints.txt --editable ".[dev]"
	touch $@

demo: $(STAMP)
	$(BIN)/augmentor demo --out $(DEMO_OUT)

test: $(STAMP)
	$(PYTEST) -m "not slow"

test-all: $(STAMP)
	$(PYTEST) -m "not alone"
	$(ALONE)

lint: $(STAMP)
	$(BIN)/ruff check .
	$(BIN)/ruff format --check .
	$(BIN)/lint-imports --no-logo
	$(BIN)/mypy

clean:
	rm -rf .venv .mypy_cache .pytest_cache .ruff_cache .import_linter_cache *.egg-info
