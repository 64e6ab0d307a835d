// Copyright The virt-scheduler Authors.
// SPDX-License-Identifier: Apache-2.0

package e2e

import (
	"bytes"
	"encoding/json"
	"errors"
	"fmt"
	"os"
	"os/exec"
	"path/filepath"
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/virt-scheduler/virt-scheduler/hack/devcluster/build"
	"github.com/virt-scheduler/virt-scheduler/hack/devcluster/proc"
	"github.com/virt-scheduler/virt-scheduler/hack/devcluster/story/plot"
)

const (
	// storyWithin is twice what README promises of `make run`: these machines are noisy by a factor of two. The figure is what counts.
	storyWithin = 360 * time.Second
	// interrupted is the exit code of a story that was interrupted, see `devcluster run --help`.
	interrupted = 130
)

// TestStory runs the program of `make run` as it is shipped, with a cluster of its own. It is not parallel: two clusters that work at the same time
// would make each other's figures.
func TestStory(t *testing.T) {
	t.Run("told to its end", func(t *testing.T) {
		s := tell(t, "e2e-story")
		if code := s.ended(t, storyWithin); code != 0 {
			t.Errorf("exit code %d, want 0", code)
		}
		took := time.Since(s.began)
		r := s.report(t)
		if !r.OK || len(r.Problems) > 0 || len(r.VMs) != r.Setup.VMs || len(r.Outcomes) != r.Setup.VMs {
			t.Errorf("ok %v, %d VMs, %d outcomes, problems %q, want %d VMs with their outcomes, and no problem",
				r.OK, len(r.VMs), len(r.Outcomes), r.Problems, r.Setup.VMs)
		}
		rescued := 0
		for _, o := range r.Outcomes {
			if !o.OK() {
				t.Errorf("VM %s: %s, want %s: %q", o.Name, o.Happened, o.Due, o.Problems)
			}
			if o.AwaySeconds != nil {
				rescued++
			}
		}
		if rescued == 0 {
			t.Error("no VM was away and came back: the story has no rescue")
		}
		var parts []string
		for _, lap := range r.Took {
			parts = append(parts, fmt.Sprintf("%s %.0f s", lap.Part, lap.Seconds))
		}
		t.Logf("FIGURE make run: %.0f s (bound %.0f s): %s", took.Seconds(), storyWithin.Seconds(), strings.Join(parts, ", "))
		s.assertNothingLeft(t)
	})
	t.Run("interrupted", func(t *testing.T) {
		s := tell(t, "e2e-interrupted")
		s.awaitProcess(t, build.APIServer)
		if err := s.cmd.Process.Signal(os.Interrupt); err != nil {
			t.Fatal(err)
		}
		if code := s.ended(t, time.Minute); code != interrupted {
			t.Errorf("exit code %d, want %d", code, interrupted)
		}
		if r := s.report(t); r.OK || len(r.Problems) == 0 {
			t.Errorf("ok %v, problems %q, want a report that says that it was interrupted", r.OK, r.Problems)
		}
		s.assertNothingLeft(t)
	})
}

// aStory is a run of `devcluster run`.
type aStory struct {
	cmd    *exec.Cmd
	dir    string
	began  time.Time
	stdout bytes.Buffer // to be read once it has ended
	stderr output
	done   chan error
	state  proc.State // the last that was seen
}

// tell starts a story with a cluster in a directory of its own below _output.
func tell(t *testing.T, dir string) *aStory {
	t.Helper()
	_ = os.RemoveAll(filepath.Join(outputDir, dir))
	s := &aStory{dir: filepath.Join(outputDir, dir), began: time.Now(), done: make(chan error, 1)}
	s.cmd = exec.Command(filepath.Join(build.BinDir(outputDir), "devcluster"), "run", "--output", "json", "--dir", s.dir)
	s.cmd.Stdout, s.cmd.Stderr = &s.stdout, &s.stderr
	if err := s.cmd.Start(); err != nil {
		t.Fatalf("%v: `make test-tools` builds it", err)
	}
	go func() { s.done <- s.cmd.Wait(); close(s.done) }()
	// Its processes are tied to it: none outlives it, however it ends.
	t.Cleanup(func() { _ = s.cmd.Process.Kill(); <-s.done })
	return s
}

// look reads the state file while there is one.
func (s *aStory) look() {
	if state, err := proc.Load(s.dir); err == nil {
		s.state = state
	}
}

// awaitProcess waits until the story's cluster has started a process.
func (s *aStory) awaitProcess(t *testing.T, name string) {
	t.Helper()
	s.await(t, "start of "+name, time.Minute, func() bool {
		return slices.ContainsFunc(s.state.Live(), func(r proc.Record) bool { return r.Name == name })
	})
}

// ended waits for the end of the story and returns its exit code.
func (s *aStory) ended(t *testing.T, within time.Duration) int {
	t.Helper()
	var err error
	s.await(t, "end", within, func() bool {
		select {
		case err = <-s.done:
			return true
		default:
			return false
		}
	})
	var exit *exec.ExitError
	if err != nil && !errors.As(err, &exit) {
		t.Fatal(err)
	}
	if err != nil {
		t.Logf("it ended with %v and said:\n%s", err, s.stderr.String())
	}
	return s.cmd.ProcessState.ExitCode()
}

func (s *aStory) await(t *testing.T, what string, within time.Duration, reached func() bool) {
	t.Helper()
	deadline := time.NewTimer(within)
	defer deadline.Stop()
	tick := time.NewTicker(look)
	defer tick.Stop()
	for s.look(); !reached(); s.look() {
		select {
		case <-tick.C:
		case <-deadline.C:
			t.Fatalf("no %s within %s; it said:\n%s", what, within, s.stderr.String())
		case <-t.Context().Done():
			t.Fatal(t.Context().Err())
		}
	}
}

// report reads what the story wrote to its standard output: one report, and nothing else.
func (s *aStory) report(t *testing.T) plot.Report {
	t.Helper()
	var r plot.Report
	decoder := json.NewDecoder(&s.stdout)
	decoder.DisallowUnknownFields()
	if err := decoder.Decode(&r); err != nil {
		t.Fatalf("standard output is no report: %v", err)
	}
	if decoder.More() {
		t.Error("there is more on standard output than the report")
	}
	if r.APIVersion != plot.ReportAPIVersion || r.Kind != plot.ReportKind {
		t.Errorf("the report is a %s %s, want a %s %s", r.APIVersion, r.Kind, plot.ReportAPIVersion, plot.ReportKind)
	}
	return r
}

// assertNothingLeft: no process of the story's cluster runs any more, whether its state file knew it or not.
func (s *aStory) assertNothingLeft(t *testing.T) {
	t.Helper()
	if len(s.state.Processes) == 0 {
		t.Fatal("no process of the story was ever seen")
	}
	for _, r := range s.state.Stray() {
		t.Errorf("%s (pid %d) is left", r.Name, r.PID)
	}
	if _, err := proc.Load(s.dir); !errors.Is(err, os.ErrNotExist) {
		t.Errorf("there is a state file (%v), want none", err)
	}
}
