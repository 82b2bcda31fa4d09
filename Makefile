# Needs Python 3.11+ and make; uses uv where it is on PATH. `make` alone lists the targets.

VENV := .venv
BIN := $(VENV)/bin
TESTS ?= tests
# Tests side by side: most of them wait for servers and processes. WORKERS=0 for one after the other.
WORKERS ?= 3
SOURCES := contracts bus models agents console
CODE := $(wildcard $(SOURCES) tests bench)

# Two stamps: a demo does not wait for the test tools.
RUN_STAMP := $(VENV)/.installed
DEV_STAMP := $(VENV)/.installed-dev

.DEFAULT_GOAL := help
.PHONY: help demo test check format bench soak lock clean distclean $(VENV)
.PHONY: check-format check-lint check-types check-imports check-schema
.DELETE_ON_ERROR:

help: ## list the targets
	@awk -F ':.*## ' '/^[a-z.]+:.*## /{printf "  make %-10s %s\n", $$1, $$2}' Makefile
	@echo '  make $(VENV)      install everything for development into $(VENV)'

demo: $(RUN_STAMP) ## simulated machines with planted faults, and the alerts they cause
	$(BIN)/tocsin demo

test: $(DEV_STAMP) ## all tests but the soak tests; TESTS=tests/unit for some
	$(BIN)/pytest -q -n $(WORKERS) --dist loadscope $(TESTS)

check: check-format check-lint check-types check-imports check-schema ## format, lint, types, import directions, generated files

check-format: $(DEV_STAMP)
	$(BIN)/ruff format --check .

check-lint: $(DEV_STAMP)
	$(BIN)/ruff check .

check-types: $(DEV_STAMP)
	$(BIN)/mypy $(CODE)

check-imports: $(DEV_STAMP)
	$(BIN)/lint-imports

check-schema: $(DEV_STAMP)
	$(BIN)/tocsin config schema --check

format: $(DEV_STAMP) ## format the code and mend what ruff can mend
	$(BIN)/ruff check --fix-only .
	$(BIN)/ruff format .

bench: $(DEV_STAMP) ## measure: throughput, latency, recovery, detection
	$(BIN)/python -m bench

soak: $(DEV_STAMP) ## the tests that run for minutes to hours
	$(BIN)/pytest -m soak --timeout=0 $(TESTS)

lock: ## resolve the lock files anew; UPGRADE=--upgrade for newer versions (needs uv)
	@command -v uv >/dev/null || { echo 'make lock needs uv: https://docs.astral.sh/uv/' >&2; exit 1; }
	uv pip compile $(LOCK_FLAGS) pyproject.toml --group dev --group build -o requirements-dev.lock
	uv pip compile $(LOCK_FLAGS) pyproject.toml -c requirements-dev.lock -o requirements.lock
	uv pip compile $(LOCK_FLAGS) --group build -c requirements-dev.lock -o requirements-build.lock

# The two small locks are cut from the large one, so that the three can never disagree.
LOCK_FLAGS = --quiet --universal --python-version 3.11 --generate-hashes --no-emit-index-url \
	--no-emit-find-links --custom-compile-command 'make lock' $(UPGRADE)

clean: ## remove caches and build results
	rm -rf build dist .mypy_cache .ruff_cache .pytest_cache .hypothesis .schemathesis .import_linter_cache
	find $(CODE) -name __pycache__ -type d -prune -exec rm -rf {} +

distclean: clean ## clean, and remove .venv as well
	rm -rf $(VENV)

# ---------------------------------------------------------------- installation

$(VENV): $(DEV_STAMP)

$(RUN_STAMP): pyproject.toml requirements.lock requirements-build.lock
	$(make-venv)
	@echo 'Installing what Tocsin needs into $(VENV): once, about a minute ...'
	$(PIP_INSTALL) --require-hashes -r requirements.lock -r requirements-build.lock
	$(PIP_INSTALL) --no-deps --no-build-isolation --editable .
	@touch $@

$(DEV_STAMP): requirements-dev.lock $(RUN_STAMP)
	@echo 'Installing the test tools into $(VENV) ...'
	$(PIP_INSTALL) --require-hashes -r requirements-dev.lock
	@touch $@

# Both installers read the same hashes. Without --no-compile pip spends as long on compiling as on the rest;
# Python compiles what is imported, when it is imported.
ifneq ($(shell command -v uv 2>/dev/null),)
PIP_INSTALL = @uv pip install --quiet --python $(BIN)/python
else
PIP_INSTALL = @$(BIN)/python -m pip install --quiet --disable-pip-version-check --no-compile
endif

IS_NEW_ENOUGH := -c 'import sys; sys.exit(sys.version_info < (3, 11))'

# Keeps an environment that works; makes it anew when its Python is gone, too old, or has no installer.
define make-venv
@set -e; \
if $(BIN)/python $(IS_NEW_ENOUGH) 2>/dev/null; then \
  command -v uv >/dev/null || $(BIN)/python -m pip --version >/dev/null 2>&1 \
    || $(BIN)/python -m ensurepip >/dev/null; \
  exit 0; \
fi; \
if command -v uv >/dev/null; then \
  uv venv --quiet --clear --python '$(or $(PYTHON),>=3.11)' $(VENV); \
  exit 0; \
fi; \
for found in $(or $(PYTHON),python3 python3.14 python3.13 python3.12 python3.11 python); do \
  "$$found" $(IS_NEW_ENOUGH) 2>/dev/null || continue; \
  "$$found" -m venv --clear $(VENV) && exit 0; \
  rm -rf $(VENV); \
  echo "$$found cannot make a virtual environment; on Debian or Ubuntu: apt-get install python3-venv" >&2; \
  exit 1; \
done; \
echo 'Tocsin needs Python 3.11 or newer, and found none.' >&2; \
echo 'Install one, or name it: make PYTHON=/path/to/python3.11' >&2; \
exit 1
endef
