# Everything that a user or CI types. `make` alone lists it.

PYTHON ?= python3
SHELL := /bin/sh
.DEFAULT_GOAL := help
MAKEFLAGS += --no-print-directory

# Recipes find python, dvc, ruff, … in the environment that `setup` makes. In the recipes only: set for all of make,
# `$(PYTHON)` would be the environment's own after the first run.
IN_VENV := PATH="$(CURDIR)/.venv/bin:$$PATH"

# DVC and MLflow report usage to their makers unless told not to.
export DVC_NO_ANALYTICS := 1
export MLFLOW_DISABLE_TELEMETRY := true

.PHONY: help
help: ## list these commands
	@awk -F ':.*## ' '/^[a-z-]+:.*## / {printf "  make %-15s %s\n", $$1, $$2}' $(MAKEFILE_LIST)

##
.PHONY: run
run: model serve ## from a clone to a model that serves: set up, fetch the photos, run every stage (about 10 minutes)

.PHONY: model
model: setup data ## the same without serving: set up, fetch the photos, run every stage, say what came out
	@$(IN_VENV) dvc repro
	@$(IN_VENV) python -m pipeline.summary

.PHONY: serve
serve: setup ## serve the promoted model on http://127.0.0.1:8000 (Ctrl-C ends it)
	@.venv-service/bin/python -m service

.PHONY: photos
photos: setup data ## train on the photos that you put into data/images/<label>/
	@$(IN_VENV) python -m pipeline.manifest adopt
	@$(IN_VENV) python -m pipeline.manifest attribution
	@$(IN_VENV) dvc add -q data
	@$(IN_VENV) dvc repro
	@$(IN_VENV) python -m pipeline.summary

.PHONY: setup
setup: ## make .venv and .venv-service from requirements/*.lock (about 2 minutes once, then nothing)
	@$(PYTHON) scripts/environment.py requirements/pipeline.lock .venv
	@$(PYTHON) scripts/environment.py requirements/service.lock .venv-service

# The photos are fetched only where there are none, so that what a user put into data/ stays. The mark tells a fetch
# that was interrupted, and left a part of them, from a folder that is as its user wants it.
.PHONY: data
data: setup
	@if [ ! -d data ] || [ -e .dvc/tmp/fetching ]; then \
		mkdir -p .dvc/tmp && touch .dvc/tmp/fetching && $(IN_VENV) dvc pull && rm .dvc/tmp/fetching; \
	fi

.PHONY: runs
runs: setup ## look at every run in MLflow's page, on http://127.0.0.1:5000 (Ctrl-C ends it)
	@$(IN_VENV) mlflow ui --backend-store-uri sqlite:///.mlflow/mlflow.db --host 127.0.0.1 --port 5000

.PHONY: compare
compare: setup data ## train the backbones and ways of training that the README compares, and print the table
	@$(IN_VENV) python -m scripts.compare

.PHONY: history
history: setup ## who made which model the champion, when and why
	@$(IN_VENV) python -m pipeline.promote history

.PHONY: rollback
rollback: setup ## bring the champion before back: make rollback WHY="it takes cats for plants"
	@$(IN_VENV) python -m pipeline.promote rollback --why "$(or $(WHY),no reason given)"

##
.PHONY: test
test: lint data ## check style and types, then run every test
	@$(IN_VENV) python -m pytest

.PHONY: lint
lint: setup ## check style, formatting and types
	@$(IN_VENV) ruff check .
	@$(IN_VENV) ruff format --check .
	@$(IN_VENV) mypy

.PHONY: format
format: setup ## put the code into the project's format
	@$(IN_VENV) ruff check --fix .
	@$(IN_VENV) ruff format .

.PHONY: verify
verify: setup ## rebuild the model twice in fresh clones and compare the bytes
	@$(IN_VENV) python -m scripts.verify

.PHONY: bench-pipeline
bench-pipeline: setup ## time every stage in a fresh clone, and the memory that it takes
	@$(IN_VENV) python -m scripts.bench_pipeline

.PHONY: bench-validate
bench-validate: setup ## time the look at the photos, from 100 pictures to 10,000 that it makes
	@$(IN_VENV) python -m scripts.bench_validate

.PHONY: bench
bench: setup ## compare the service with other ways to serve the same model, side by side (about 10 minutes; needs wrk)
	@$(PYTHON) scripts/environment.py requirements/bench.lock .venv-bench
	@$(IN_VENV) python -m scripts.bench_service

.PHONY: clean
clean: ## remove what the stages and tools made; photos, promoted models and MLflow's runs stay
	@rm -rf build models/candidate reports/plots reports/validation.* reports/promotion.json
	@rm -rf .mypy_cache .ruff_cache .pytest_cache .hypothesis
