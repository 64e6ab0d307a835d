// Copyright The virt-scheduler Authors.
// SPDX-License-Identifier: Apache-2.0

package build

import (
	"bytes"
	"context"
	"errors"
	"os"
	"path/filepath"
	"strings"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"
)

// newModule writes a module without dependencies.
func newModule(t *testing.T, source string) string {
	t.Helper()
	dir := t.TempDir()
	for name, content := range map[string]string{
		"go.mod": "module example.org/m\n\ngo 1.25.0\n", "go.sum": "", "main.go": source,
	} {
		if err := os.WriteFile(filepath.Join(dir, name), []byte(content), 0o600); err != nil {
			t.Fatal(err)
		}
	}
	return dir
}

func newBuilder(t *testing.T, root string, pinned bool) (builder, *bytes.Buffer) {
	t.Helper()
	out := &bytes.Buffer{}
	o := Options{Root: root, Output: t.TempDir(), Out: out}
	for _, dir := range []string{"bin", "log"} {
		if err := os.Mkdir(filepath.Join(o.Output, dir), 0o755); err != nil {
			t.Fatal(err)
		}
	}
	return builder{Options: o, Step: Step{Binary: "m", Module: ".", Package: ".", Pinned: pinned}, title: "[1/1] m"}, out
}

func TestPinnedBuildIsSkippedUntilItsModuleChanges(t *testing.T) {
	root := newModule(t, "package main\n\nfunc main() {}\n")
	b, out := newBuilder(t, root, true)
	build := func() string {
		t.Helper()
		out.Reset()
		if err := b.run(t.Context()); err != nil {
			t.Fatal(err)
		}
		return out.String()
	}
	if got := build(); strings.Contains(got, "up to date") {
		t.Errorf("first build says %q", got)
	}
	if got, want := build(), "[1/1] m … up to date\n"; got != want {
		t.Errorf("second build says %q, want %q", got, want)
	}
	if err := os.WriteFile(filepath.Join(root, "go.mod"), []byte("module example.org/m\n\ngo 1.25.1\n"), 0o600); err != nil {
		t.Fatal(err)
	}
	if got := build(); strings.Contains(got, "up to date") {
		t.Errorf("build after a change of go.mod says %q", got)
	}
	if err := os.Remove(filepath.Join(BinDir(b.Output), "m")); err != nil {
		t.Fatal(err)
	}
	if got := build(); strings.Contains(got, "up to date") {
		t.Errorf("build without a binary says %q", got)
	}
}

func TestFailedBuildShowsTheLogAndIsNotUpToDate(t *testing.T) {
	root := newModule(t, "package main\n\nfunc main() { undefinedThing() }\n")
	b, _ := newBuilder(t, root, true)
	for range 2 {
		err := b.run(t.Context())
		if err == nil {
			t.Fatal("build of a broken program succeeded")
		}
		for _, want := range []string{"build m (go build . in " + root + ")", "undefined: undefinedThing", "build-m.log"} {
			if !strings.Contains(err.Error(), want) {
				t.Errorf("error lacks %q:\n%v", want, err)
			}
		}
	}
}

func TestSecondBuildWaitsForTheFirst(t *testing.T) {
	path := filepath.Join(t.TempDir(), "lock")
	out := &bytes.Buffer{}
	unlock, err := lock(t.Context(), path, out)
	if err != nil {
		t.Fatal(err)
	}
	ctx, cancel := context.WithTimeout(t.Context(), 50*time.Millisecond)
	defer cancel()
	if _, err := lock(ctx, path, out); !errors.Is(err, context.DeadlineExceeded) {
		t.Errorf("lock while another holds it = %v, want to wait until the deadline", err)
	}
	if !strings.Contains(out.String(), "another build is at work") {
		t.Errorf("output %q does not say why it waits", out)
	}
	unlock()
	unlock, err = lock(t.Context(), path, out)
	if err != nil {
		t.Fatal(err)
	}
	unlock()
}

func TestKubernetesVersion(t *testing.T) {
	want := map[string]string{
		"k8s.io/component-base/version.gitVersion":   "v1.35.4",
		"k8s.io/component-base/version.gitMajor":     "1",
		"k8s.io/component-base/version.gitMinor":     "35",
		"k8s.io/component-base/version.gitTreeState": "archive",
		"k8s.io/client-go/pkg/version.gitVersion":    "v1.35.4",
		"k8s.io/client-go/pkg/version.gitMajor":      "1",
		"k8s.io/client-go/pkg/version.gitMinor":      "35",
		"k8s.io/client-go/pkg/version.gitTreeState":  "archive",
	}
	if diff := cmp.Diff(want, kubernetesVersion("v1.35.4")); diff != "" {
		t.Errorf("variables (-want +got):\n%s", diff)
	}
}
