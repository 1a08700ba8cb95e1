# Targets for people and for CI; `make help` lists them.
SHELL := bash
VENV := .venv
PY := $(VENV)/bin/python
FAMILY ?= forest
E2E ?=
# LOCKED=1 (CI): install the versions of locks/all.txt, checked by hash, not the newest ones.
LOCKED ?=
UPGRADE ?=
UV := build/uv/bin/uv
# The suite mostly waits on processes: two halves at once use both cores. The second half reports when both are done.
# tests/browser comes last: Playwright's loop stays in its process. Of a control plane, tests/contract belongs to the other
# half, after tests/e2e, which are to have no more control planes beside their own than they must.
HALF_ONE := tests/api tests/operator tests/client tests/crds tests/custody tests/contract tests/chart tests/docs \
	tests/e2e/test_e2e_custody_servers.py tests/browser
HALF_TWO := $(filter-out $(HALF_ONE) tests/support,$(wildcard tests/*)) --ignore=tests/e2e/test_e2e_custody_servers.py
PLANE_ONE := $(filter-out tests/contract,$(HALF_ONE))
PLANE_TWO := $(HALF_TWO) tests/contract
# The crash sweep of one life waits for its expiries, that of a tenant for drains: each beside the others.
CRASH := tests/operator/test_operator_crash.py
RELIABILITY_ONE := $(CRASH) -k "not tenant and not expiry"
RELIABILITY_TWO := $(CRASH) -k tenant
RELIABILITY_THREE := $(CRASH) -k expiry
RELIABILITY_FOUR := tests --ignore=$(CRASH)
# $(call run_together,names of the variables that hold the groups,marks,further options): the first group reports while it
# runs, the others when all are done.
define run_together
	@logs=$$(mktemp -d); pids=; \
	$(foreach group,$(wordlist 2,9,$(1)),$(PY) -m pytest $($(group)) -m "$(2)" $(3) > $$logs/$(group) 2>&1 & pids="$$pids $$!";) \
	$(PY) -m pytest $($(firstword $(1))) -m "$(2)" $(3); code=$$?; \
	for pid in $$pids; do wait $$pid || code=1; done; cat $$logs/*; rm -r $$logs; exit $$code
endef
# One thread a BLAS call: the product parallelises by itself, and oversubscription is slower on few cores.
export OPENBLAS_NUM_THREADS ?= 1

.DEFAULT_GOAL := help
.PHONY: help images e2e e2e-kind docs demo test test-fast test-floors test-reliability test-controlplane lint format generate verify lock clean

help: ## List the targets
	@awk 'BEGIN {FS = ":.*## "} /^##@/ {printf "\n%s\n", substr($$0, 5)} /^[a-z0-9-]+:.*## / {printf "  %-20s %s\n", $$1, $$2}' $(MAKEFILE_LIST)

##@ See it work
demo: $(VENV)/.demo-$(FAMILY) ## Set up and run the main job on a real survey (FAMILY=forest or neural)
	$(PY) examples/demo.py --family $(FAMILY) --output demo-output

##@ Check it
test: $(VENV)/.dev ## Set up and run all tests that need no cluster
	$(call run_together,HALF_ONE HALF_TWO,not controlplane and not node and not reliability)

test-fast: $(VENV)/.dev ## The tests without the slow ones
	$(call run_together,HALF_ONE HALF_TWO,not controlplane and not node and not reliability and not slow and not neural and not e2e)

test-floors: $(UV) ## The lowest direct versions: all imports and a part of the tests
	python3 scripts/floors.py $(UV) $(FLOORS)

test-reliability: $(VENV)/.dev ## Crashes, faults, lost events and two operators at every point (up to 30 minutes)
	$(call run_together,RELIABILITY_ONE RELIABILITY_TWO RELIABILITY_THREE RELIABILITY_FOUR,reliability and not controlplane and not node,-rP)

test-controlplane: $(VENV)/.dev ## The contract and the main job on a real kube-apiserver (skips where there is none)
	$(call run_together,PLANE_ONE PLANE_TWO,controlplane and not reliability,-rs --durations=8)

lint: $(VENV)/.dev verify ## ruff, mypy --strict, import-linter and the project's own rules
	$(VENV)/bin/ruff check .
	$(VENV)/bin/ruff format --check .
	$(VENV)/bin/mypy
	$(VENV)/bin/mypy examples
	$(VENV)/bin/lint-imports

format: $(VENV)/.dev ## Format the code
	$(VENV)/bin/ruff check --fix-only -q .
	$(VENV)/bin/ruff format -q .

##@ Read it
docs: $(VENV)/.dev ## Build the documentation site into site/ (tutorial, how-tos, reference from the code)
	$(PY) -m mkdocs build -q -d site

##@ On a cluster
images: $(VENV)/.dev ## Build the images with docker, podman or buildah (docs/images.md)
	$(PY) images/build.py

e2e: $(VENV)/.dev ## Images, helm install and the product on a real node (KUBECONFIG, or ../shared/bin/cluster)
	$(PY) scripts/e2e.py $(E2E)

e2e-kind: $(VENV)/.dev ## The same on a kind cluster made for it
	$(PY) scripts/e2e.py --kind $(E2E)

##@ Generated files
generate: $(VENV)/.dev ## Write crds/yaml and the chart's CRDs from the pydantic models, and the chart's README
	$(PY) -m simulacra_crds.generate crds/yaml
	$(PY) -m simulacra_crds.generate charts/simulacra/templates/crds --chart
	@if command -v helm-docs >/dev/null; then helm-docs -c charts -s file -l warning; else echo "charts/simulacra/README.md stays as it is: helm-docs is not in PATH"; fi

verify: $(VENV)/.dev ## Fail when a generated file is out of date
	$(PY) -m simulacra_crds.generate crds/yaml --check
	$(PY) -m simulacra_crds.generate charts/simulacra/templates/crds --chart --check

##@ Dependencies
lock: $(UV) ## Write locks/ from pyproject.toml (UPGRADE=1: the newest versions)
	python3 scripts/lock.py $(UV) $(if $(UPGRADE),--upgrade)

##@ Housekeeping
clean: ## Remove the virtual environment and everything made by running
	rm -rf $(VENV) site build demo-output .mypy_cache .ruff_cache .pytest_cache .import_linter_cache .hypothesis

$(VENV)/bin/pip:
	python3 -m venv $(VENV)

$(VENV)/.demo-forest: pyproject.toml | $(VENV)/bin/pip
	$(VENV)/bin/pip install -q -e '.[embedded]'
	@touch $@

$(VENV)/.demo-neural: pyproject.toml | $(VENV)/bin/pip
	$(VENV)/bin/pip install -q -e '.[embedded,neural]'
	@touch $@

$(VENV)/.dev: pyproject.toml $(if $(LOCKED),$(wildcard locks/*.txt)) | $(VENV)/bin/pip
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
