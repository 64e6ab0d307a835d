// Copyright The virt-scheduler Authors.
// SPDX-License-Identifier: Apache-2.0

package validation

import (
	"strings"
	"testing"
)

// checkFaults compares an error with the faults that are wanted, all of them, in their order.
func checkFaults(t *testing.T, err error, faults []string) {
	t.Helper()
	want := strings.Join(faults, ", ")
	if len(faults) > 1 {
		want = "[" + want + "]"
	}
	got := ""
	if err != nil {
		got = err.Error()
	}
	if got != want {
		t.Errorf("got error  %s\nwant       %s", got, want)
	}
}
