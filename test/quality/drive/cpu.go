// Copyright The virt-scheduler Authors.
// SPDX-License-Identifier: Apache-2.0

package drive

import (
	"syscall"
	"time"
)

// processCPU is the processor time that this process has used, in all its threads, to the microsecond.
func processCPU() time.Duration {
	var usage syscall.Rusage
	if err := syscall.Getrusage(syscall.RUSAGE_SELF, &usage); err != nil {
		panic(err) // it has no way to fail but a wrong argument
	}
	return time.Duration(usage.Utime.Nano() + usage.Stime.Nano())
}
