// Copyright The virt-scheduler Authors.
// SPDX-License-Identifier: Apache-2.0

package main

import (
	"bytes"
	"errors"
	"fmt"
	"io/fs"
	"os"
	"runtime"
	"strconv"
	"time"
)

// waiting knows how long a thread has been ready to run while other threads, of this process or of others, had all processors. On a
// busy machine that decides about the slowest percent of what takes microseconds, and says nothing about the code that is timed.
// Time in which the thread waits for something else, as a lock or the end of a collection, is not in it. A reading takes microseconds.
type waiting struct {
	file   *os.File // Linux: time on a processor, time waiting for one, times it got one
	buffer [96]byte
	err    error
}

// watchWaiting begins to watch the calling goroutine's thread, from which stop releases it. Without Linux nothing is ever waited for.
func watchWaiting() (w *waiting, stop func(), err error) {
	runtime.LockOSThread()
	file, err := os.Open("/proc/thread-self/schedstat")
	if err != nil {
		runtime.UnlockOSThread()
		if errors.Is(err, fs.ErrNotExist) {
			err = nil
		}
		return nil, func() {}, err
	}
	return &waiting{file: file}, func() {
		_ = file.Close() // nothing was written
		runtime.UnlockOSThread()
	}, nil
}

// soFar is 0 where nobody watches.
func (w *waiting) soFar() time.Duration {
	if w == nil || w.err != nil {
		return 0
	}
	n, err := w.file.ReadAt(w.buffer[:], 0)
	fields := bytes.Fields(w.buffer[:n])
	if len(fields) < 2 {
		w.err = fmt.Errorf("reading how long the thread waited: %q: %w", w.buffer[:n], err)
		return 0
	}
	nanoseconds, err := strconv.ParseInt(string(fields[1]), 10, 64)
	w.err = err
	return time.Duration(nanoseconds)
}

// without returns a wall time without what of it the thread waited, which was read just before and just after. Waiting that
// is longer than the time was between the readings and not in it: then nothing is taken off.
func without(wall, waited float64) float64 {
	if waited > wall {
		return wall
	}
	return wall - waited
}
