#!/usr/bin/env bash
# Copyright The virt-scheduler Authors.
# SPDX-License-Identifier: Apache-2.0
#
# Licence header on every source file, no Go file over 500 lines. It reads files that are not yet added to git too.
set -euo pipefail
cd "$(dirname "${BASH_SOURCE[0]}")/.."

max_lines=500
owner='Copyright The virt-scheduler Authors.'
licence='SPDX-License-Identifier: Apache-2.0'
bad=0

complain() {
  echo "$1"
  bad=$((bad + 1))
}

# Generated files have the header too, but a generator may put a build constraint before it.
header_go() {
  case "$1" in
    *zz_generated*) grep -qxF "// $owner" "$1" && grep -qxF "// $licence" "$1" ;;
    *) [ "$(head -n 3 "$1")" = "$(printf '// %s\n// %s\n\n' "$owner" "$licence")" ] && [ -z "$(sed -n 3p "$1")" ] ;;
  esac
}

files=0
while IFS= read -r -d '' file; do
  [ -f "$file" ] || continue # deleted, the deletion is not committed yet
  files=$((files + 1))
  case "$file" in
    *.go)
      header_go "$file" || complain "$file:1: the file must begin with the two lines of hack/boilerplate.go.txt and a blank line"
      lines=$(wc -l <"$file")
      case "$file" in
        *zz_generated*) ;;
        *) [ "$lines" -le "$max_lines" ] || complain "$file:$max_lines: $lines lines, allowed are $max_lines: split it by what it does" ;;
      esac
      ;;
    *)
      head -n 3 "$file" | grep -qxF "# $licence" || complain "$file:1: no line '# $licence' near the top"
      ;;
  esac
done < <(git ls-files -z --cached --others --exclude-standard -- '*.go' '*.sh' Makefile .ci/run '*Containerfile')

if [ "$files" -eq 0 ]; then
  complain "no source file found: is this a git checkout?"
fi
echo "$files files looked at, $bad complaints"
[ "$bad" -eq 0 ]
