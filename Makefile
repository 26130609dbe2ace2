# The front door. Every target sets up what it needs in .venv by itself; `make help` lists them.
# Needs: make, and Python 3.11 or newer with venv. Nothing else: no git, no compiler, no uv.

PYTHON ?= python3
# Passed on to the program behind a target, as in: make demo ARGS=--json
ARGS ?=
# How long `make fuzz` looks, in seconds, shared by all targets.
SECONDS ?= 600
# Worlds of `make world`; 200 of them make 100,000 unlocks.
SEEDS ?= 50
# Commands of `make soak`.
COMMANDS ?= 10000
# Test workers. 0 runs everything in one process, as a debugger likes it.
WORKERS ?= auto

VENV := .venv
BIN := $(VENV)/bin
RUN_READY := $(VENV)/.ready-run
DEV_READY := $(VENV)/.ready-dev
FUZZ_READY := $(VENV)/.ready-fuzz
INTEROP := $(VENV)/interop
INTEROP_READY := $(INTEROP)/.ready
TS := protocols/bridge_api/ts
NODE_READY := $(VENV)/node/.ready
UV_VERSION := 0.13.9
UV ?= $(VENV)/lock/bin/uv

MAKEFLAGS += --no-print-directory
.DEFAULT_GOAL := help
.DELETE_ON_ERROR:
.PHONY: help demo test test-browser pictures test-bluez lint format bench prove world soak interop fuzz chaos lock setup clean FORCE

help: ## show this list
	@echo "keygw: the open digital-key gateway"; echo
	@sed -n 's/^\([a-z-]*\):.*## \(.*\)/  make \1|\2/p' Makefile | \
	  while IFS='|' read -r target text; do printf '%-17s %s\n' "$$target" "$$text"; done
	@echo; echo "ARGS= is passed on: make demo ARGS=--json, make test ARGS='-k handshake', make bench ARGS='--only crypto'."
	@echo "PYTHON= names another interpreter (3.11 or newer), WORKERS=0 keeps the tests in one process."

demo: $(RUN_READY) ## from nothing to an unlocked car, and to a key that is provably dead
	@$(BIN)/keygw demo $(ARGS)

test: $(DEV_READY) $(NODE_READY) ## the whole test suite
	@$(BIN)/python -m pytest -n $(WORKERS) --maxprocesses=8 --dist=loadfile $(ARGS)

test-browser: $(DEV_READY) ## the pages alone, in the Chromium of this machine; pictures go to build/pictures
	@$(BIN)/python -m pytest -n $(WORKERS) --maxprocesses=4 --dist=loadfile tests/browser $(ARGS)

pictures: test-browser ## take the pictures of the docs anew
	@$(BIN)/python tools/pictures.py --take

lint: $(DEV_READY) ## ruff, mypy --strict and the laws of the house
	@$(BIN)/python -m ruff check .
	@$(BIN)/python -m ruff format --check .
	@$(BIN)/python -m mypy
	@$(BIN)/lint-imports

format: $(DEV_READY) ## let ruff lay out the code and mend what it safely can
	@$(BIN)/python -m ruff check --fix-only .
	@$(BIN)/python -m ruff format .

bench: $(RUN_READY) ## measure, against the goals
	@$(BIN)/python -m benchmarks $(ARGS)

prove: $(DEV_READY) ## check the formal models and their mutants
	@$(BIN)/python tools/prove.py $(ARGS)

# A case that fails is kept where the suite plays it again.
WORLD_CASES := tests/scenarios/world_cases
world: $(RUN_READY) ## live through SEEDS simulated worlds, each repeatable from its seed (SEEDS=200: 100,000 unlocks)
	@$(BIN)/keygw sim world --seeds $(SEEDS) --keep $(WORLD_CASES) $(ARGS)

soak: $(RUN_READY) ## COMMANDS commands over links full of faults, on a virtual clock
	@$(BIN)/keygw sim world --soak $(COMMANDS) --keep $(WORLD_CASES) $(ARGS)

interop: $(RUN_READY) $(INTEROP_READY) $(NODE_READY) ## hold a real gateway to programs that none of us wrote
	@$(BIN)/python tests/interop/hold.py --python $(INTEROP)/bin/python $(ARGS)

fuzz: $(FUZZ_READY) ## look for inputs that break a parser, for SECONDS (not part of CI)
	@$(BIN)/python tests/fuzz/run.py --seconds $(SECONDS) $(ARGS)

chaos: $(DEV_READY) ## kill, fill up and lock gateways under load, set their clocks, and count what was lost (not part of CI)
	@$(BIN)/python tests/chaos/chaos.py $(ARGS)

test-bluez: $(DEV_READY) ## real BlueZ and a real kernel in a virtual machine, minutes (not part of CI)
	@nice $(BIN)/python tools/bluez_vm.py $(ARGS)

setup: $(DEV_READY) ## only prepare .venv, for working on the code
	@echo "keygw: $(VENV) is ready" >&2

