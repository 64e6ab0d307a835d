#!/usr/bin/env bash
# Copyright The virt-scheduler Authors.
# SPDX-License-Identifier: Apache-2.0
#
# pkg/model, pkg/decide and the API types that decisions are about (pkg/apis/failure) may link nothing but the standard
# library, k8s.io/api, k8s.io/apimachinery, what those two link, and each other. Unlike a linter's rule on import lines this
# looks at everything that is linked in.
set -euo pipefail
cd "$(dirname "${BASH_SOURCE[0]}")/.."

module=$(go list -m)
pure=()
for dir in pkg/model pkg/decide pkg/apis/failure; do
  [ -d "$dir" ] && pure+=("./$dir/...")
done
if [ "${#pure[@]}" -eq 0 ]; then
  echo "neither pkg/model nor pkg/decide exists: nothing was checked, so this fails"
  exit 1
fi

tmp=$(mktemp -d)
trap 'rm -rf "$tmp"' EXIT

# What the two libraries link themselves is the measure; asking for it keeps this list true across upgrades.
go list -deps k8s.io/api/... k8s.io/apimachinery/... | sort -u >"$tmp/allowed"
go list -deps -f '{{.ImportPath}}{{"\t"}}{{.Standard}}{{"\t"}}{{join .Imports " "}}' "${pure[@]}" >"$tmp/linked"

awk -F '\t' -v model="$module/pkg/model" -v decide="$module/pkg/decide" \
  -v failure="$module/pkg/apis/failure" '
  function within(path, root) { return path == root || index(path, root "/") == 1 }
  function ours(path) { return within(path, model) || within(path, decide) || within(path, failure) }
  function direct(path) { return index(path, "k8s.io/api/") == 1 || index(path, "k8s.io/apimachinery/") == 1 || ours(path) || path in std }
  NR == FNR { allowed[$1] = 1; next }
  { if ($2 == "true") std[$1] = 1; imports[$1] = $3; order[++n] = $1 }
  END {
    # The import to take out first; what came in through it only helps to find the way.
    for (i = 1; i <= n; i++) {
      path = order[i]
      if (!ours(path)) continue
      checked++
      count = split(imports[path], list, " ")
      for (j = 1; j <= count; j++)
        if (!direct(list[j])) { print path " imports " list[j] ": not allowed in a pure package"; bad++ }
    }
    for (i = 1; i <= n; i++) {
      path = order[i]
      if (ours(path) || path in std || path in allowed) continue
      if (++linked > 10) continue
      from = ""
      for (other in imports)
        if (index(" " imports[other] " ", " " path " ")) from = from " " other
      print path " is linked into a pure package, by" from
    }
    if (linked > 10) print "and " linked - 10 " more packages"
    printf "%d pure packages link %d packages; %d forbidden imports, %d packages forbidden to link\n", checked, n, bad, linked
    exit !(checked > 0 && bad + linked == 0)
  }' "$tmp/allowed" "$tmp/linked"
