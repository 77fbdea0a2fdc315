# make serve   install what serving needs, serve the shipped models, print the page's address
# make test    install what the tests need, check style and types, run the tests
# make help    the rest

PYTHON ?= python3
VENV   ?= .venv
BIN    := $(VENV)/bin
# Exact versions for what we run; users install ranges (pyproject.toml).
CONSTRAINTS := constraints.txt
SOURCES := model export service client cli tests benchmarks chaos examples fuzz deploy .github
PIP := -m pip install --quiet --disable-pip-version-check -c $(CONSTRAINTS)
RECENT_PIP := 'pip>=25.1' # reads [dependency-groups]

TESTS  ?= -n 2 --dist loadfile
WHEEL  := build/wheel
EXTRAS ?= serve,client
GROUP  ?= test

.PHONY: help serve test style types pytest coverage typed wheel-test bench docs fuzz chaos soak audit docker-test docker-lint
.PHONY: constraints clean

help: ## list the targets
	@grep -hE '^[a-z-]+:.*##' $(MAKEFILE_LIST) | sed -E 's/:[^#]*## /\t/' | expand -t 22

serve: $(VENV)/.serve ## serve the shipped models on http://127.0.0.1:8000
	@trap : INT; $(BIN)/skiprnn serve $(ARGS) || test $$? = 130 # Ctrl-C is how it ends

test: style types pytest ## style, types and all tests

style: $(VENV)/.dev ## ruff: lint and format; codespell; zizmor on the workflows
	$(BIN)/ruff check $(SOURCES)
	$(BIN)/ruff format --check $(SOURCES)
	$(BIN)/codespell
	$(BIN)/zizmor --quiet --offline --min-severity medium .github

types: $(VENV)/.dev ## mypy, strict
	$(BIN)/mypy
	$(BIN)/mypy tests benchmarks chaos examples fuzz deploy/test .github/check_release.py

pytest: $(VENV)/.dev ## all tests (ARGS= for pytest)
	$(BIN)/python -m pytest $(TESTS) $(ARGS)

coverage: $(VENV)/.dev ## all tests, and which lines and branches they missed
	$(BIN)/python -m coverage erase
	$(BIN)/python -m coverage run -m pytest $(TESTS) $(ARGS)
	$(BIN)/python -m coverage combine --quiet
	$(BIN)/python -m coverage report

typed: $(VENV)/.dev ## README and tutorials as typed, in fresh environments: minutes, and port 8000
	SKIPRNN_TYPED=fresh PIP_CONSTRAINT=$(CURDIR)/$(CONSTRAINTS) $(BIN)/python -m pytest tests/end_to_end/test_typed.py $(ARGS)

wheel-test: ## build the wheel, install it alone, test it where the checkout is not (EXTRAS=, GROUP=, ARGS=)
	rm -rf dist $(WHEEL)
	$(PYTHON) -m venv $(WHEEL)/venv
	$(WHEEL)/venv/bin/python $(PIP) $(RECENT_PIP) build
	$(WHEEL)/venv/bin/python -m build --outdir dist
	tar -xf dist/*.tar.gz -C $(WHEEL) --strip-components=1
	cd $(WHEEL) && rm -r model export service cli client/skiprnn_client
	$(WHEEL)/venv/bin/python $(PIP) "$$(echo dist/*.whl)[$(EXTRAS)]" --group $(GROUP)
	cd $(WHEEL) && env -u PYTHONPATH venv/bin/python -m pytest $(or $(ARGS),tests/end_to_end/test_installed.py)

bench: $(VENV)/.dev ## measure the server against its floors and peers
	$(BIN)/python -m benchmarks $(ARGS)

docs: $(VENV)/.dev ## build the documentation into site/
	$(BIN)/python -m mkdocs build --strict

fuzz: $(VENV)/.dev ## fuzz everything that reads bytes from outside (SECONDS= for each target)
	$(BIN)/python -m fuzz --seconds $(or $(SECONDS),60)

chaos: $(VENV)/.dev ## kill, cut, pause and fill under load (COUNT= seeds)
	$(BIN)/python -m chaos --seeds $(or $(COUNT),1000)

soak: $(VENV)/.dev ## churning clients for an hour (MINUTES=)
	$(BIN)/python -m chaos.soak --minutes $(or $(MINUTES),60)

audit: $(VENV)/.dev ## known weaknesses of our code and of what we depend on
	$(BIN)/bandit -q -r model export service client cli -ll
	$(BIN)/pip-audit --local --skip-editable

docker-test: $(VENV)/.dev ## build the image and break what compose brings up, with your engine or a stand-in
	$(BIN)/python -m pytest deploy/test $(ARGS)

docker-lint: $(VENV)/.dev ## Dockerfile, compose files, Kubernetes manifests, dashboards
	$(BIN)/python -m pytest tests/deploy $(ARGS)

constraints: ## pin what a fresh environment gets today
	$(PYTHON) -m venv build/constraints
	build/constraints/bin/python -m pip install --quiet --upgrade $(RECENT_PIP)
	build/constraints/bin/python -m pip install --quiet torch==2.13.0 -e '.[all]' --group dev
	build/constraints/bin/python -m pip freeze --all --exclude-editable --exclude setuptools | sed 's/+cpu$$//' > $(CONSTRAINTS)

clean: ## remove what the other targets made
	rm -rf $(VENV) .mypy_cache .ruff_cache .pytest_cache .hypothesis build dist .coverage*

include reproduce.mk

$(BIN)/python:
	$(PYTHON) -m venv $(VENV)

# Serving needs neither torch nor a compiler.
$(VENV)/.serve: pyproject.toml $(CONSTRAINTS) | $(BIN)/python
	$(BIN)/python $(PIP) -e '.[serve,client]'
	@touch $@

$(VENV)/.dev: pyproject.toml $(CONSTRAINTS) | $(BIN)/python
	$(BIN)/python $(PIP) $(RECENT_PIP)
	$(BIN)/python $(PIP) -e '.[all]' --group dev
	@touch $@ $(VENV)/.serve
