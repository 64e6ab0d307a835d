// Copyright The virt-scheduler Authors.
// SPDX-License-Identifier: Apache-2.0

package story

import (
	"errors"
	"io"
	"strings"
	"testing"
)

func TestCommandRefuses(t *testing.T) {
	noRepository := errors.New("not in a repository")
	tests := map[string]struct {
		args []string
		want string
	}{
		"an output it does not know": {args: []string{"--output", "yaml"}, want: `--output "yaml"`},
		"one node":                   {args: []string{"--nodes", "1", "--zones", "1"}, want: "--nodes 1"},
		"arguments":                  {args: []string{"now"}, want: "now"},
		"no repository":              {want: noRepository.Error()},
	}
	for name, tc := range tests {
		t.Run(name, func(t *testing.T) {
			cmd := NewCommand(func() (string, error) { return "", noRepository })
			cmd.SetArgs(append([]string{}, tc.args...)) // nil would mean those of the test
			cmd.SetOut(io.Discard)
			cmd.SetErr(io.Discard)
			err := cmd.ExecuteContext(t.Context())
			if err == nil || !strings.Contains(err.Error(), tc.want) {
				t.Errorf("Execute() = %v, want an error with %q", err, tc.want)
			}
		})
	}
}
