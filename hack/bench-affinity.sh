#!/usr/bin/env bash
# Copyright The virt-scheduler Authors.
# SPDX-License-Identifier: Apache-2.0
#
# usage: hack/bench-affinity.sh [FLAGS OF test/perf/cycle]
# PreFilter of InterPodAffinity and of VMAffinity alone, in turns, on launcher pods with affinity, from 2,000 to 50,000 VMs; then the
# live heap of a scheduler with the default profiles; then, for each limit that VMAffinity has to keep, what was seen and whether it
# holds: 1 if one does not. About 40 minutes and 4 GB. With flags: these scenarios alone, and no limits.
# Time for which there was no processor is not counted, and the quietest round counts; what others do to caches and memory all the
# time is counted: let the machine be quiet.
set -euo pipefail
cd "$(dirname "${BASH_SOURCE[0]}")/.."

mkdir -p _output/bin _output/bench
go build -o _output/bin/cycle ./test/perf/cycle
result=_output/bench/affinity-$(date -u +%Y%m%dT%H%M%SZ).txt

# measure FLAGS: all goes into the result file, the tables to the terminal, too.
measure() {
  _output/bin/cycle "$@" 2>&1 | tee -a "$result" | { grep -v '^Benchmark' || true; }
}
affinity() {
  measure -config test/perf/cycle/affinity.yaml -profiles inter-pod-affinity,vm-affinity "$@"
}
if [ $# -gt 0 ]; then
  affinity "$@"
  echo "written to $result"
  exit
fi
{
  go version
  uname -sr
  grep -m 1 '^model name' /proc/cpuinfo
  cat /proc/loadavg
} | sed 's/^/# /' >"$result"

affinity -rounds 10 -scenarios '^nodes=500/vms=2000/'
for pods in apart3 apart50 apart-zones together prefer joining500 joining50/moving=200; do
  for vms in 2000 20000 50000; do
    affinity -rounds 10 -scenarios "nodes=5000/vms=$vms/pods=$pods"
  done
done
affinity -rounds 10 -scenarios 'nodes=5000/vms=10000/pods=apart3'
affinity -rounds 10 -scenarios 'nodes=5000/vms=50000/pods=joining50/off=100'
measure -heap -profiles stock,virt-scheduler -scenarios 'nodes=5000/vms=50000/pods=apart3'
echo "# load at the end: $(cat /proc/loadavg)" >>"$result"

verdicts=$(go run ./test/perf/cycle/limits <"$result") || broken=1
tee -a "$result" <<<"$verdicts"
echo "written to $result"
exit "${broken:-0}"
