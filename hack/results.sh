#!/usr/bin/env bash
# Copyright The virt-scheduler Authors.
# SPDX-License-Identifier: Apache-2.0
#
# usage: hack/results.sh SUITE...
# Prints the result lines of suites that hack/test.sh ran, in the words of `go test`.
set -euo pipefail
cd "$(dirname "${BASH_SOURCE[0]}")/.."

for suite in "$@"; do
  printf '\n%s:\n' "$suite"
  grep -E '^(ok|FAIL|DONE|panic:|no test ran|[[:space:]]*--- FAIL|=== FAIL)' "_output/test/$suite.log" ||
    echo "no result: the suite did not run"
done
