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
	@awk -F ':.*## ' '/^[a-z-]+:.*## / {printf "  make %-19s %s\n", $$1, $$2}' $(MAKEFILE_LIST)

##
.PHONY: run
run: model serve ## from a clone to the live page: set up, fetch the photos, run every stage, serve (about 2 minutes, and the downloads)

.PHONY: model
model: setup data ## the same without serving: set up, fetch the photos, run every stage, say what came out
	@$(IN_VENV) dvc repro
	@$(IN_VENV) python -m pipeline.evaluate.summary

.PHONY: serve
serve: setup page ## serve the promoted model and the page, which can be taught, on http://127.0.0.1:8000 (Ctrl-C ends it)
	@$(IN_VENV) python -m studio || { status=$$?; \
		echo "the studio ended (status $$status); the lines above say why, \`make serve\` starts it again" >&2; exit $$status; }

.PHONY: photos
photos: setup data ## train on the photos that you put into data/images/<label>/
	@$(IN_VENV) python -m pipeline.data adopt
	@$(IN_VENV) python -m pipeline.data attribution
	@$(IN_VENV) dvc add -q data
	@$(IN_VENV) dvc repro
	@$(IN_VENV) python -m pipeline.evaluate.summary

.PHONY: setup
setup: ## make .venv and .venv-service from requirements/*.lock (half a minute once, then nothing)
	@$(PYTHON) scripts/dev/environment.py requirements/pipeline.lock .venv
	@$(PYTHON) scripts/dev/environment.py requirements/service.lock .venv-service

.PHONY: page
page: ## build the page into web/dist (Node 20 or newer; where there is none it is fetched from PyPI)
	@$(PYTHON) -m scripts.dev.node page

.PHONY: site
site: promoted ## the page with the model inside, in web/site: for any static host, everything runs on the device
	@$(IN_VENV) python -m scripts.release.site

# The tests of the page, the demo and the image need some promoted model, not one of the code as it is at the moment.
.PHONY: promoted
promoted: setup data
	@[ -f models/promoted/manifest.json ] && [ -f build/split.csv ] || $(MAKE) model

.PHONY: browser
browser: setup
	@$(IN_VENV) python -m scripts.dev.browser

# The photos are fetched only where there are none, so that what a user put into data/ stays. The mark tells a fetch
# that was interrupted, and left a part of them, from a folder that is as its user wants it.
.PHONY: data
data: setup
	@if [ ! -d data ] || [ -e .dvc/tmp/fetching ]; then \
		mkdir -p .dvc/tmp && touch .dvc/tmp/fetching && $(IN_VENV) dvc pull data.dvc && rm .dvc/tmp/fetching; \
	fi

.PHONY: runs
runs: setup ## look at every run in MLflow's page, on http://127.0.0.1:5000 (Ctrl-C ends it)
	@$(IN_VENV) mlflow ui --backend-store-uri sqlite:///.mlflow/mlflow.db --host 127.0.0.1 --port 5000

.PHONY: compare
compare: setup data ## recipes, backbones and few photos on pictures from elsewhere: docs/compare.md (about an hour)
	@$(IN_VENV) python -m scripts.compare

.PHONY: history
history: setup ## who made which model the champion, when and why
	@$(IN_VENV) python -m pipeline.promote history

.PHONY: rollback
rollback: setup ## bring the champion before back: make rollback WHY="it takes cats for plants"
	@$(IN_VENV) python -m pipeline.promote rollback --why "$(or $(WHY),no reason given)"

##
.PHONY: test
test: lint promoted page browser ## check style and types, then run every test (trains a model first where there is none)
	@$(PYTHON) -m scripts.dev.node npm run --silent test
	@$(IN_VENV) python -m pytest -n 2

.PHONY: test-fast
test-fast: setup ## the tests that need no service, no browser and no training (about a minute)
	@$(IN_VENV) python -m pytest -q -n 2 tests/unit tests/contract

.PHONY: lint
lint: setup ## check style, formatting, types and the direction of imports
	@$(IN_VENV) ruff check .
	@$(IN_VENV) ruff format --check .
	@$(IN_VENV) mypy
	@$(IN_VENV) lint-imports
	@$(PYTHON) -m scripts.dev.node npm run --silent lint
	@$(PYTHON) -m scripts.dev.node npm run --silent types

.PHONY: format
format: setup ## put the code into the project's format
	@$(IN_VENV) ruff check --fix .
	@$(IN_VENV) ruff format .
	@$(PYTHON) -m scripts.dev.node npm run --silent format

.PHONY: verify
verify: setup ## rebuild the model twice in fresh clones and compare the bytes
	@$(IN_VENV) python -m scripts.dev.verify

