// Copyright The virt-scheduler Authors.
// SPDX-License-Identifier: Apache-2.0

// Command cycle measures the scheduling cycle alone: the real scheduler with
// the project's plugins, on an API that answers at once from memory
// (test/perf/simapi). The stock profile and ours take turns in one process, round
// by round, in the same cluster, with the same pods.
//
// It writes Go's benchmark format, for benchstat -col /profile, and a summary on
// standard error. make bench-cycle does both.
//
// What the CPU time of a pod contains: its cycle, its binding, and what the scheduler's
// informers, cache and queue do when the bound pod comes back; of the simulated API a
// few microseconds (a shallow copy of the pod, no encoding). Not in it: making the
// pods, the initial lists, removing the pods again. Garbage collection is counted by what
// was allocated, at the price per byte that collecting this heap has with Go's defaults:
// whether a collection happens to fall into a round would decide too much otherwise.
// The probe takes wall times of the cycle's parts.
package main

import (
	"context"
	"errors"
	"flag"
	"fmt"
	"io"
	"os"
	"os/signal"
	"runtime"
	"runtime/pprof"
	"slices"
	"strings"

	"github.com/go-logr/logr"
	"k8s.io/klog/v2"
	schedulerconfig "k8s.io/kubernetes/pkg/scheduler/apis/config"

	"github.com/virt-scheduler/virt-scheduler/pkg/plugins"
	"github.com/virt-scheduler/virt-scheduler/test/perf/simapi"
)

// stock is the name under which kube-scheduler's default profile runs beside ours.
const stock = "stock"

type options struct {
	scenarios   string
	profiles    string
	config      string
	rounds      int
	warmup      int
	pods        int
	parallelism int
	percentage  int
	cpuProfile  string
	memProfile  string
	heap        bool

	preemptors      int
	preemptionNodes int
}

func main() {
	ctx, stop := signal.NotifyContext(context.Background(), os.Interrupt)
	err := run(ctx, os.Args[1:], os.Stdout, os.Stderr)
	stop()
	if err != nil && !errors.Is(err, flag.ErrHelp) {
		_, _ = fmt.Fprintln(os.Stderr, "cycle:", err)
		os.Exit(1)
	}
}

func run(ctx context.Context, arguments []string, out, log io.Writer) error {
	var o options
	flags := flag.NewFlagSet("cycle", flag.ContinueOnError)
	flags.SetOutput(log)
	flags.StringVar(&o.scenarios, "scenarios", "^nodes=1000/vms=10000/", "regular expression of scenarios; there are:"+list()+"\n")
	flags.StringVar(&o.profiles, "profiles", "", "profiles, separated by commas, the one to compare with first; empty: "+stock+" and all of the configuration")
	flags.StringVar(&o.config, "config", "manifests/profiles/kubescheduler-config.yaml", "scheduler configuration that has the profiles")
	flags.IntVar(&o.rounds, "rounds", 20, "rounds; in each all profiles take their turn")
	flags.IntVar(&o.warmup, "warmup", 10, "pods at the start of each turn that are not counted")
	flags.IntVar(&o.pods, "pods", 100, "pods of a turn that are counted")
	flags.IntVar(&o.parallelism, "parallelism", 16, "how many nodes the scheduler looks at at a time; kube-scheduler's default is 16")
	flags.IntVar(&o.percentage, "percentage", 0, "percentageOfNodesToScore; 0: kube-scheduler's own choice by the number of nodes")
	flags.StringVar(&o.cpuProfile, "cpuprofile", "", "file for a CPU profile; go tool pprof -tagfocus profile=NAME shows one profile's cycles")
	flags.StringVar(&o.memProfile, "memprofile", "", "file for a profile of all allocations")
	flags.BoolVar(&o.heap, "heap", false, "measure the live heap of a scheduler with each profile alone, and no times")
	flags.IntVar(&o.preemptors, "preemptors", 0, "measure PostFilter instead: so many pods of high priority come to a crowded cluster of VMs, and to one of plain pods")
	flags.IntVar(&o.preemptionNodes, "preemption-nodes", 5000, "hosts of the crowded clusters")
	if err := flags.Parse(arguments); err != nil {
		return err
	}
	if flags.NArg() > 0 {
		return fmt.Errorf("unexpected arguments %q", flags.Args())
	}
	chosen, err := choose(o.scenarios)
	if err != nil {
		return err
	}
	profiles, err := loadProfiles(o)
	if err != nil {
		return err
	}
	if o.memProfile != "" {
		runtime.MemProfileRate = 64 << 10
	}
	// Logging at the default level is off: what it costs depends on where it goes.
	ctx = klog.NewContext(ctx, logr.Discard())
	if o.preemptors > 0 {
		return errors.Join(o.runPreemption(ctx, profiles, log), o.writeMemProfile())
	}
	writeHeader(out)
	for _, s := range chosen {
		if o.heap {
			if err := o.writeHeaps(ctx, s, profiles, log); err != nil {
				return fmt.Errorf("%s: %w", s.name(), err)
			}
			continue
		}
		if err := o.run(ctx, s, profiles, out, log); err != nil {
			return fmt.Errorf("%s: %w", s.name(), err)
		}
	}
	return o.writeMemProfile()
}

