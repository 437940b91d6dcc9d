# Everyday commands. `make help` lists them; CONTRIBUTING.md explains them.

SHELL := /bin/bash
VIDEOCLOUD_CACHE ?= $(HOME)/.cache/videocloud
export VIDEOCLOUD_CACHE
export CARGO_TARGET_DIR ?= $(VIDEOCLOUD_CACHE)/target
# What ships is what is tested: one profile, built once, with overflow checks on.
CARGO_FLAGS := --release --locked
# The whole workspace, so that its dependencies are not compiled again with other features.
BENCH := --locked --workspace
CLUSTER ?= local
IMAGE_REPOSITORY ?=
IMAGES ?=
LINK ?=
ALLOW_NETWORK ?=

.DEFAULT_GOAL := help
.PHONY: help setup build demo demo-down test e2e fuzz lint fmt crds images assets tools deny \
	bench bench-scheduler bench-download bench-edge bench-transcode bench-operator bench-delivery experiment

help: ## Show this list
	@grep -hE '^[a-z][a-z0-9-]*:.*## ' $(MAKEFILE_LIST) | awk -F':.*## ' '{printf "  make %-16s %s\n", $$1, $$2}'

setup: ## Install the Debian packages that are missing (as root; otherwise name them)
	@.ci/setup

tools: ## Fetch the pinned static builds of ffmpeg and ffprobe into the cache
	@workers/transcoder/tools.sh --vmaf

assets: build ## Build or find the Kubernetes binaries of the local cluster
	@$(CARGO_TARGET_DIR)/release/videocloud-cluster assets

# With a test among the targets the dependencies have the features they have in tests, and are compiled once for both.
build: ## Build every program
	@cargo build $(CARGO_FLAGS) --workspace --bins --test chart

demo: setup tools build ## A real cluster, the operator, and a video from apply to playing
	@$(CARGO_TARGET_DIR)/release/videocloud-demo up --cluster $(CLUSTER) $(if $(IMAGE_REPOSITORY),--image-repository $(IMAGE_REPOSITORY)) \
		$(if $(filter present,$(IMAGES)),--images-present) $(if $(LINK),--link '$(LINK)') \
		$(if $(ALLOW_NETWORK),--allow-network '$(ALLOW_NETWORK)')

demo-down: build ## Remove the demo and its cluster
	@$(CARGO_TARGET_DIR)/release/videocloud-demo down --cluster $(CLUSTER)

test: setup tools ## Unit and integration tests against real peers
	@cargo test $(CARGO_FLAGS) --workspace --no-fail-fast

e2e: setup tools build ## End-to-end tests on real local clusters
	@cargo test $(CARGO_FLAGS) --workspace --no-fail-fast --test chart --test demo --test system -- --test-threads=1

fuzz: ## Every fuzz target for FUZZ_SECONDS (20), where nightly and cargo-fuzz are installed
	@.ci/fuzz

lint: fmt-check clippy deny fresh helm-lint ## Everything that is checked without running

.PHONY: fmt-check clippy fresh helm-lint
fmt-check:
	@cargo fmt --all --check
clippy:
	@cargo clippy $(CARGO_FLAGS) --workspace --all-targets -- -D warnings
deny: ## Licences, sources, bans and advisories of dependencies
	@.ci/deny
fresh: crds
	@git diff --exit-code --stat -- crds/generated charts/videocloud/files docs/api docs/reference || { echo "generated files are stale: run 'make crds' and commit"; exit 1; }
helm-lint:
	@.ci/helm-lint

fmt: ## Format the code
	@cargo fmt --all

crds: build ## Write the custom resource definitions to crds/generated, into the chart, and their reference
	@$(CARGO_TARGET_DIR)/release/crdgen

images: build ## Build the container images as OCI archives in the cache
	@$(CARGO_TARGET_DIR)/release/videocloud-cluster build-images

bench: bench-scheduler bench-download bench-edge bench-transcode bench-operator bench-delivery ## Every benchmark, beside its peers

bench-scheduler: ## Solver, estimator and policies
	@cargo bench $(BENCH) --bench scheduler
bench-download: setup ## One origin, mirrors, a swarm, a mixture, small files: videocloud, aria2c, curl, libtorrent
	@cargo bench $(BENCH) --bench throughput --bench mirrors --bench swarm --bench mixture --bench small
bench-edge: setup ## One file: videocloud's edge, nginx
	@cargo bench $(BENCH) --bench edge
bench-transcode: setup tools ## Chunked, whole, and separate encodes
	@cargo bench $(BENCH) --bench chunking
bench-operator: setup ## Memory per object, API writes per video, the control loop of a large pool
	@cargo bench $(BENCH) --bench objects --bench pool
bench-delivery: setup ## Announces: videocloud, aquatic_udp, opentracker; seeding: videocloud, libtorrent; rates per second
	@cargo bench $(BENCH) --bench announce
	@cargo bench $(BENCH) --bench seeding --bench rates

experiment: setup build ## Policies with real clients, in minutes (STAGES=2 BLOCKS=6: as published); LONG=1: in hours
	@$(CARGO_TARGET_DIR)/release/videocloud-experiment $(if $(LONG),--long) $(if $(STAGES),--stages $(STAGES)) \
		$(if $(BLOCKS),--blocks $(BLOCKS)) --out $(CARGO_TARGET_DIR)/experiment
