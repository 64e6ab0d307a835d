#!/usr/bin/env bash
# Copyright The virt-scheduler Authors.
# SPDX-License-Identifier: Apache-2.0
#
# The generated files are what the generators make of the sources now, and git knows them.
set -euo pipefail
cd "$(dirname "${BASH_SOURCE[0]}")/.."
# shellcheck source=hack/generate.sh
. hack/generate.sh

tmp=$(mktemp -d)
trap 'rm -rf "$tmp"' EXIT
mkdir "$tmp/new"
generate_into "$tmp/new"

bad=0
(cd "$tmp/new" && generated_files) | sort >"$tmp/want"
if [ ! -s "$tmp/want" ]; then
  echo "the generators made no file at all: nothing was checked, so this fails"
  exit 1
fi
{ generated_files; cat "$tmp/want"; } | sort -u >"$tmp/all"
while IFS= read -r file; do
  old=$file new=$tmp/new/$file
  [ -f "$old" ] || old=/dev/null
  [ -f "$new" ] || new=/dev/null
  diff -u --label "$file (in the tree)" --label "$file (generated now)" "$old" "$new" || bad=1
done <"$tmp/all"
if [ "$bad" -ne 0 ]; then
  echo "generated files differ from what the sources say: run 'make generate' and commit the result"
fi

untracked=$(git ls-files --others --exclude-standard -- manifests/crds '*zz_generated*')
if [ -n "$untracked" ]; then
  echo "generated, but git does not know them: git add" $untracked
  bad=1
fi
echo "$(wc -l <"$tmp/want") generated files compared"
exit "$bad"
