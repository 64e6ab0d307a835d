#!/usr/bin/env bash
# Copyright The virt-scheduler Authors.
# SPDX-License-Identifier: Apache-2.0
#
# usage: hack/bench-scheduler-perf.sh [LABELS]     labels of workloads as scheduler_perf takes them; default: performance,-large
# Topics of ours in upstream's scheduler_perf: a real API server and etcd, throughput of the whole.
set -euo pipefail
cd "$(dirname "${BASH_SOURCE[0]}")/.."

root=$PWD
mkdir -p "$root/_output/bin" "$root/_output/bench"
[ -x "$root/_output/bin/etcd" ] || go build -o "$root/_output/bin/etcd" go.etcd.io/etcd/server/v3
go test -tags schedulerperf -c -o "$root/_output/bin/scheduler-perf.test" ./test/perf/affinity
cd test/perf/affinity
PATH=$root/_output/bin:$PATH "$root/_output/bin/scheduler-perf.test" -test.run '^$' -test.bench BenchmarkPerfScheduling -test.benchtime 1ns -test.timeout 60m \
  -perf-scheduling-label-filter "${1:-performance,-large}" -data-items-dir "$root/_output/bench"
