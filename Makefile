# Every target sets up what it needs by itself: `make demo` in a fresh clone just works.
# PYTHON=python3.12 picks the interpreter (3.11 or newer), VENV=folder where its environment goes.

PYTHON ?= python3
VENV ?= .venv

# How many processes run the tests: `auto` is one per core, 0 none beside the first. The fast tests
# take 6 minutes of one core, so two share them; the slow ones and those with peers run alone.
test: TEST_JOBS ?= 2
test-full test-rest: TEST_JOBS ?= 0
# Where `make notebooks` also saves figures: make notebooks FIGURES=docs/figures
FIGURES ?=
# More options for pytest: make test PYTEST_ARGS='-k relay -x'
PYTEST_ARGS ?=

BIN := $(VENV)/bin
VERSION := $(shell $(PYTHON) -c 'import sys; print("%d.%d" % sys.version_info[:2])' 2>/dev/null)
# One stamp per interpreter and set of dependencies: pip runs when pyproject.toml has changed
# since, or when PYTHON has become another version, and at no other time.
STAMP := $(VENV)/.installed-$(VERSION)
PIP_INSTALL := $(BIN)/python -m pip install --quiet --disable-pip-version-check --editable

DRAFT := draft-handshake-over-coap
BUILD := spec/build

.DEFAULT_GOAL := help
.DELETE_ON_ERROR:
.PHONY: help demo test test-rest test-full interop lint spec bench evidence notebooks clean

help: ## list the targets
	@awk -F ':.*## ' '/^[a-z-]+:.*## / { printf "  make %-10s %s\n", $$1, $$2 }' Makefile

demo: $(STAMP)-core ## a handshake over CoAP on loopback, then application data
	$(BIN)/hoc demo

test: lint ## lint, types, and the fast tests (at most 6 minutes on 2 cores)
	$(BIN)/python -m pytest -n $(TEST_JOBS) -m 'not slow and not peer' $(PYTEST_ARGS)

test-full: $(STAMP)-peers $(STAMP)-notebooks ## every test: also the slow ones, those against real peers, and more examples
	HYPOTHESIS_PROFILE=full $(BIN)/python -m pytest -n $(TEST_JOBS) --timeout 1200 $(PYTEST_ARGS)

test-rest: $(STAMP)-peers $(STAMP)-notebooks ## what `make test` leaves out: slow tests, real peers, and more examples
	HYPOTHESIS_PROFILE=full $(BIN)/python -m pytest -n $(TEST_JOBS) --timeout 1200 \
	  -m 'slow or peer or hypothesis' $(PYTEST_ARGS)

interop: $(STAMP)-peers ## the tests against other DTLS stacks; writes the table in docs/interop.md
	@rm -f build/interop.jsonl
	-$(BIN)/python -m pytest --deselect tests/interop/test_interop_table.py tests/interop $(PYTEST_ARGS)
	$(BIN)/python -m tests.support.stacks.table

lint: $(STAMP)-dev ## style and types
	$(BIN)/ruff check .
	$(BIN)/ruff format --check .
	$(BIN)/mypy

spec: $(BUILD)/$(DRAFT).txt ## the Internet-Draft, as text and HTML, in spec/build

bench: $(STAMP)-bench ## benchmarks
	@for each in bench/handshakes.py bench/primitives.py bench/records.py; do \
	  echo "== $$each"; $(BIN)/python "$$each" || exit 1; done

evidence: $(STAMP)-dev ## simulated against real handshakes; writes docs/evidence.md (minutes)
	PYTHONPATH=. $(BIN)/python bench/evidence.py

