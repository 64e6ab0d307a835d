// Copyright The virt-scheduler Authors.
// SPDX-License-Identifier: Apache-2.0

package cluster

import (
	"errors"
	"fmt"
	"io"
	"os"
	"strings"
	"text/tabwriter"
	"time"

	"github.com/virt-scheduler/virt-scheduler/hack/devcluster/proc"
)

// Status is what runs of the cluster in a directory.
type Status struct {
	Dir        string          `json:"dir"`
	Kubeconfig string          `json:"kubeconfig"`
	Processes  []ProcessStatus `json:"processes"`
}

// ProcessStatus is one process of a cluster.
type ProcessStatus struct {
	Name    string    `json:"name"`
	PID     int       `json:"pid"`
	Running bool      `json:"running"`
	Started time.Time `json:"started"`
	Log     string    `json:"log"`
}

// ReadStatus reads the state file in dir and looks at the processes.
func ReadStatus(dir string) (Status, error) {
	state, err := proc.Load(dir)
	if errors.Is(err, os.ErrNotExist) {
		return Status{}, fmt.Errorf("no cluster runs in %s", dir)
	}
	if err != nil {
		return Status{}, err
	}
	status := Status{Dir: dir, Kubeconfig: KubeconfigPath(dir)}
	for _, r := range state.Processes {
		status.Processes = append(status.Processes, ProcessStatus{
			Name: r.Name, PID: r.PID, Running: state.Alive(r), Started: r.Started, Log: proc.LogPath(dir, r.Name),
		})
	}
	return status, nil
}

// Err tells which processes don't run.
func (s Status) Err() error {
	var dead []string
	for _, p := range s.Processes {
		if !p.Running {
			dead = append(dead, p.Name)
		}
	}
	if len(dead) == 0 {
		return nil
	}
	return fmt.Errorf("not running: %s (logs in %s)", strings.Join(dead, ", "), s.Dir+"/"+proc.LogDir)
}

// Print writes the status as a table.
func (s Status) Print(out io.Writer) error {
	table := tabwriter.NewWriter(out, 0, 0, 2, ' ', 0)
	_, _ = fmt.Fprintln(table, "PROCESS\tPID\tSTATE\tLOG")
	for _, p := range s.Processes {
		state := "running"
		if !p.Running {
			state = "ended"
		}
		_, _ = fmt.Fprintf(table, "%s\t%d\t%s\t%s\n", p.Name, p.PID, state, p.Log)
	}
	if err := table.Flush(); err != nil {
		return err
	}
	_, err := fmt.Fprintf(out, "export KUBECONFIG=%s\n", s.Kubeconfig)
	return err
}
