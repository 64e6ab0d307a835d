#!/usr/bin/env bash
# Copyright The virt-scheduler Authors.
# SPDX-License-Identifier: Apache-2.0
#
# usage: hack/test.sh [unit] [integration] [e2e] [nightly]     (make test runs the first three)
# Runs suites one after the other, all of them even if one fails, prints where the time went, and ends with the result
# lines of `go test`. Raw events are kept in _output/test/<suite>.json, what was printed in <suite>.log.
set -euo pipefail
cd "$(dirname "${BASH_SOURCE[0]}")/.."
# shellcheck source=hack/phases.sh
. hack/phases.sh

results=$PWD/_output/test
gotestsum=$PWD/_output/tools/gotestsum
# Upstream's test framework looks for etcd in PATH.
export PATH="$PWD/_output/bin:$PATH"
mkdir -p "$results"
suites=()

# go_test SUITE FORMAT ARGUMENTS...: one run of go test. A suite in which no test ran has failed.
go_test() {
  local suite=$1 format=$2 rc=0
  shift 2
  # -vet=off: golangci-lint runs govet, and go test would analyse all of Kubernetes for it again.
  "$gotestsum" --format "$format" --jsonfile "$results/$suite.json" -- -vet=off "$@" 2>&1 |
    tee "$results/$suite.log" || rc=$?
  if grep -q '^DONE 0 tests' "$results/$suite.log"; then
    echo "no test ran in suite $suite" | tee -a "$results/$suite.log"
    return 1
  fi
  return "$rc"
}

# suite NAME ...: a phase around go_test whose result lines are shown again at the end.
suite() {
  suites+=("$1")
  phase "test: $1" go_test "$@"
}

# The programs of the embedded cluster: real etcd, Kubernetes and KubeVirt, built from their modules.
built=""
embedded_cluster() {
  [ -z "$built" ] || return 0
  built=1
  phase "build: embedded cluster" _output/bin/devcluster build
}

rapid_packages() {
  grep -rl --include='*_test.go' 'pgregory.net/rapid"' pkg | xargs -r -n 1 dirname | sort -u | sed 's|^|./|'
}

phase "build: test runner, devcluster" make --no-print-directory test-tools
for name in "$@"; do
  case "$name" in
    unit)
      # The race detector needs cgo, hence a C compiler.
      suite unit standard-quiet -race -timeout 20m ./pkg/... ./cmd/... ./hack/devcluster/...
      ;;
    integration)
      embedded_cluster
      # pkg/clusterview once more, without the race detector: tests of a large cluster, one of which bounds a time.
      suite integration standard-quiet -count=1 -timeout 30m ./test/integration/... ./test/perf/... ./test/quality/... ./pkg/clusterview
      ;;
    e2e)
      embedded_cluster
      # One package at a time: each starts a control plane of its own, and its figures are times. Its tests wait more than they
      # work: all at once.
      suite e2e standard-verbose -count=1 -p 1 -parallel 32 -timeout 45m ./test/e2e/...
      ;;
    nightly)
      # Everything again in random order, many more random cases, and the tests that take too long for every change.
      embedded_cluster
      suite nightly-unit standard-quiet -race -count=1 -shuffle=on -tags nightly -timeout 60m ./pkg/... ./cmd/... ./hack/devcluster/...
      mapfile -t packages < <(rapid_packages)
      suite nightly-properties standard-quiet -count=1 -timeout 60m "${packages[@]}" -rapid.checks=20000
      suite nightly-integration standard-quiet -count=1 -shuffle=on -tags nightly -timeout 60m ./test/integration/... ./test/perf/... ./test/quality/... ./pkg/clusterview
      suite nightly-e2e standard-verbose -count=1 -p 1 -parallel 32 -tags nightly -timeout 4h ./test/e2e/...
      ;;
    *)
      echo "hack/test.sh: no suite named '$name'" >&2
      exit 2
      ;;
  esac
done

rc=0
phases_end || rc=$?
if [ -n "$phases_own" ]; then
  hack/results.sh "${suites[@]}"
fi
exit "$rc"
