# Targets for people and for CI; `make help` lists them.
SHELL := bash
VENV := .venv
PY := $(VENV)/bin/python
FAMILY ?= forest
E2E ?=
IMAGES ?=
ATTACK ?= tests/attack
# Tables of the sweep, with commas between their names (tests/sweep/sweep_tables.py).
TABLES ?= all
# Folder of the golden record, outside of the working tree.
OUT ?= /tmp/golden
# LOCKED=1 (CI): install the versions of locks/all.txt, checked by hash, not the newest ones.
LOCKED ?=
UPGRADE ?=
UV := build/uv/bin/uv
# Test processes beside each other: one more than cores, because many tests wait for servers.
# tests/conftest.py says which tests share one.
WORKERS ?= $(shell expr $$(getconf _NPROCESSORS_ONLN) + 1)
PYTEST := $(PY) -m pytest -n $(WORKERS) --dist loadfile
# What each test gave, for scripts/claims.py; the name of the suite is the commit that it ran on.
REPORT = --junitxml=build/reports/$@.xml -o junit_suite_name=$(shell git describe --always --dirty --exclude='*' --abbrev=40)
CLAIMS = $(PY) scripts/claims.py build/reports
LOCAL := not controlplane and not node and not reliability
# Folders with tests on a real kube-apiserver: each test process imports all files that it is given.
ON_REAL := $(addprefix tests/,api attack chart contract e2e embedded operator)
# One thread a BLAS call: the product parallelizes by itself, and oversubscription is slower on few cores.
export OPENBLAS_NUM_THREADS ?= 1
# Threads that spin take the cores from the other test processes.
export GOMP_SPINCOUNT ?= 0
# One cache of compiled kernels for the tests and for the pods of `simulacra up`, which have this one.
export NUMBA_CACHE_DIR ?= $(or $(XDG_CACHE_HOME),$(HOME)/.cache)/simulacra/numba
# Some images of containers set it; then each process would compile the project and the tests again.
unexport PYTHONDONTWRITEBYTECODE
# Once before the tests: their processes would each compile the same ones at the same time.
COMPILE := $(PY) -c "from simulacra_trainer import compile_ahead, kernel_cache; kernel_cache.is_cold() and compile_ahead.compile_kernels()"

.DEFAULT_GOAL := help
.PHONY: help images claims trust wheel chart release-notes e2e e2e-kind docs demo test test-fast sweep test-floors test-reliability test-controlplane test-attack coverage golden lint format generate verify lock clean

help: ## List the targets
	@awk 'BEGIN {FS = ":.*## "} /^##@/ {printf "\n%s\n", substr($$0, 5)} /^[a-z0-9-]+:.*## / {printf "  %-20s %s\n", $$1, $$2}' $(MAKEFILE_LIST)

##@ See it work
demo: $(VENV)/.demo-$(FAMILY) ## Set up and run the main job on a real survey (FAMILY=forest or neural)
	$(PY) examples/demo.py --family $(FAMILY) --output demo-output

##@ Check it
test: $(VENV)/.dev ## Set up and run all tests that need no cluster
	$(COMPILE)
	$(PYTEST) -m "$(LOCAL)" --durations=25 $(REPORT); code=$$?; $(CLAIMS) && exit $$code

test-fast: $(VENV)/.dev ## The tests without the slow ones
	$(PYTEST) -m "$(LOCAL) and not browser and not slow and not neural and not e2e"

sweep: $(VENV)/.dev ## Tables of every shape through every door; writes docs/explanation/sweep.md (minutes)
	$(COMPILE)
	SIMULACRA_SWEEP=$(TABLES) $(PY) -m pytest tests/sweep -rs --durations=0

test-floors: $(UV) ## The lowest direct versions: all imports and a part of the tests
	python3 scripts/floors.py $(UV) $(FLOORS)

test-reliability: $(VENV)/.dev ## Crashes, faults, lost events and two operators at every point (up to 30 minutes)
	$(PY) -m pytest -n 4 --dist worksteal -m "reliability and not controlplane and not node" -rP

test-controlplane: $(VENV)/.dev ## The contract and the main job on a real kube-apiserver (skips where there is none)
	$(PYTEST) $(ON_REAL) -m "controlplane and not reliability" -rs --durations=8 $(REPORT)

test-attack: $(VENV)/.dev ## The attacks on custody; those without a cluster are in `make test` too
	$(PY) -m pytest $(ATTACK) -rs $(REPORT)

coverage: $(VENV)/.dev ## The fast tests with their coverage, as text and in htmlcov/
	$(PYTEST) -m "$(LOCAL) and not browser and not slow and not neural and not e2e" --cov --cov-report=term --cov-report=html

golden: $(VENV)/.dev ## Write what users see of this commit into OUT: two commits compare by `diff -r` (minutes)
	$(PY) scripts/golden.py $(OUT)

