#!/usr/bin/env bash
# Copyright The virt-scheduler Authors.
# SPDX-License-Identifier: Apache-2.0
#
# go.mod and go.sum say what the code needs, no more and no less.
# hack/kubevirt is left out: the graph of KubeVirt's module has test-only packages that cannot be resolved, so that
# `go mod tidy` there needs -e and its result says nothing.
set -euo pipefail
cd "$(dirname "${BASH_SOURCE[0]}")/.."

bad=0
for dir in . hack/tools hack/kwok; do
  if ! go -C "$dir" mod tidy -diff; then
    echo "$dir/go.mod or go.sum is not tidy: run 'go -C $dir mod tidy' and commit both"
    bad=1
  fi
done
exit "$bad"
