// Copyright The virt-scheduler Authors.
// SPDX-License-Identifier: Apache-2.0

package story

import (
	"context"
	"fmt"
	"strings"
	"time"

	"github.com/virt-scheduler/virt-scheduler/hack/devcluster/proc"
)

// logLines is how much of each log an error shows.
const logLines = 12

// goal is something that the story waits for.
type goal struct {
	what    string
	within  time.Duration
	every   time.Duration
	blame   []string // processes whose logs tell why it did not come
	reached func(context.Context) (done bool, state string, err error)
}

// await waits until the goal is reached. A failing look is no end: the API server may be busy; it is told when time is up.
func (t *telling) await(ctx context.Context, g goal) error {
	deadline := time.Now().Add(g.within)
	ticker := time.NewTicker(g.every)
	defer ticker.Stop()
	for {
		done, state, err := g.reached(ctx)
		if err != nil {
			state = "it could not be looked at: " + err.Error()
		} else if done {
			return nil
		}
		if time.Now().After(deadline) {
			return fmt.Errorf("waited %s for %s; last seen: %s\n%s", g.within, g.what, state, t.logEnds(g.blame))
		}
		select {
		case <-ctx.Done():
			return fmt.Errorf("waiting for %s: %w", g.what, context.Cause(ctx))
		case <-ticker.C:
		}
	}
}

func (t *telling) logEnds(processes []string) string {
	var ends []string
	for _, name := range processes {
		ends = append(ends, proc.LogEnd(t.logPath(name), logLines))
	}
	return strings.Join(ends, "\n")
}