# The lock files name no index and no machine: `uv pip compile` is told to leave both out.
LOCK := pip compile --quiet --universal --python-version 3.11 --generate-hashes --no-emit-index-url --no-annotate --no-header
lock: ## compile the lock files again (ARGS=--upgrade takes newer releases)
	@$(if $(findstring $(VENV)/lock,$(UV)),$(check_python) \
	  test -x $(UV) || { $(PYTHON) -m venv $(VENV)/lock && $(VENV)/lock/bin/python -m pip install -qq uv==$(UV_VERSION); } >&2)
	@$(UV) $(LOCK) $(ARGS) --extra build pyproject.toml -o requirements.lock
	@$(UV) $(LOCK) $(ARGS) --extra build --extra dev --constraint requirements.lock pyproject.toml -o requirements-dev.lock
	@$(UV) $(LOCK) $(ARGS) --group pyproject.toml:fuzz -o requirements-fuzz.lock
	@$(UV) $(LOCK) $(ARGS) --group pyproject.toml:interop -o requirements-interop.lock

clean: ## remove .venv and everything that was made
	@rm -rf $(VENV) build dist .mypy_cache .ruff_cache .pytest_cache .hypothesis .import_linter_cache
	@find . -name __pycache__ -type d -prune -exec rm -rf {} +

# --- set-up -----------------------------------------------------------------------------------------------------------
# A stamp is written last, so a set-up that was cut short starts again. The dev lock is a superset of the runtime lock,
# so both stamps share one environment. Everything said here goes to stderr: stdout belongs to the program.

define check_python
command -v $(PYTHON) >/dev/null 2>&1 || { \
  echo "keygw: no $(PYTHON) here. On Debian or Ubuntu: apt-get install python3 python3-venv" >&2; exit 1; }; \
$(PYTHON) -c 'import sys; sys.exit(sys.version_info < (3, 11))' || { \
  echo "keygw: $$($(PYTHON) --version 2>&1) is too old; keygw needs Python 3.11 or newer." >&2; \
  echo "keygw: name another with: make PYTHON=python3.12 ... (Debian 12 and later have a fitting python3)" >&2; exit 1; }; \
$(PYTHON) -c 'import venv, ensurepip' 2>/dev/null || { \
  echo "keygw: $(PYTHON) has no venv module. On Debian or Ubuntu: apt-get install python3-venv" >&2; exit 1; };
endef

# $(call install,LOCK FILE): an environment that cannot run pip, or whose interpreter is gone, is made anew.
define install
@$(check_python) \
set -e; \
exec >&2; \
rm -f $(RUN_READY) $(DEV_READY); \
if ! $(BIN)/python -m pip --version >/dev/null 2>&1 || [ "$$(cat $(VENV)/.home 2>/dev/null)" != '$(CURDIR)' ]; then \
  echo "keygw: making $(VENV)"; \
  rm -rf $(VENV); \
  $(PYTHON) -m venv $(VENV) || { rm -rf $(VENV); \
    echo "keygw: venv failed. On Debian or Ubuntu: apt-get install python3-venv" >&2; exit 1; }; \
  printf '%s\n' '$(CURDIR)' > $(VENV)/.home; \
fi; \
echo "keygw: installing $(1)"; \
$(BIN)/python -m pip --disable-pip-version-check install -qq --require-hashes -r $(1); \
$(BIN)/python -m pip --disable-pip-version-check install -qq --no-deps --no-build-isolation -e .
endef

# A tree that was moved or copied takes its .venv along, and that still points to the old place.
ifneq ($(shell cat $(VENV)/.home 2>/dev/null),$(CURDIR))
$(RUN_READY) $(DEV_READY): FORCE
endif

$(RUN_READY): requirements.lock pyproject.toml
	$(call install,requirements.lock)
	@touch $@

$(DEV_READY): requirements-dev.lock requirements.lock pyproject.toml
	$(call install,requirements-dev.lock)
	@touch $(RUN_READY) $@

# The validators share nothing with keygw: an environment of their own keeps their pins from ours.
$(INTEROP_READY): $(RUN_READY) requirements-interop.lock
	@rm -rf $(INTEROP) && $(BIN)/python -m venv $(INTEROP) >&2 && \
	  $(INTEROP)/bin/python -m pip --disable-pip-version-check install -qq --require-hashes -r requirements-interop.lock >&2
	@touch $@

# What compiles the TypeScript client. Without npm, or where it finds no registry, its tests are skipped and say so.
$(NODE_READY): $(TS)/package-lock.json | $(RUN_READY)
	@mkdir -p $(@D) && cp $(TS)/package.json $(TS)/package-lock.json $(TS)/.npmrc $(@D)/ && if command -v npm >/dev/null; then \
	  (cd $(@D) && npm ci --no-audit --no-fund --ignore-scripts --loglevel=error >&2) && touch $@ || \
	  echo "keygw: npm ci has failed, so the tests of the TypeScript client are skipped; what npm says stands above" >&2; fi

# atheris comes as wheels for a few platforms alone, and building it takes clang: where there is none, say so and stop.
$(FUZZ_READY): $(RUN_READY) requirements-fuzz.lock
	@$(BIN)/python -m pip --disable-pip-version-check install -qq --require-hashes --only-binary :all: \
	  -r requirements-fuzz.lock >&2 && $(BIN)/python -c 'import atheris' 2>/dev/null || { \
	  echo "keygw: atheris cannot be installed here, with $$($(BIN)/python --version); what pip says stands above." >&2; \
	  echo "keygw: it has wheels for CPython 3.11 to 3.13 on Linux and macOS. make test replays the corpora anywhere." >&2; \
	  exit 1; }
	@touch $@
