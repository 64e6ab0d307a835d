// Copyright The virt-scheduler Authors.
// SPDX-License-Identifier: Apache-2.0

package proc

import (
	"fmt"
	"io"
	"os"
	"strings"
)

// LogEnd returns the last lines of a log with a heading that names the file, for
// an error message. It reads at most the last 64 KiB.
func LogEnd(path string, lines int) string {
	const window = 64 << 10
	f, err := os.Open(path)
	if err != nil {
		return fmt.Sprintf("(no log: %v)", err)
	}
	defer func() { _ = f.Close() }()
	if info, err := f.Stat(); err == nil && info.Size() > window {
		_, _ = f.Seek(-window, io.SeekEnd)
	}
	raw, err := io.ReadAll(f)
	if err != nil {
		return fmt.Sprintf("(log %s: %v)", path, err)
	}
	all := strings.Split(strings.TrimRight(string(raw), "\n"), "\n")
	all = all[max(0, len(all)-lines):]
	return fmt.Sprintf("the end of %s:\n  %s", path, strings.Join(all, "\n  "))
}
