// Copyright The virt-scheduler Authors.
// SPDX-License-Identifier: Apache-2.0

package command

import (
	"context"
	"encoding/json"
	"errors"
	"flag"
	"fmt"
	"io"
	"slices"
	"strings"
	"time"

	"github.com/go-logr/logr"
	"k8s.io/klog/v2"

	"github.com/virt-scheduler/virt-scheduler/test/quality/drive"
	"github.com/virt-scheduler/virt-scheduler/test/quality/profiles"
	"github.com/virt-scheduler/virt-scheduler/test/quality/report"
	"github.com/virt-scheduler/virt-scheduler/test/quality/trace"
)

// Options are what the flags say.
type Options struct {
	Trace trace.Options
	Caps  report.Caps
	// Config is the path of the configuration with our profiles.
	Config string
	// Only names the profiles to compare; empty means all.
	Only []string
	// Output is "text" or "json"; SVG a directory for plots, or "".
	Output, SVG string
	// Docs is the path of a document whose part between the markers is written anew, or "".
	Docs string
}

// Parse reads the flags. Errors, and the help that was asked for, are written to w.
func Parse(args []string, w io.Writer) (Options, error) {
	var o Options
	flags := flag.NewFlagSet("quality", flag.ContinueOnError)
	flags.SetOutput(w)
	flags.IntVar(&o.Trace.Hosts, "hosts", 200, "number of `hosts`")
	flags.IntVar(&o.Trace.VMs, "vms", 4000, "number of `VMs` that arrive in the first part")
	flags.IntVar(&o.Trace.Churn, "churn", -1, "number of `VMs` that arrive in the second part, while others leave; -1: half of --vms")
	flags.Uint64Var(&o.Trace.Seed, "seed", 1, "`seed` of the trace")
	flags.Int64Var(&o.Trace.CPUOvercommit, "overcommit", 10, "KubeVirt's cpuAllocationRatio: vCPUs per requested CPU")
	flags.Int64Var(&o.Trace.MemoryOvercommit, "memory-overcommit", 100, "KubeVirt's memoryOvercommit: guest memory in `percent` of the requested")
	flags.IntVar(&o.Trace.ServicePercent, "services", 50, "`percent` of the groups of two VMs or more that a Service selects")
	flags.Int64Var(&o.Caps.VCPUPercent, "max-vcpu", 0, "cap of vCPUs per 100 CPUs in the offline packing, in `percent`; 0: none")
	flags.Int64Var(&o.Caps.GuestMemoryPercent, "max-guest-memory", 0, "cap of guest memory in the offline packing, in `percent`; 0: none")
	flags.StringVar(&o.Config, "config", "manifests/profiles/kubescheduler-config.yaml", "`file` with our profiles")
	flags.StringVar(&o.Output, "output", "text", "`format` of what is written: text or json")
	flags.StringVar(&o.SVG, "svg", "", "`directory` to write plots to")
	flags.StringVar(&o.Docs, "docs", "", "`file` whose part between the markers is written anew")
	only := flags.String("profiles", "", "comma separated `names` of the profiles to compare; empty: all")
	if err := flags.Parse(args); err != nil {
		return o, err
	}
	if o.Trace.Churn < 0 {
		o.Trace.Churn = o.Trace.VMs / 2
	}
	if *only != "" {
		o.Only = strings.Split(*only, ",")
	}
	return o, o.validate(flags.Args())
}

func (o Options) validate(rest []string) error {
	errs := []error{o.Trace.Validate()}
	if o.Caps.VCPUPercent < 0 || o.Caps.GuestMemoryPercent < 0 {
		errs = append(errs, fmt.Errorf("caps of %d and %d %%, want none below 0", o.Caps.VCPUPercent, o.Caps.GuestMemoryPercent))
	}
	if o.Output != "text" && o.Output != "json" {
		errs = append(errs, fmt.Errorf("--output %q, want text or json", o.Output))
	}
	if len(rest) > 0 {
		errs = append(errs, fmt.Errorf("unexpected arguments %q", rest))
	}
	return errors.Join(errs...)
}

// Run is the command. It has written the error that it returns.
func Run(ctx context.Context, args []string, stdout, stderr io.Writer) error {
	o, err := Parse(args, stderr)
	if errors.Is(err, flag.ErrHelp) {
		return nil
	}
	if err == nil {
		err = o.run(ctx, stdout, stderr)
	}
	if err != nil {
		_, _ = fmt.Fprintln(stderr, "quality:", err) // there is nowhere left to complain
	}
	return err
}

func (o Options) run(ctx context.Context, stdout, progress io.Writer) error {
	r, err := Compare(ctx, o, progress)
	if err != nil {
		return err
	}
	if o.SVG != "" {
		if err := r.WritePlots(o.SVG); err != nil {
			return err
		}
	}
	if o.Docs != "" {
		if err := r.WriteDocs(o.Docs); err != nil {
			return err
		}
	}
	if o.Output == "json" {
		encoder := json.NewEncoder(stdout)
		encoder.SetIndent("", "  ")
		return encoder.Encode(r)
	}
	return r.WriteText(stdout)
}

// Compare lets every profile place the trace, and reports. Progress is written to w.
func Compare(ctx context.Context, o Options, w io.Writer) (*report.Report, error) {
	all, err := profiles.Load(o.Config)
	if err != nil {
		return nil, err
	}
	if len(o.Only) > 0 {
		all = slices.DeleteFunc(all, func(p profiles.Profile) bool { return !slices.Contains(o.Only, p.Name) })
	}
	if len(all) == 0 {
		return nil, fmt.Errorf("no profile is named %q", o.Only)
	}
	t, err := trace.New(o.Trace)
	if err != nil {
		return nil, err
	}
	ctx = klog.NewContext(ctx, logr.Discard())
	r := report.New(t, o.Caps)
	for i, p := range all {
		start := time.Now()
		result, err := drive.Run(ctx, t, p.Config)
		if err != nil {
			return nil, fmt.Errorf("profile %s: %w", p.Name, err)
		}
		r.Add(t, p.Name, p.Ours, result)
		if _, err := fmt.Fprintf(w, "%d of %d, %s: %.1f s\n", i+1, len(all), p.Name, time.Since(start).Seconds()); err != nil {
			return nil, err
		}
	}
	return r, nil
}
