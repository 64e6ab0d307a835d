// Copyright The virt-scheduler Authors.
// SPDX-License-Identifier: Apache-2.0

package app

import (
	"os"
	"path/filepath"
	"runtime"
	"strings"
	"testing"

	"github.com/spf13/pflag"
)

const head = "apiVersion: virt-scheduler.io/v1alpha1\nkind: FailureWatcherConfiguration\n"

func TestCommandLine(t *testing.T) {
	tests := map[string]struct {
		args []string
		want string
	}{
		"nothing":         {want: "--config is required: give the path of a FailureWatcherConfiguration file"},
		"an argument":     {args: []string{"--config=x", "y"}, want: `unexpected argument "y": the command takes only flags, see --help`},
		"an unknown flag": {args: []string{"--confg=x"}, want: "unknown flag: --confg"},
		"a bad verbosity": {args: []string{"-v=x", "--config=x"}, want: `invalid argument "x" for "-v, --v" flag: strconv.ParseInt: parsing "x": invalid syntax`},
		"good":            {args: []string{"--config=x", "--kubeconfig=y", "-v=2"}},
	}
	for name, tc := range tests {
		t.Run(name, func(t *testing.T) {
			opts, flags := &Options{}, pflag.NewFlagSet("failure-watcher", pflag.ContinueOnError)
			opts.AddFlags(flags)
			err := flags.Parse(tc.args)
			if err == nil {
				err = opts.Validate(flags.Args())
			}
			if got := text(err); got != tc.want {
				t.Errorf("error = %q, want %q", got, tc.want)
			}
		})
	}
}

func TestDescribeVersion(t *testing.T) {
	tests := map[string]struct{ stamped, want string }{
		"built by make":  {"v1.35.4+virt-scheduler.v0.1.0-7-gabcdef", "failure-watcher v0.1.0-7-gabcdef, " + runtime.Version()},
		"plain go build": {"v0.0.0-master+$Format:%H$", "failure-watcher unknown (not built by make), " + runtime.Version()},
	}
	for name, tc := range tests {
		t.Run(name, func(t *testing.T) {
			if got := describeVersion(tc.stamped); got != tc.want {
				t.Errorf("describeVersion(%q) = %q, want %q", tc.stamped, got, tc.want)
			}
		})
	}
}

func TestLoadConfig(t *testing.T) {
	dir := t.TempDir()
	tests := map[string]struct {
		path, content string
		want          string
	}{
		"no such file": {
			path: "none.yaml",
			want: "--config: DIR/none.yaml can't be read: no such file or directory: give the path of a FailureWatcherConfiguration file that this user may read",
		},
		"a directory": {
			path: ".",
			want: "--config: DIR can't be read: is a directory: give the path of a FailureWatcherConfiguration file that this user may read",
		},
		"another kind": {
			path: "kind.yaml", content: "apiVersion: virt-scheduler.io/v1alpha1\nkind: NodeFailure\n",
			want: "--config: DIR/kind.yaml: the configuration is refused:\n" +
				`  kind: Invalid value: "NodeFailure": must be FailureWatcherConfiguration`,
		},
		"an unknown field": {
			path: "unknown.yaml", content: head + "detection:\n  leaseStaleAftr: 25s\n",
			want: `--config: DIR/unknown.yaml: the configuration has unknown or duplicate fields: unknown field "detection.leaseStaleAftr"; check the spelling against the example`,
		},
		"good": {path: "good.yaml", content: head},
	}
	for name, tc := range tests {
		t.Run(name, func(t *testing.T) {
			path := filepath.Join(dir, tc.path)
			if tc.content != "" {
				if err := os.WriteFile(path, []byte(tc.content), 0o600); err != nil {
					t.Fatal(err)
				}
			}
			_, err := (&Options{ConfigFile: path}).LoadConfig()
			if got := strings.ReplaceAll(text(err), dir, "DIR"); got != tc.want {
				t.Errorf("error = %q, want %q", got, tc.want)
			}
		})
	}
}

func TestRESTConfig(t *testing.T) {
	dir := t.TempDir()
	tests := map[string]struct {
		path, content string
		want          string
	}{
		"no such file": {path: "none", want: "--kubeconfig: DIR/none can't be read: no such file or directory"},
		"empty": {
			path: "empty", content: "apiVersion: v1\nkind: Config\n",
			want: "--kubeconfig: DIR/empty: invalid configuration: no configuration has been provided, try setting KUBERNETES_MASTER environment variable: " +
				"check that it has a current context with a cluster and a user",
		},
		"good": {path: "good", content: `
apiVersion: v1
kind: Config
clusters: [{name: a, cluster: {server: "https://127.0.0.1:1"}}]
users: [{name: a, user: {token: x}}]
contexts: [{name: a, context: {cluster: a, user: a}}]
current-context: a
`},
	}
	for name, tc := range tests {
		t.Run(name, func(t *testing.T) {
			path := filepath.Join(dir, tc.path)
			if tc.content != "" {
				if err := os.WriteFile(path, []byte(tc.content), 0o600); err != nil {
					t.Fatal(err)
				}
			}
			_, err := (&Options{Kubeconfig: path}).RESTConfig()
			if got := strings.ReplaceAll(text(err), dir, "DIR"); got != tc.want {
				t.Errorf("error = %q, want %q", got, tc.want)
			}
		})
	}
}

func text(err error) string {
	if err == nil {
		return ""
	}
	return err.Error()
}
