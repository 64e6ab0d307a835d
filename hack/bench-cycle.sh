#!/usr/bin/env bash
# Copyright The virt-scheduler Authors.
# SPDX-License-Identifier: Apache-2.0
#
# usage: hack/bench-cycle.sh [FLAGS OF test/perf/cycle]     -h lists them
# CPU per pod of the scheduling cycle alone, the stock profile and ours in turns, as benchstat compares them. Keep a result as
# _output/bench/cycle-base.txt, and later runs are compared with it too.
set -euo pipefail
cd "$(dirname "${BASH_SOURCE[0]}")/.."

out=_output/bench
mkdir -p "$out" _output/bin
go build -o _output/bin/cycle ./test/perf/cycle
for argument in "$@"; do
  case "$argument" in
    -h | -help | --help) exec _output/bin/cycle -h ;;
  esac
done

result=$out/cycle-$(date -u +%Y%m%dT%H%M%SZ).txt
_output/bin/cycle "$@" >"$result"
units='.unit:(cpu-ns/op OR B/op OR allocs/op OR evaluated-nodes/op)'
echo
_output/tools/benchstat -col /profile -filter "$units" "$result"
echo "written to $result; the wall times of the parts are in there too: _output/tools/benchstat -col /profile $result"
if [ -f "$out/cycle-base.txt" ]; then
  echo
  _output/tools/benchstat -filter "$units" "$out/cycle-base.txt" "$result"
else
  echo "to compare later runs with this one: cp $result $out/cycle-base.txt"
fi
