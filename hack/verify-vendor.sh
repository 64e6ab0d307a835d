#!/usr/bin/env bash
# Copyright The virt-scheduler Authors.
# SPDX-License-Identifier: Apache-2.0
#
# `make vendor` yields a tree from which every package of the module resolves without network and module cache.
# It is made beside a copy of the sources under _output, since a vendor/ in place would change every later go command.
set -euo pipefail
cd "$(dirname "${BASH_SOURCE[0]}")/.."

copy=$PWD/_output/verify-vendor
rm -rf "$copy"
mkdir -p "$copy"
trap 'rm -rf "$copy"' EXIT

git ls-files -z --cached --others --exclude-standard |
  while IFS= read -r -d '' file; do [ -f "$file" ] && printf '%s\0' "$file"; done |
  tar --null --files-from=- -cf - | tar -xf - -C "$copy"
cd "$copy"
go mod vendor
GOFLAGS="$(go env GOFLAGS) -mod=vendor" GOPROXY=off GOMODCACHE="$copy/empty" go list -deps ./... >"$copy/resolved"
echo "$(wc -l <"$copy/resolved") packages resolve from vendor/ ($(du -sm vendor | cut -f 1) MB)"