// loadProfiles returns the profiles to compare, in their order.
func loadProfiles(o options) ([]schedulerconfig.KubeSchedulerProfile, error) {
	content, err := os.ReadFile(o.config)
	if err != nil {
		return nil, err
	}
	config, err := simapi.LoadConfig(content)
	if err != nil {
		return nil, fmt.Errorf("%s: %w", o.config, err)
	}
	plain, err := simapi.StockProfile(stock)
	if err != nil {
		return nil, err
	}
	all := append([]schedulerconfig.KubeSchedulerProfile{plain}, config.Profiles...)
	if o.profiles == "" {
		return all, nil
	}
	var wanted []schedulerconfig.KubeSchedulerProfile
	for name := range strings.SplitSeq(o.profiles, ",") {
		i := slices.IndexFunc(all, func(p schedulerconfig.KubeSchedulerProfile) bool { return p.SchedulerName == name })
		if i < 0 {
			return nil, fmt.Errorf("neither %s nor a profile of %s: %q", stock, o.config, name)
		}
		wanted = append(wanted, all[i])
	}
	return wanted, nil
}

func (o options) run(ctx context.Context, s scenario, profiles []schedulerconfig.KubeSchedulerProfile, out, log io.Writer) error {
	ctx, cancel := context.WithCancel(ctx)
	defer cancel()
	b, err := newBench(ctx, s, simapi.Config{
		Profiles: profiles, Registry: plugins.NewRegistry(), Parallelism: int32(o.parallelism), PercentageOfNodesToScore: int32(o.percentage),
	})
	if err != nil {
		return err
	}
	all := make([]rounds, len(profiles))
	for i := range profiles {
		all[i].profile = profiles[i].SchedulerName
		// One turn of each before the first round: first uses, growth of the heap.
		if _, err := b.round(ctx, all[i].profile, 0, o.warmup, o.pods); err != nil {
			return fmt.Errorf("profile %s: %w", all[i].profile, err)
		}
	}
	if o.cpuProfile != "" {
		stop, err := startCPUProfile(o.cpuProfile)
		if err != nil {
			return err
		}
		defer stop()
	}
	for number := range o.rounds {
		for turn := range all {
			// Nobody always comes after the same other.
			i := (number + turn) % len(all)
			r, err := b.round(ctx, all[i].profile, number+1, o.warmup, o.pods)
			if err != nil {
				return fmt.Errorf("profile %s: %w", all[i].profile, err)
			}
			all[i].results = append(all[i].results, r)
			writeResult(out, s, all[i].profile, r)
		}
	}
	if err := writeSummary(log, s, all); err != nil {
		return err
	}
	if err := writePoints(log, all); err != nil {
		return err
	}
	return writePreFilter(log, all)
}

func startCPUProfile(path string) (stop func(), err error) {
	file, err := os.Create(path)
	if err != nil {
		return nil, err
	}
	if err := pprof.StartCPUProfile(file); err != nil {
		return nil, errors.Join(err, file.Close())
	}
	return func() {
		pprof.StopCPUProfile()
		_ = file.Close() // a profile that could not be written cannot be read either
	}, nil
}

func (o options) writeMemProfile() error {
	if o.memProfile == "" {
		return nil
	}
	file, err := os.Create(o.memProfile)
	if err != nil {
		return err
	}
	runtime.GC() // the profile is as of the last collection
	return errors.Join(pprof.Lookup("allocs").WriteTo(file, 0), file.Close())
}
