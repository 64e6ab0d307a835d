#!/usr/bin/env bash
# Copyright The virt-scheduler Authors.
# SPDX-License-Identifier: Apache-2.0
#
# Every check of the sources that needs no test run, cheapest first. All of them run, any of them fails it, here as in CI.
set -euo pipefail
cd "$(dirname "${BASH_SOURCE[0]}")/.."
# shellcheck source=hack/phases.sh
. hack/phases.sh

phase "build: linter and generators" make --no-print-directory verify-tools
phase "verify: headers, file length" hack/verify-files.sh
phase "verify: imports of pure packages" hack/verify-imports.sh
phase "verify: go.mod tidy" hack/verify-tidy.sh
phase "verify: vendoring" hack/verify-vendor.sh
phase "verify: generated files" hack/verify-generated.sh
phase "verify: lint and format" make --no-print-directory lint
phases_end
