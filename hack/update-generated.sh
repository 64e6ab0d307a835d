#!/usr/bin/env bash
# Copyright The virt-scheduler Authors.
# SPDX-License-Identifier: Apache-2.0
#
# Makes the generated files anew: CRDs and deep copies. A file that nothing generates any more is removed.
set -euo pipefail
cd "$(dirname "${BASH_SOURCE[0]}")/.."
# shellcheck source=hack/generate.sh
. hack/generate.sh

tmp=$(mktemp -d)
trap 'rm -rf "$tmp"' EXIT
generate_into "$tmp"

(cd "$tmp" && generated_files) | sort >"$tmp/new"
generated_files | sort | comm -13 "$tmp/new" - | while IFS= read -r file; do
  echo "removed $file"
  rm -- "$file"
done
while IFS= read -r file; do
  cmp -s "$tmp/$file" "$file" && continue
  mkdir -p "$(dirname "$file")"
  cp "$tmp/$file" "$file"
  echo "wrote $file"
done <"$tmp/new"
echo "$(wc -l <"$tmp/new") generated files are up to date"
