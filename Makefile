# Builds and tests the project on a machine with Python ≥ 3.11, Node ≥ 20 and make. `make help` lists the targets.
SHELL := /bin/bash
.SHELLFLAGS := -eu -o pipefail -c
.DEFAULT_GOAL := help

PYTHON ?= python3
VENV := .venv
BIN := $(VENV)/bin
FRONT := mm_magics/display/formulas.json labextension/package.json labextension/yarn.lock labextension/build.mjs $(shell find labextension/src labextension/schema -type f)
FUZZ_S ?= 60
export PATH := $(CURDIR)/$(BIN):$(PATH)
export PIP_DISABLE_PIP_VERSION_CHECK := 1
# Each test worker and each kernel would compile the package again.
unexport PYTHONDONTWRITEBYTECODE

.PHONY: help
help: ## list the targets
	@grep -hE '^[a-z-]+:.*## ' $(MAKEFILE_LIST) | sed -E 's/^([a-z-]+):.*## /\1\t/' | expand -t 14

.PHONY: demo
demo: $(VENV)/.installed ## run the quick start against the bundled simulator (or MiniMax, if MINIMAX_API_KEY is set)
	mm-magics demo notebooks/quickstart.ipynb

.PHONY: lab
lab: $(VENV)/.installed ## open the quick start in JupyterLab, on the bundled simulator unless MINIMAX_API_KEY is set
	tools/lab notebooks/quickstart.ipynb

.PHONY: test
test: $(VENV)/.installed chromium ## the whole suite, including the browser tests
	cd labextension && jlpm test
	$(MAKE) coverage
	pytest -n 2 --dist loadgroup -m "(slow and not traced and not timed or wheel) and not browser" --ignore tests/test_interrupts.py $(PYTEST_ARGS)
	pytest -n 0 tests/test_interrupts.py $(PYTEST_ARGS)  # an interrupt can reach the loop of a worker of xdist
	pytest -n 2 --dist loadgroup -m browser $(PYTEST_ARGS)

.PHONY: test-fast
test-fast: $(VENV)/.installed ## the suite without the browser, wheel and slow tests
	pytest -n 2 --dist loadgroup -m "not browser and not slow and not wheel" $(PYTEST_ARGS)

.PHONY: test-matrix
test-matrix: $(VENV)/.installed ## test-fast with other versions of Python and of the dependencies (SESSIONS="oldest pinned-3.12")
	test -x $(BIN)/nox || $(BIN)/pip install --quiet "nox[uv]>=2026.2"
	$(BIN)/nox $(if $(SESSIONS),--sessions $(SESSIONS))

.PHONY: coverage
coverage: $(VENV)/.installed ## test-fast and the tests marked traced; fails below 95% of lines or 90% of branches
	coverage erase
	coverage run -m pytest -n 2 --dist loadgroup -m "not slow and not browser and not wheel" $(PYTEST_ARGS)
	coverage run -m pytest -n 2 --dist loadgroup -m "slow and traced and not browser and not wheel" $(PYTEST_ARGS)
	tools/coverage

.PHONY: audit
audit: $(VENV)/.installed ## known vulnerabilities of all dependencies, where the lists can be reached
	tools/audit

.PHONY: fuzz
fuzz: $(VENV)/.installed ## 10,000 examples of input from outside, then a minute per target guided by coverage (atheris)
	HYPOTHESIS_PROFILE=fuzz pytest -n 2 -m fuzz --timeout 0 $(PYTEST_ARGS)
	pip install --quiet --constraint constraints.txt --editable ".[fuzz]"
	for each in $$(python -m fuzz); do python -m fuzz $$each -max_total_time=$(FUZZ_S); done

.PHONY: linear
linear: $(VENV)/.installed ## the time of reading what a stranger wrote grows with its size and no faster; needs a quiet machine
	pytest -m timed $(PYTEST_ARGS)
	cd labextension && TIMED=1 jlpm test tests/timed

.PHONY: pace
pace: $(VENV)/.installed ## the tests with limits in seconds, with limits for a quiet machine: the others have six times as long
	TIMED=1 pytest -n 0 $$(grep -rl PATIENCE tests --include "test_*.py") $(PYTEST_ARGS)

.PHONY: mutants
mutants: $(VENV)/.mutants ## change the code of the core modules, and require that tests detect 90% of the changes (MUTANTS="mm_magics.prompt.*")
	tools/mutants $(MUTANTS)

.PHONY: lint
lint: $(VENV)/.installed ## formatting, rules, types and language, Python and TypeScript
	ruff format --check
	ruff check
	mypy
	tools/check-language
	cd labextension && jlpm lint

.PHONY: docs
docs: $(VENV)/.docs ## the documentation site, into build/docs/, with warnings as errors
	sphinx-build --quiet --fail-on-warning --keep-going -j auto -c docs . build/docs

.PHONY: bench
bench: $(VENV)/.installed chromium ## measure the speed against the raw SDK in the same run, and frames in Chromium
	python -m benchmarks

.PHONY: format
format: $(VENV)/.installed ## format the code
	ruff format
	ruff check --fix
	cd labextension && jlpm format

.PHONY: watch
watch: $(VENV)/.installed ## rebuild the front end after each change, with source maps, until Ctrl+C
	rm -rf $(VENV)/share/jupyter/labextensions/mm-magics
	ln -s "$(CURDIR)/mm_magics/labextension" $(VENV)/share/jupyter/labextensions/mm-magics
	cd labextension && jlpm watch

.PHONY: build
build: $(VENV)/.installed ## wheel and sdist, into dist/
	rm -rf dist mm_magics/display/static mm_magics/labextension
	python -m build

.PHONY: chromium
chromium: $(VENV)/.installed ## a browser for the tests: the installed one, else Debian's as root, else Playwright's
	tools/chromium

.PHONY: notebooks
notebooks: $(VENV)/.installed chromium ## record the notebooks again, with the bundled simulator
	for each in $(filter-out notebooks/clean-up.ipynb,$(wildcard notebooks/*.ipynb)); do mm-magics demo "$$each" && cp "demo-output/$$(basename "$$each")" notebooks/; done
	PYTHONPATH=. tools/record-clean-up

.PHONY: constraints
constraints: $(VENV)/.installed ## write constraints.txt from the installed packages
	pip freeze --exclude-editable > constraints.txt

.PHONY: clean
clean: ## remove everything that the other targets created
	rm -rf $(VENV) build dist demo-output mutants labextension/node_modules mm_magics/display/static mm_magics/labextension

$(VENV)/.installed: pyproject.toml constraints.txt $(FRONT)
	test -d $(VENV) || $(PYTHON) -m venv $(VENV)
	$(BIN)/pip install --quiet --constraint constraints.txt --editable ".[dev]"
	touch $@

$(VENV)/.mutants: $(VENV)/.installed
	$(BIN)/pip install --quiet --constraint constraints.txt --editable ".[mutants]"
	touch $@

$(VENV)/.docs: $(VENV)/.installed
	$(BIN)/pip install --quiet --constraint constraints.txt --editable ".[docs]"
	touch $@
