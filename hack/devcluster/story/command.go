// Copyright The virt-scheduler Authors.
// SPDX-License-Identifier: Apache-2.0

package story

import (
	"fmt"
	"os"
	"path/filepath"
	"time"

	"github.com/spf13/cobra"

	"github.com/virt-scheduler/virt-scheduler/hack/devcluster/story/plot"
)

// Options say how the story is told.
type Options struct {
	// Root is the repository, Output its directory for what is built, Dir the directory of the story's cluster.
	Root, Output, Dir string

	Nodes, Zones, VMs int
	// Seed decides the mix of VMs.
	Seed uint64
	// DefaultTimings keeps kube-controller-manager's own grace of 50 s.
	DefaultTimings bool
	// HealthyDelay is how long the watcher lets the returned node be Ready before it takes it in; its own default is 60 s.
	HealthyDelay time.Duration
	// JSON writes the report to standard output and everything else to standard error.
	JSON bool
	// Without names programs that are neither built nor started.
	Without []string
	// Keep leaves the cluster running.
	Keep bool
}

// NewCommand returns `devcluster run`. root finds the repository. The command ends early, and clean, with its context.
func NewCommand(root func() (string, error)) *cobra.Command {
	o := Options{}
	output := "text"
	cmd := &cobra.Command{
		Use:   "run",
		Short: "Tell the story: VMs are placed, a node loses its power, its VMs are rescued",
		Long: `Tell the story: VMs are placed, a node loses its power, its VMs are rescued.

It exits with 0 only if every VM did what its runStrategy says, with 1 if one did not or the story could not be
told, with 2 for a flag that it does not know, and with 130 if it was interrupted (Ctrl-C, SIGTERM). Its cluster
is ended first, unless --keep is given and nobody interrupts it.`,
		Args: cobra.NoArgs,
		RunE: func(cmd *cobra.Command, _ []string) error {
			switch output {
			case "text":
			case "json":
				o.JSON = true
			default:
				return fmt.Errorf("--output %q: want text or json", output)
			}
			if err := plot.Validate(o.Nodes, o.Zones, o.VMs); err != nil {
				return err
			}
			var err error
			if o.Root, err = root(); err != nil {
				return err
			}
			o.Output = filepath.Join(o.Root, "_output")
			if o.Dir == "" {
				// Not that of `devcluster up`: a cluster that somebody works with is left alone.
				o.Dir = filepath.Join(o.Output, "story")
			}
			return newTelling(o, os.Stdout, os.Stderr).tell(cmd.Context())
		},
	}
	flags := cmd.Flags()
	flags.IntVar(&o.Nodes, "nodes", 6, "number of nodes")
	flags.IntVar(&o.Zones, "zones", 3, "number of zones")
	flags.IntVar(&o.VMs, "vms", 24, "number of VirtualMachines; the hosts are made large enough for them")
	flags.Uint64Var(&o.Seed, "seed", 1, "seed of the mix of VirtualMachines; the same seed gives the same mix")
	flags.BoolVar(&o.DefaultTimings, "default-timings", true,
		"kube-controller-manager's own timings (50 s until a node is NotReady); false: 12 s")
	flags.DurationVar(&o.HealthyDelay, "healthy-delay", 5*time.Second,
		"how long the returned node must be Ready before the watcher takes it in; the watcher's own default is 60s")
	flags.StringVar(&output, "output", "text", "text, or json for a report on standard output with progress on standard error")
	flags.StringSliceVar(&o.Without, "without", nil, "programs to leave out, e.g. sim-csi: then no VM has a volume")
	flags.BoolVar(&o.Keep, "keep", false, "leave the cluster running at the end")
	flags.StringVar(&o.Dir, "dir", "", "directory of the cluster (default _output/story)")
	return cmd
}
