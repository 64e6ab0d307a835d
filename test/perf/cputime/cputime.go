// Copyright The virt-scheduler Authors.
// SPDX-License-Identifier: Apache-2.0

// Package cputime reads how much processor time this process has used.
package cputime

import (
	"fmt"
	"syscall"
	"time"
)

// Process is the processor time that this process has used, in all its threads, user and system, to the microsecond.
func Process() (time.Duration, error) {
	var usage syscall.Rusage
	if err := syscall.Getrusage(syscall.RUSAGE_SELF, &usage); err != nil {
		return 0, fmt.Errorf("reading the CPU time of this process: %w", err)
	}
	return time.Duration(usage.Utime.Nano() + usage.Stime.Nano()), nil
}
