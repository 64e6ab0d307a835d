// Copyright The virt-scheduler Authors.
// SPDX-License-Identifier: Apache-2.0

package build

import (
	"bytes"
	"fmt"
	"io"
	"os"
	"sync"
	"time"
)

// tick is the time between two lines about a build that takes long.
const tick = 20 * time.Second

// progress tells, while a build runs, that it does: the first one takes minutes.
type progress struct {
	done chan struct{}
	wg   sync.WaitGroup
}

func newProgress(out io.Writer, title, logPath string) *progress {
	p := &progress{done: make(chan struct{})}
	begin := time.Now()
	p.wg.Go(func() {
		ticker := time.NewTicker(tick)
		defer ticker.Stop()
		for {
			select {
			case <-p.done:
				return
			case <-ticker.C:
				_, _ = fmt.Fprintf(out, "%s … %s, %d packages compiled\n", title, seconds(time.Since(begin)), lines(logPath))
			}
		}
	})
	return p
}

func (p *progress) stop() {
	close(p.done)
	p.wg.Wait()
}

// lines counts the lines of the log: go build -v writes one per package.
func lines(path string) int {
	raw, err := os.ReadFile(path)
	if err != nil {
		return 0
	}
	return bytes.Count(raw, []byte("\n"))
}
