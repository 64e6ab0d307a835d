#!/usr/bin/env bash
# Copyright The virt-scheduler Authors.
# SPDX-License-Identifier: Apache-2.0
#
# usage: hack/bench.sh COUNT REGEXP
# Micro-benchmarks that stand beside their code, COUNT times over, as input for benchstat. Keep a result as
# _output/bench/base.txt, and the next run is compared with it.
set -euo pipefail
cd "$(dirname "${BASH_SOURCE[0]}")/.."
count=$1 pattern=$2

mapfile -t packages < <(grep -rl --include='*_test.go' '^func Benchmark' pkg | xargs -r -n 1 dirname | sort -u | sed 's|^|./|')
if [ "${#packages[@]}" -eq 0 ]; then
  echo "no package under pkg/ has a benchmark"
  exit 1
fi

out=_output/bench
mkdir -p "$out"
result=$out/$(date -u +%Y%m%dT%H%M%SZ).txt
# -p 1: two packages that run at once would measure each other.
go test -run '^$' -bench "$pattern" -benchmem -count "$count" -p 1 -timeout 60m "${packages[@]}" | tee "$result"
echo
echo "written to $result"
if [ -f "$out/base.txt" ]; then
  _output/tools/benchstat "$out/base.txt" "$result"
else
  _output/tools/benchstat "$result"
  echo "to compare later runs with this one: cp $result $out/base.txt"
fi
