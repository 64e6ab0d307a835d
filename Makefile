# Copyright The virt-scheduler Authors.
# SPDX-License-Identifier: Apache-2.0

SHELL := bash
.SHELLFLAGS := -euo pipefail -c
.DELETE_ON_ERROR:
.DEFAULT_GOAL := help
MAKEFLAGS += --no-builtin-rules

OUT := _output
TOOLS := $(OUT)/tools
DEVCLUSTER := $(OUT)/bin/devcluster

# Versions are stamped below; Go's own stamping fails in a clone that another user owns.
export GOFLAGS := $(shell go env GOFLAGS) -buildvcs=false

# Version of Kubernetes that go.mod builds. Ours rides behind the plus: upstream derives feature defaults from the rest.
KUBE_VERSION := $(shell go list -m -f '{{.Version}}' k8s.io/kubernetes)
VERSION ?= $(shell git describe --tags --always --dirty 2>/dev/null || echo unknown)
VERSION_PKG := k8s.io/component-base/version
export GO_LDFLAGS := -X $(VERSION_PKG).gitVersion=$(KUBE_VERSION)+virt-scheduler.$(VERSION) \
	-X $(VERSION_PKG).gitMajor=$(word 1,$(subst ., ,$(KUBE_VERSION:v%=%))) \
	-X $(VERSION_PKG).gitMinor=$(word 2,$(subst ., ,$(KUBE_VERSION:v%=%)))

# The linter keeps what it found under the path where it found it: two checkouts that share its cache see each other's.
export GOLANGCI_LINT_CACHE := $(CURDIR)/$(OUT)/golangci-lint-cache

ARGS ?=
COUNT ?= 6
BENCH ?= .

.PHONY: help
help: ## Show this list
	@awk -F ':.*## ' '/^[a-z0-9-]+:.*## / { printf "  %-21s %s\n", $$1, $$2 }' $(MAKEFILE_LIST)

##
.PHONY: run
run: $(DEVCLUSTER) ## The story on a real control plane: VMs are placed, a node dies, its VMs return; ARGS='--nodes 50 --vms 500 --output json'
	@exec $(DEVCLUSTER) run $(ARGS)

.PHONY: dev-up
dev-up: $(DEVCLUSTER) ## Start the embedded cluster, leave it running and print the KUBECONFIG to use
	@exec $(DEVCLUSTER) up $(ARGS)

.PHONY: dev-down
dev-down: $(DEVCLUSTER) ## Stop what dev-up started, and nothing else
	@exec $(DEVCLUSTER) down $(ARGS)

.PHONY: build
build: ## Build the project's programs into bin/
	@mkdir -p bin
	go build -ldflags '$(GO_LDFLAGS)' -o bin/ ./cmd/...

.PHONY: test
test: ## All tests: unit with race detector, integration, end to end; prints where the time goes
	@hack/test.sh unit integration e2e

.PHONY: test-unit
test-unit: ## Unit tests alone, with race detector
	@hack/test.sh unit

.PHONY: test-integration
test-integration: ## Real API server and scheduler, no KubeVirt
	@hack/test.sh integration

.PHONY: test-e2e
test-e2e: ## The embedded cluster with the real KubeVirt control plane
	@hack/test.sh e2e

.PHONY: test-nightly
test-nightly: ## Hours: random order, many more random cases, tests tagged nightly
	@hack/test.sh nightly

.PHONY: bench
bench: $(TOOLS)/benchstat ## Micro-benchmarks into _output/bench, as benchstat reads them; COUNT=6 BENCH=regexp
	@hack/bench.sh '$(COUNT)' '$(BENCH)'

.PHONY: quality
quality: ## Where profiles put VMs, ours and others' on one trace: tables and plots of docs/profiles.md; ARGS='--hosts 50 --vms 1000'
	@go run ./test/quality/cmd/quality $(if $(ARGS),$(ARGS),--docs docs/profiles.md --svg docs/profiles)

.PHONY: bench-cycle
bench-cycle: $(TOOLS)/benchstat ## CPU per pod of the scheduling cycle, stock and ours in turns; ARGS='-scenarios nodes=100/ -rounds 5', ARGS=-h
	@hack/bench-cycle.sh $(ARGS)

.PHONY: bench-affinity
bench-affinity: ## PreFilter of InterPodAffinity and VMAffinity, 2,000 to 50,000 VMs, and the scheduler's heap; ARGS="-scenarios 'nodes=500/.*apart3'"
	@hack/bench-affinity.sh $(ARGS)

.PHONY: bench-scheduler-perf
bench-scheduler-perf: ## Our topics in upstream's scheduler_perf, with a real API server and etcd; ARGS=short
	@hack/bench-scheduler-perf.sh $(ARGS)

.PHONY: lint
lint: $(TOOLS)/golangci-lint ## Lint and formatting, as .golangci.yml says
	$(TOOLS)/golangci-lint run ./...
	@# KubeVirt takes minutes to compile; of its module only our own files' format is looked at here.
	@$(TOOLS)/golangci-lint fmt --diff hack/kubevirt

.PHONY: format
format: $(TOOLS)/golangci-lint ## Format the Go sources
	$(TOOLS)/golangci-lint fmt ./...

.PHONY: verify
verify: ## Every check short of tests: generated files, lint, imports, tidiness; all fatal
	@hack/verify.sh

.PHONY: generate
generate: $(TOOLS)/controller-gen ## Make the generated files anew: CRDs, deep copies
	@hack/update-generated.sh

.PHONY: vendor
vendor: ## vendor/ for builds without network; it is not kept in git, and used by go as long as it is there
	go mod vendor

.PHONY: image
image: ## Static binaries and, where a container engine is there, an OCI archive of them in _output/image
	@hack/image/build.sh

.PHONY: clean
clean: ## Remove what was built; Go's caches stay
	@if [ -f $(OUT)/devcluster/state.json ]; then echo "the embedded cluster may be running: make dev-down first"; exit 1; fi
	rm -rf bin $(OUT)

# What hack/verify.sh and hack/test.sh need; they ask for it, so that their tables show what it costs.
.PHONY: verify-tools test-tools
verify-tools: $(TOOLS)/golangci-lint $(TOOLS)/controller-gen
test-tools: $(TOOLS)/gotestsum $(DEVCLUSTER)

# Go knows best whether it is up to date.
.PHONY: $(DEVCLUSTER)
$(DEVCLUSTER):
	@mkdir -p $(@D)
	@go build -o $@ ./hack/devcluster

TOOL_golangci-lint := github.com/golangci/golangci-lint/v2/cmd/golangci-lint
TOOL_controller-gen := sigs.k8s.io/controller-tools/cmd/controller-gen
TOOL_gotestsum := gotest.tools/gotestsum
TOOL_benchstat := golang.org/x/perf/cmd/benchstat

$(TOOLS)/%: hack/tools/go.mod hack/tools/go.sum
	@mkdir -p $(@D)
	@echo "building $*$(if $(filter golangci-lint,$*), (the first time this takes minutes))"
	@go -C hack/tools build -o ../../$@ $(TOOL_$*)
