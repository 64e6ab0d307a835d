# Copyright The virt-scheduler Authors.
# SPDX-License-Identifier: Apache-2.0
#
# Sourced by hack/verify.sh, hack/test.sh and .ci/run: runs named phases, goes on after one that fails so that one run
# tells of everything, and remembers what each cost.

# PHASES_FILE holds a line per phase: name, seconds, exit code. A caller that wants one table over several scripts sets it.
phases_own=""
if [ -z "${PHASES_FILE:-}" ]; then
  PHASES_FILE=$(mktemp)
  phases_own=1
  trap 'rm -f "$PHASES_FILE"' EXIT
fi
# Programs that handle Ctrl-C themselves return an ordinary exit code, after which bash would go on to the next phase.
trap 'exit 130' INT
trap 'exit 143' TERM

phases_failed=0

# phase NAME COMMAND...: the command is a program or script, not a function that counts on `set -e`, which is off here.
phase() {
  local name=$1 start=$SECONDS rc=0
  shift
  printf '\n=== %s\n' "$name"
  "$@" || rc=$?
  printf '%s\t%d\t%d\n' "$name" "$((SECONDS - start))" "$rc" >>"$PHASES_FILE"
  if [ "$rc" -ne 0 ]; then
    phases_failed=$((phases_failed + 1))
    printf '=== %s: FAILED (exit code %d) after %d s\n' "$name" "$rc" "$((SECONDS - start))"
  fi
  return 0
}

# phases_table prints where the time went.
phases_table() {
  awk -F '\t' '
    BEGIN { printf "\n%-44s %8s  %s\n", "phase", "seconds", "result" }
    { printf "%-44s %8d  %s\n", $1, $2, $3 == 0 ? "ok" : "FAILED (" $3 ")"; total += $2 }
    END { printf "%-44s %8d\n", "total", total }' "$PHASES_FILE"
}

# phases_end prints the table, unless the caller gathers several scripts in one, and returns 1 if any phase failed here.
phases_end() {
  if [ -n "$phases_own" ]; then
    phases_table
  fi
  [ "$phases_failed" -eq 0 ]
}