.PHONY: bench-pipeline
bench-pipeline: setup ## time every stage in a fresh clone, and the memory that it takes
	@$(IN_VENV) python -m scripts.bench.pipeline

.PHONY: bench-teach
bench-teach: setup promoted ## time how soon the page answers with what it was taught; kill the studio 100 times (about 25 minutes)
	@$(IN_VENV) python -m scripts.bench.teach

.PHONY: bench
bench: setup ## compare the service with other ways to serve the same model, side by side (about 11 minutes; needs wrk)
	@$(PYTHON) scripts/dev/environment.py requirements/bench.lock .venv-bench
	@$(IN_VENV) python -m scripts.bench.service

.PHONY: bench-web
bench-web: promoted page browser ## time the page in a real browser, and the device beside TensorFlow.js and LiteRT.js (about 10 minutes)
	@$(PYTHON) scripts/dev/environment.py requirements/litert.lock .venv-litert
	@$(IN_VENV) python -m scripts.bench.web

.PHONY: bench-scale
bench-scale: setup ## how many answers and users a core carries, and the limit of one process (about 4 minutes; needs wrk)
	@$(PYTHON) scripts/dev/environment.py requirements/bench.lock .venv-bench
	@$(IN_VENV) python -m scripts.bench.capacity

.PHONY: bench-review
bench-review: setup data ## plant wrong labels and duplicates, and count what the review queue finds (about 4 minutes)
	@$(IN_VENV) python -m scripts.bench.review

.PHONY: bench-gif
bench-gif: setup data ## compare the GIFs with ffmpeg's own and gifski's, on six clips (about 8 minutes; gifski from npm)
	@$(IN_VENV) python -m scripts.bench.gif

.PHONY: web-api
web-api: setup ## write the page's types from the service's OpenAPI document
	@$(IN_VENV) python -m scripts.dev.openapi

# A lock holds names and exact versions and nothing of this machine: no registry, no path, no local version (`+cpu`), no
# CUDA part, which comes with torch where it is wanted. No hashes: one pin of torch is a build for CPU here, for CUDA there.
NAME ?= pipeline
.PHONY: lock
lock: ## write requirements/pipeline.lock of what .venv has installed; NAME=bench: bench.lock of .venv-bench
	@{ echo "# What $(NAME).in resolves to; CONTRIBUTING.md says how to renew it."; \
		$(patsubst %-pipeline,%,.venv-$(NAME))/bin/python -m pip freeze --all | sed 's/+.*//' \
			| grep -Ev '^(nvidia-|cuda-|triton|pip==|uv==)|@' | LC_ALL=C sort -f; } > requirements/$(NAME).lock

.PHONY: test-stores
test-stores: setup ## photos on S3 and MLflow on PostgreSQL, tried out with stand-ins (an environment of 1.2 GB once)
	@$(PYTHON) scripts/dev/environment.py requirements/scale.lock .venv-scale
	@$(IN_VENV) python -m pytest tests/deploy/test_stores.py

##
.PHONY: image
image: setup ## build the service's image with the promoted model in it (needs Docker)
	@$(IN_VENV) python -m scripts.release.image

.PHONY: up
up: image ## start the service and MLflow in containers, on http://127.0.0.1:8000 and :5000
	@PIPELINE_USER="$$(id -u):$$(id -g)" docker compose up --detach

.PHONY: down
down: ## stop what `make up` started; its volumes stay
	@docker compose down

.PHONY: image-test
image-test: setup promoted browser ## build the image and hold it to its promises (starts an engine of its own where there is none)
	@$(PYTHON) scripts/dev/environment.py deploy/sbom.lock .venv-sbom
	@deploy/ci.sh

.PHONY: sbom
sbom: setup ## list what the image is made of (CycloneDX) and its licences: build/sbom/
	@$(PYTHON) scripts/dev/environment.py deploy/sbom.lock .venv-sbom
	@$(IN_VENV) python -m scripts.release.sbom

.PHONY: demo
demo: promoted page browser ## record the page by itself: data/recordings/demo.mp4, of which `dvc repro` makes the README's GIF
	@$(IN_VENV) python -m scripts.demo

.PHONY: deploy-branch
deploy-branch: setup ## put this commit and the promoted model on the branch that Render builds from
	@$(IN_VENV) python -m scripts.release.deploy_branch

##
.PHONY: clean
clean: ## remove what the stages and tools made; photos, promoted models and MLflow's runs stay
	@rm -rf build models/candidate reports/plots reports/validation.* reports/promotion.json
	@rm -rf .mypy_cache .ruff_cache .pytest_cache .hypothesis
