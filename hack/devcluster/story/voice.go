// Copyright The virt-scheduler Authors.
// SPDX-License-Identifier: Apache-2.0

package story

import (
	"fmt"
	"io"
	"os"
	"strings"
	"time"

	"github.com/virt-scheduler/virt-scheduler/hack/devcluster/story/plot"
)

// maxRows keeps a table on a screen or two.
const maxRows = 60

// maxText bounds a step's line; the report has all of it.
const maxText = 150

// voice is how the story reaches people.
type voice struct {
	out   io.Writer
	style plot.Style
	begin time.Time
}

func newVoice(out *os.File) *voice {
	return &voice{out: out, style: plot.Style{Colour: isTerminal(out), MaxRows: maxRows}, begin: time.Now()}
}

// isTerminal says whether colours make sense: on a character device, unless NO_COLOR asks for none.
func isTerminal(f *os.File) bool {
	info, err := f.Stat()
	return err == nil && info.Mode()&os.ModeCharDevice != 0 && os.Getenv("NO_COLOR") == "" && os.Getenv("TERM") != "dumb"
}

// Logf writes one line with the seconds since the beginning.
func (v *voice) Logf(format string, args ...any) {
	_, _ = fmt.Fprintf(v.out, "%6.1f s  %s\n", time.Since(v.begin).Seconds(), fmt.Sprintf(format, args...))
}

// chapter writes a heading.
func (v *voice) chapter(title string) {
	_, _ = fmt.Fprintf(v.out, "\n%s\n%s\n", title, strings.Repeat("-", len(title)))
}

func (v *voice) printf(format string, args ...any) {
	_, _ = fmt.Fprintf(v.out, format+"\n", args...)
}

func (v *voice) step(s plot.Step) {
	text := s.Text
	if len(text) > maxText {
		text = text[:maxText] + " ..."
	}
	if s.Kind == "phase" {
		text = v.style.Good(text)
	}
	v.printf("  +%5.1f s  %-7s  %-8s  %s", s.Seconds, s.Source, s.Kind, text)
}