notebooks: $(STAMP)-notebooks ## the notebooks, executed: build/notebooks/*.html (minutes)
	@mkdir -p build/notebooks
	@for each in $(wildcard notebooks/*.py); do \
	  name=$$(basename "$$each" .py); echo "== $$each"; \
	  $(BIN)/jupytext --quiet --to ipynb \
	    --output build/notebooks/$$name.ipynb "$$each" && \
	  HOC_NOTEBOOK_FIGURES=$(abspath $(FIGURES)) $(BIN)/jupyter nbconvert --log-level WARN --to html --execute \
	    build/notebooks/$$name.ipynb || exit 1; \
	done

clean: ## remove the environment, caches and everything built
	rm -rf $(VENV) $(BUILD) build dist *.egg-info
	rm -rf .mypy_cache .pytest_cache .ruff_cache .hypothesis
	find . -name __pycache__ -type d -prune -exec rm -rf {} +

# -- environments --------------------------------------------------------------------------------

$(STAMP):
	@$(PYTHON) -c 'import sys; sys.exit(sys.version_info < (3, 11))' || \
	  { echo "$(PYTHON) is missing or older than 3.11: try make PYTHON=python3.12" >&2; exit 1; }
	@if [ "$$($(BIN)/python -c 'import sys; print("%d.%d" % sys.version_info[:2])' 2>/dev/null)" \
	      != "$(VERSION)" ]; then \
	  echo "$(PYTHON) -m venv $(VENV)"; \
	  $(PYTHON) -m venv --clear $(VENV) || \
	    { echo "$(PYTHON) cannot make an environment (Debian: the package python3-venv)" >&2; exit 1; }; \
	fi
	@touch $@

$(STAMP)-core: pyproject.toml handshake_over_coap/_version.py | $(STAMP)
	$(PIP_INSTALL) .
	@touch $@

$(STAMP)-dev: pyproject.toml handshake_over_coap/_version.py | $(STAMP)
	$(PIP_INSTALL) '.[dev]'
	@touch $@ $(STAMP)-core

# Benchmarks leave out whom they do not find.
$(STAMP)-bench: $(STAMP)-dev
	@$(PIP_INSTALL) '.[bench]' || echo "aioquic cannot be installed: it is left out" >&2
	@$(PIP_INSTALL) '.[adapters]' || echo "python-mbedtls cannot be installed: it is left out" >&2
	@touch $@

# The other stacks: CI cannot do without (CI=true), elsewhere their tests are skipped.
$(STAMP)-peers: $(STAMP)-dev
	@$(PIP_INSTALL) '.[peers]' || \
	  { echo "some stacks cannot be installed (see .ci/packages): their tests are skipped" >&2; \
	    test "$$CI" != true; }
	@touch $@

$(STAMP)-notebooks: $(STAMP)-dev
	$(PIP_INSTALL) '.[notebooks]'
	@touch $@

$(STAMP)-spec: pyproject.toml handshake_over_coap/_version.py | $(STAMP)
	$(PIP_INSTALL) '.[spec]'
	@touch $@ $(STAMP)-core

# -- the Internet-Draft --------------------------------------------------------------------------

# Offline: every reference is a file in spec/refs. kramdown-rfc reports a missing one in its output
# and ends well all the same; hence the grep.
$(BUILD)/$(DRAFT).xml: spec/$(DRAFT).md $(wildcard spec/refs/*.xml spec/*.cddl spec/*.txt)
	@command -v kramdown-rfc >/dev/null || \
	  { echo "kramdown-rfc is missing (Debian: ruby-kramdown-rfc2629; or: gem install kramdown-rfc)" >&2; \
	    exit 1; }
	@mkdir -p $(BUILD)
	cd spec && LC_ALL=C.UTF-8 KRAMDOWN_OFFLINE=1 KRAMDOWN_REFCACHEDIR=refs \
	  kramdown-rfc $(DRAFT).md > build/$(DRAFT).xml
	@if grep -n BROKEN $@; then echo "a reference is missing from spec/refs" >&2; exit 1; fi

$(BUILD)/$(DRAFT).txt: $(BUILD)/$(DRAFT).xml | $(STAMP)-spec
	$(BIN)/xml2rfc --no-network --quiet --text --html $<
