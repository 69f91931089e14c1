# Everything starts here: each target makes the environment it needs.
PYTHON ?= $(shell command -v python3.11 || command -v python3)
BIN := .venv/bin
JOBS ?= 2
PIP := $(BIN)/python -m pip install --quiet --disable-pip-version-check --constraint constraints.txt

.PHONY: demo test fuzz faults lint docs bench clean

demo: .venv/demo ## topics → BM25 → reranker → evaluation → table, on a packaged collection
	$(BIN)/ir-eval run --depth 20 -m ndcg@10 -m mrr@10

test: .venv/test ## every test but those that need a GPU or hours
	OMP_NUM_THREADS=1 $(BIN)/python -m pytest -m "not slow" -n $(JOBS) --dist loadfile

fuzz: .venv/test ## a million random inputs to every reader, at most an hour; goes on where it stopped
	OMP_NUM_THREADS=1 $(BIN)/python -m tests.faults --publish fuzz --state runs/fuzz.json

faults: .venv/test ## broken inputs, kills, full disks, several processes and threads; writes docs/reliability.md
	OMP_NUM_THREADS=1 $(BIN)/python -m tests.faults --publish faults

lint: .venv/test ## style and types
	$(BIN)/ruff check .
	$(BIN)/ruff format --check .
	$(BIN)/mypy

docs: .venv/docs ## the site, in site/
	$(BIN)/mkdocs build --strict

bench: .venv/test ## ratios against what a user would pick instead
	for file in benchmarks/*.py; do $(BIN)/python $$file || exit 1; done

# torch comes first and pinned: left to the others it would pull gigabytes of CUDA.
.venv/base: constraints.txt
	test -x $(BIN)/python || $(PYTHON) -m venv .venv
	$(PIP) torch==2.13.0
	touch $@

.venv/demo: .venv/base pyproject.toml
	$(PIP) --editable .
	touch $@

.venv/test: .venv/base pyproject.toml
	$(PIP) --editable '.[test]'
	touch $@

.venv/docs: .venv/base pyproject.toml
	$(PIP) --editable '.[docs]'
	touch $@

clean:
	rm -rf .venv site
