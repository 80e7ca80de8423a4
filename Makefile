# Every target sets up what it needs by itself; `make help` lists them.
SHELL := /bin/bash
.DEFAULT_GOAL := help
VENV := .venv
PY := $(VENV)/bin/python
# Any Python from 3.7 will do here: tools/pythons.py finds the best one for the environment.
PYTHON ?= $(shell for p in python3 python3.13 python3.12 python3.11 python3.10 python3.14 python; do \
	$$p -c 'import sys; sys.exit(sys.version_info < (3, 7))' 2>/dev/null && { echo $$p; break; }; done)
BOOTSTRAP := $(or $(PYTHON),$(error no Python was found: Surefoot needs Python 3.10 or newer)) tools/bootstrap.py
STRICT := $(wildcard src tools examples bench tests/typing)
ARGS ?=

.PHONY: help demo chaos-demo sweep-full sweep-sample examples setup test test-processes test-chaos test-rules test-catalog test-proxy-clients test-chaostoolkit test-stores test-prefect test-airflow3 test-airflow2 test-adapters census test-crash test-demo test-wheel check format bench coverage-floor lock build clean

help: ## this list
	@grep -hE '^[a-z0-9-]+:.*## ' $(MAKEFILE_LIST) | sed -E 's/^([a-z0-9-]+):.*## /\1\t/' | expand -t 18

demo: ## sets up and runs the example on real files: kills it half way and resumes (ARGS="--root DIR")
	@$(BOOTSTRAP) demo
	@$(PY) examples/file_triage/demo.py $(ARGS)

chaos-demo: setup ## the demo's workflow under chaos, each fault and each write; its page: docs/examples/chaos-demo.html
	@$(BOOTSTRAP) demo
	@mkdir -p docs/examples
	@SUREFOOT_RULES=examples/file_triage/rules.toml $(PY) -m surefoot chaos examples.file_triage.pipeline:triage \
		--setup examples.file_triage.chaos:setup --crash-sweep --html docs/examples/chaos-demo.html $(ARGS)

sweep-full: setup ## kills at all writes of the demo's workflow, all pairs of kills of another; the result goes into docs/chaos.md
	@$(BOOTSTRAP) demo
	@$(PY) tools/sweep.py --write $(ARGS)

sweep-sample: setup ## a sample of the same, by chance
	@$(BOOTSTRAP) demo
	@$(PY) tools/sweep.py --sample 40 $(ARGS)

test-chaos: setup ## surefoot chaos on planted bugs: does it go red, and where it must
	@$(PY) -m pytest tests/vacuity $(ARGS)

examples: setup ## runs the three small examples: LLM extraction, payment saga, GPU batches
	@$(PY) examples/llm_extraction/run.py
	@echo && $(PY) examples/payment_saga/run.py
	@echo && $(PY) examples/gpu_batch/run.py

setup: ## sets up .venv for development (every other target does it too)
	@$(BOOTSTRAP) dev

test: setup ## the tests, the core's on each Python 3.10-3.13 of this machine (ARGS="-k lease": only those, here)
	@$(PY) tools/run_tests.py $(ARGS)

test-processes: setup ## the command line, dead letters, isolation, pytest plugin, planted secrets: tests that start processes
	@$(PY) -m pytest tests/cli tests/deadletter tests/isolation tests/plugin tests/plugin_libs tests/secrets $(ARGS)

test-rules: setup ## the catalog's rules against the real libraries
	@$(PY) -m pytest tests/rules $(ARGS)

test-catalog: ## every library of the catalog raises its real exceptions (an environment of its own)
	@$(BOOTSTRAP) catalog
	@.venvs/catalog/bin/python -m pytest tests/libraries $(ARGS)

census: ## which exception classes of the catalog's libraries no rule knows (NEWEST=1: of their newest versions)
	@$(BOOTSTRAP) catalog
	@$(if $(NEWEST),.venvs/catalog/bin/python -m pip install -qq --upgrade --upgrade-strategy eager -e ".[catalog]")
	@PYTHONPATH=. .venvs/catalog/bin/python -W ignore -m tests.libraries.census

test-proxy-clients: ## Toxiproxy's clients for Python, Node and Chaos Toolkit against our fault proxy
	@$(BOOTSTRAP) proxy
	@.venvs/proxy/bin/python -m pytest tests/proxy_clients $(ARGS)

test-chaostoolkit: ## the experiment of examples/chaos_toolkit with the real Chaos Toolkit (an environment of its own)
	@$(BOOTSTRAP) chaostoolkit
	@.venvs/chaostoolkit/bin/python -m pytest tests/chaostoolkit $(ARGS)

test-stores: ## the journal on a real Postgres, checkpoints in a real S3 API (an environment of its own)
	@$(BOOTSTRAP) stores
	@.venvs/stores/bin/python -m pytest tests/postgres tests/objects $(ARGS)

test-prefect: ## the adapter against a real Prefect server (an environment of its own)
	@$(BOOTSTRAP) prefect
	@.venvs/prefect/bin/python -m pytest tests/on_prefect $(ARGS)

test-airflow3: ## the adapter against real Airflow 3 services (an environment of its own)
	@$(BOOTSTRAP) airflow3
	@.venvs/airflow3/bin/python -m pytest tests/on_airflow $(ARGS)

test-airflow2: ## the same against Airflow 2.11
	@$(BOOTSTRAP) airflow2
	@.venvs/airflow2/bin/python -m pytest tests/on_airflow $(ARGS)

test-adapters: test-prefect test-airflow3 test-airflow2 ## Prefect, Airflow 3 and Airflow 2, one after the other

test-crash: setup ## the whole crash sweep: a kill at every write of the journal
	@CRASH_SWEEP=full $(PY) -m pytest tests/crash $(ARGS)

test-demo: setup ## the examples' own tests, and the load figure's
	@$(PY) -m pytest tests/demo $(ARGS)

test-wheel: setup ## the built package in an empty environment, away from the sources
	@$(PY) tools/try_wheel.py

check: setup ## format, lint, types (for this Python and for 3.10), layers, docs and their code
	$(VENV)/bin/ruff format --check .
	$(VENV)/bin/ruff check .
	$(VENV)/bin/mypy --strict $(STRICT)
	$(VENV)/bin/mypy --strict --python-version 3.10 $(STRICT)
	$(VENV)/bin/lint-imports --no-logo
	$(PY) tools/check_docs.py
	$(PY) -m pytest -q tests/docs

format: setup ## lays the code out anew
	$(VENV)/bin/ruff check --fix .
	$(VENV)/bin/ruff format .

bench: setup ## speed and memory, as ratios to a floor measured in the same run
	@$(PY) $(if $(wildcard bench/run.py),bench/run.py,-m bench) $(ARGS)

coverage-floor: setup ## keeps the coverage of the last `make test` as the new floor
	@$(PY) tools/check_coverage.py --raise

lock: setup ## resolves constraints/ anew to the newest versions
	@$(PY) tools/lock.py

build: setup ## the wheel and the sdist, into dist/
	@$(PY) -m pip install -qq build && $(PY) -m build

clean: ## removes environments, caches and what the demo wrote
	rm -rf $(VENV) .venvs .demo build dist htmlcov .coverage .coverage.* .mypy_cache .ruff_cache \
		.pytest_cache .hypothesis .import_linter_cache
	find . -name __pycache__ -type d -not -path './.git/*' -prune -exec rm -rf {} +
