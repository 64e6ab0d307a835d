// Copyright The virt-scheduler Authors.
// SPDX-License-Identifier: Apache-2.0

// Package drive lets a real scheduler place a trace, one VM at a time, and says where each VM went and what the scheduler's
// cycles cost. The scheduler is test/perf/simapi's: the real one, with an API in the process that answers at once. Nothing
// here decides or models anything; what the result is worth is judged in test/quality/report.
package drive
