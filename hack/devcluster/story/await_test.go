// Copyright The virt-scheduler Authors.
// SPDX-License-Identifier: Apache-2.0

package story

import (
	"context"
	"errors"
	"os"
	"path/filepath"
	"strings"
	"sync/atomic"
	"testing"
	"time"
)

func testTelling(t *testing.T) *telling {
	t.Helper()
	dir := t.TempDir()
	if err := os.WriteFile(filepath.Join(dir, "virt-api.log"), []byte("first\nit broke\n"), 0o600); err != nil {
		t.Fatal(err)
	}
	return &telling{logPath: func(process string) string { return filepath.Join(dir, process+".log") }}
}

func TestAwait(t *testing.T) {
	looks := 0
	tests := map[string]struct {
		within  time.Duration
		reached func(context.Context) (bool, string, error)
		want    []string // parts of the error, none for success
	}{
		"at once": {
			within:  time.Hour,
			reached: func(context.Context) (bool, string, error) { return true, "", nil },
		},
		"after failing looks": {
			within: time.Hour,
			reached: func(context.Context) (bool, string, error) {
				looks++
				if looks < 3 {
					return false, "", errors.New("server is busy")
				}
				return true, "", nil
			},
		},
		"never, says what was seen and what the log says": {
			reached: func(context.Context) (bool, string, error) { return false, "2 of 3", nil },
			want:    []string{"for the moon", "last seen: 2 of 3", "it broke"},
		},
		"never, because it can't be looked at": {
			reached: func(context.Context) (bool, string, error) { return false, "", errors.New("server is busy") },
			want:    []string{"could not be looked at: server is busy"},
		},
	}
	for name, tc := range tests {
		t.Run(name, func(t *testing.T) {
			err := testTelling(t).await(t.Context(), goal{
				what: "the moon", within: tc.within, every: time.Millisecond, blame: []string{"virt-api"}, reached: tc.reached,
			})
			if (err == nil) != (tc.want == nil) {
				t.Fatalf("await() = %v, want an error: %v", err, tc.want != nil)
			}
			for _, want := range tc.want {
				if !strings.Contains(err.Error(), want) {
					t.Errorf("await() = %v, want %q in it", err, want)
				}
			}
		})
	}
}

func TestAwaitEndsWithItsContext(t *testing.T) {
	ctx, cancel := context.WithCancel(t.Context())
	err := testTelling(t).await(ctx, goal{
		what: "the moon", within: time.Hour, every: time.Hour,
		reached: func(context.Context) (bool, string, error) { cancel(); return false, "", nil },
	})
	if !errors.Is(err, context.Canceled) {
		t.Errorf("await() = %v, want context.Canceled", err)
	}
}

func TestEachDoesAllAndTellsEveryError(t *testing.T) {
	var done, now, most atomic.Int32
	bad := errors.New("bad")
	err := each([]int{1, 2, 3, 4, 5, 6}, 2, func(n int) error {
		running := now.Add(1)
		for m := most.Load(); running > m && !most.CompareAndSwap(m, running); m = most.Load() {
		}
		defer now.Add(-1)
		done.Add(1)
		if n%3 == 0 {
			return bad
		}
		return nil
	})
	if done.Load() != 6 || most.Load() > 2 {
		t.Errorf("each() did %d of 6, up to %d at once, want at most 2", done.Load(), most.Load())
	}
	joined, ok := err.(interface{ Unwrap() []error })
	if !ok || len(joined.Unwrap()) != 2 || !errors.Is(err, bad) {
		t.Errorf("each() = %v, want both errors", err)
	}
}
