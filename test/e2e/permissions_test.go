// Copyright The virt-scheduler Authors.
// SPDX-License-Identifier: Apache-2.0

package e2e

import (
	"errors"
	"fmt"
	"os"
	"strings"
	"testing"
	"time"

	"github.com/virt-scheduler/virt-scheduler/hack/devcluster/build"
)

// span is a time during which the API server was away or starting: until it has read its own roles it forbids everything to everybody.
type span struct{ from, to time.Time }

// logLag is for how long after its answer a request may be logged.
const logLag = 2 * time.Second

// apiServerWasAway is told by a test that has stopped the API server and started it again.
func (f *field) apiServerWasAway(from, to time.Time) {
	f.mu.Lock()
	defer f.mu.Unlock()
	f.away = append(f.away, span{from, to})
}

// nothingDenied is asked when all tests have run: in all that they made our programs do, the API server refused nothing for want of a
// permission. RBAC in manifests/ is complete, then; that it is not more than that, other tests say.
func (f *field) nothingDenied() error {
	f.mu.Lock()
	defer f.mu.Unlock()
	var errs []error
	for _, program := range []string{build.VirtScheduler, build.FailureWatcher} {
		log, err := os.ReadFile(f.LogPath(program))
		if err != nil {
			errs = append(errs, err)
			continue
		}
		if len(log) == 0 {
			errs = append(errs, fmt.Errorf("%s has logged nothing: its log can't say whether it lacks permissions", program))
		}
		for _, line := range denials(string(log), time.Now().Year(), f.away) {
			errs = append(errs, fmt.Errorf("%s lacks a permission (%s): %s", program, f.LogPath(program), line))
		}
	}
	return errors.Join(errs...)
}

// denials returns the lines of a klog file that tell of a lacking permission, but for those logged while the API server was away.
func denials(log string, year int, away []span) []string {
	var denied []string
	var at time.Time // of the last line that has a header: a long text goes on without one
	for line := range strings.Lines(log) {
		const header = "I1122 12:00:00.000000" // severity, month and day, local time
		if len(line) > len(header) {
			if t, err := time.ParseInLocation("2006 0102 15:04:05.000000", fmt.Sprint(year, " ", line[1:len(header)]), time.Local); err == nil {
				at = t
			}
		}
		if !strings.Contains(line, "forbidden") {
			continue
		}
		excused := false
		for _, s := range away {
			excused = excused || at.After(s.from) && at.Before(s.to.Add(logLag))
		}
		if !excused {
			denied = append(denied, strings.TrimSpace(line))
		}
	}
	return denied
}

func TestDenials(t *testing.T) {
	t.Parallel()
	moment := func(second int) time.Time { return time.Date(2026, 11, 22, 12, 0, second, 0, time.Local) }
	away := []span{{moment(10), moment(20)}}
	line := func(second int, text string) string {
		return "E" + moment(second).Format("0102 15:04:05.000000") + "    4512 reflector.go:204] " + text + "\n"
	}
	const denial = `"Failed to watch" err="failed to list *v1.Node: nodes is forbidden: User cannot list resource"`
	tests := map[string]struct {
		log  string
		want int
	}{
		"nothing":                      {line(5, "all is well"), 0},
		"denied":                       {line(5, denial), 1},
		"denied while it was away":     {line(15, denial), 0},
		"logged a moment later":        {line(21, denial), 0},
		"denied long after":            {line(30, denial), 1},
		"before, while and after":      {line(9, denial) + line(15, denial) + line(30, denial), 2},
		"in a text of several lines":   {line(30, "err=<") + "\tnodes is forbidden\n", 1},
		"so, while it was away":        {line(15, "err=<") + "\tnodes is forbidden\n", 0},
		"without any time, as a panic": {"nodes is forbidden\n", 1},
	}
	for name, tc := range tests {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			if got := denials(tc.log, 2026, away); len(got) != tc.want {
				t.Errorf("%d denials, want %d: %q", len(got), tc.want, got)
			}
		})
	}
}