lint: $(VENV)/.dev verify ## ruff, mypy --strict, import-linter, codespell and the project's own rules
	$(VENV)/bin/ruff check .
	$(VENV)/bin/ruff format --check .
	$(VENV)/bin/mypy
	$(VENV)/bin/mypy examples
	$(VENV)/bin/lint-imports
	$(VENV)/bin/codespell
	$(PY) scripts/plain_words.py

format: $(VENV)/.dev ## Format the code
	$(VENV)/bin/ruff check --fix-only -q .
	$(VENV)/bin/ruff format -q .

##@ Read it
docs: $(VENV)/.dev ## Build the documentation site into site/ (tutorial, how-tos, reference from the code)
	$(PY) -m mkdocs build -q -d site

##@ On a cluster
images: $(VENV)/.dev ## Build the images with docker, podman or buildah (docs/howto/images.md)
	$(PY) images/build.py $(IMAGES)

e2e: $(VENV)/.dev ## Images, helm install and the product on a real node (KUBECONFIG, or ../shared/bin/cluster)
	$(PY) scripts/e2e.py $(E2E)

e2e-kind: $(VENV)/.dev ## The same on a kind cluster made for it
	$(PY) scripts/e2e.py --kind $(E2E)

##@ Release
claims: $(VENV)/.dev ## Write what the tests of each claim gave, from build/reports (SIMULACRA_RELEASE_KEY signs it)
	$(CLAIMS)

trust: OUT = dist/trust
trust: $(VENV)/.dev ## Write the trust package of the release into OUT, a new folder (dist/trust)
	$(PY) -m simulacra_api.trust -o $(OUT)

wheel: $(VENV)/.dev ## Build wheel and source archive into dist/
	$(PY) -m build -o dist .

chart: ## Package the chart into dist/ (needs helm)
	helm package charts/simulacra -d dist

release-notes: ## Print the section of CHANGELOG.md for VERSION
	@awk -v head='## [$(VERSION)]' 'index($$0, head) == 1 {found = 1; next} found && /^## / {exit} \
		found; END {exit !found}' CHANGELOG.md

##@ Generated files
generate: $(VENV)/.dev ## Write the chart's CRDs from the pydantic models, and the chart's README
	$(PY) -m simulacra_crds.crd_yaml charts/simulacra/templates/crds --chart
	@if command -v helm-docs >/dev/null; then helm-docs -c charts -s file -l warning; else echo "charts/simulacra/README.md stays as it is: helm-docs is not in PATH"; fi

verify: $(VENV)/.dev ## Fail when a generated file is out of date
	$(PY) -m simulacra_crds.crd_yaml charts/simulacra/templates/crds --chart --check

##@ Dependencies
lock: $(UV) ## Write locks/ from pyproject.toml (UPGRADE=1: the newest versions)
	python3 scripts/lock.py $(UV) $(if $(UPGRADE),--upgrade)

##@ Housekeeping
clean: ## Remove the virtual environment and everything made by running
	rm -rf $(VENV) site build dist demo-output .mypy_cache .ruff_cache .pytest_cache .import_linter_cache .hypothesis

$(VENV)/bin/pip:
	python3 -m venv $(VENV)

# LightGBM's wheel uses the system's OpenMP library, which minimal systems lack.
define check_libgomp
	@$(PY) -c "import ctypes; ctypes.CDLL('libgomp.so.1')" 2>/dev/null || { echo "libgomp.so.1 is missing: install your system's OpenMP library (Debian: apt-get install libgomp1) and run make again" >&2; exit 1; }
endef

$(VENV)/.demo-forest: pyproject.toml | $(VENV)/bin/pip
	$(check_libgomp)
	@echo "Installing into $(VENV) (1.3 GB): this takes minutes, and pip says nothing meanwhile."
	$(VENV)/bin/pip install -q -e '.[embedded]'
	@touch $@

$(VENV)/.demo-neural: pyproject.toml | $(VENV)/bin/pip
	$(check_libgomp)
	$(VENV)/bin/pip install -q -e '.[embedded,neural]'
	@touch $@

$(VENV)/.dev: pyproject.toml $(if $(LOCKED),$(wildcard locks/*.txt)) | $(VENV)/bin/pip
	$(check_libgomp)
ifdef LOCKED
	$(VENV)/bin/pip install -q --no-deps --require-hashes -r locks/all.txt
	$(VENV)/bin/pip install -q -r locks/torch.txt
	$(VENV)/bin/pip install -q --no-deps --no-build-isolation -e .
else
	$(VENV)/bin/pip install -q -e '.[dev,neural]'
endif
	@touch $@

$(UV):
	python3 -m venv build/uv
	build/uv/bin/pip install -q uv
