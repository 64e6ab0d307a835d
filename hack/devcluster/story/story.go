// Copyright The virt-scheduler Authors.
// SPDX-License-Identifier: Apache-2.0

package story

import (
	"context"
	"errors"
	"fmt"
	"io"
	"os"
	"time"

	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"

	"github.com/virt-scheduler/virt-scheduler/hack/devcluster/build"
	"github.com/virt-scheduler/virt-scheduler/hack/devcluster/cluster"
	"github.com/virt-scheduler/virt-scheduler/hack/devcluster/story/plot"
	failurev1alpha1 "github.com/virt-scheduler/virt-scheduler/pkg/apis/failure/v1alpha1"
)

// watcher is the name under which the failure-watcher publishes its events.
const watcher = "failure-watcher"

// telling is one telling of the story.
type telling struct {
	o      Options
	stdout io.Writer
	voice  *voice
	report *plot.Report

	cluster      *cluster.Cluster
	world        *world
	logPath      func(process string) string
	vms          []plot.VM
	storageClass string

	before plot.View
	dead   string
	cut    time.Time
	news   *plot.Teller
	record *failurev1alpha1.NodeFailure
	others []string
}

func newTelling(o Options, stdout, stderr *os.File) *telling {
	t := &telling{o: o, stdout: stdout, voice: newVoice(stdout)}
	if o.JSON {
		t.voice = newVoice(stderr)
	}
	t.report = plot.NewReport(plot.Setup{
		Nodes: o.Nodes, Zones: o.Zones, VMs: o.VMs, Seed: o.Seed,
		DefaultTimings: o.DefaultTimings, HealthyDelay: o.HealthyDelay.String(),
	})
	return t
}

// tell tells the story from the build to the verdict, and ends the cluster whatever happens.
func (t *telling) tell(ctx context.Context) error {
	err := t.chapters(ctx)
	err = errors.Join(err, t.end(ctx))
	if err != nil && len(t.report.Problems) == 0 {
		t.report.Problems = append(t.report.Problems, err.Error())
	}
	t.report.OK = err == nil
	if t.o.JSON {
		err = errors.Join(err, t.report.Write(t.stdout))
	}
	return err
}

func (t *telling) chapters(ctx context.Context) error {
	for _, part := range []struct {
		name, title string
		do          func(context.Context) error
	}{
		{"build", "", t.build},
		{"cluster", fmt.Sprintf("The cluster: %d nodes in %d zones", t.o.Nodes, t.o.Zones), t.up},
		{"placement", fmt.Sprintf("%d VirtualMachines", t.o.VMs), t.place},
		{"rescue", "A node loses its power", t.rescue},
		{"return", "The node comes back", func(ctx context.Context) error { return t.powerOn(ctx, t.o.HealthyDelay) }},
		{"verdict", "The verdict", t.verdict},
	} {
		if part.title != "" {
			t.voice.chapter(part.title)
		}
		begin := time.Now()
		err := part.do(ctx)
		t.report.Took = append(t.report.Took, plot.Lap{Part: part.name, Seconds: time.Since(begin).Seconds()})
		if err != nil {
			return err
		}
	}
	return nil
}

func (t *telling) build(ctx context.Context) error {
	return build.Run(ctx, build.Options{Root: t.o.Root, Output: t.o.Output, Without: t.o.Without, Out: t.voice.out})
}

func (t *telling) up(ctx context.Context) error {
	// The size of the hosts does not depend on which VMs have disks.
	size := plot.SizeHosts(plot.Mix(t.o.VMs, t.o.Seed, true), t.o.Nodes)
	t.report.Setup.HostSize = size
	var err error
	t.cluster, err = cluster.Up(ctx, cluster.Options{
		Root: t.o.Root, BinDir: build.BinDir(t.o.Output), Dir: t.o.Dir,
		Nodes: t.o.Nodes, Zones: t.o.Zones, VCPUs: size.CPUs, MemoryGiB: size.MemoryGiB,
		DefaultTimings: t.o.DefaultTimings, Without: t.o.Without,
		WatcherConfig: func(c *failurev1alpha1.FailureWatcherConfiguration) {
			c.Recovery.HealthyDelay = &metav1.Duration{Duration: t.o.HealthyDelay}
		},
		Tied: !t.o.Keep, Replace: true, Logf: t.voice.Logf,
	})
	if err != nil {
		return fmt.Errorf("bring the cluster up: %w", err)
	}
	t.logPath = t.cluster.LogPath
	if t.world, err = newWorld(t.cluster.AdminConfig()); err != nil {
		return err
	}
	t.voice.printf("real: etcd, kube-apiserver, kube-controller-manager, virt-api, virt-controller, virt-scheduler, failure-watcher")
	t.voice.printf("simulated: nodes (KWOK), their Leases (sim-kubelet), guests (sim-virt-handler), BMCs (sim-bmc), storage (sim-csi)")
	t.voice.printf("the watcher's settings are its defaults, but for healthyDelay=%s (60s)", t.o.HealthyDelay)
	return nil
}

func (t *telling) place(ctx context.Context) error {
	var err error
	if t.storageClass, err = t.world.storageClass(ctx); err != nil {
		return err
	}
	t.report.Setup.RWODisks = t.storageClass != ""
	if t.storageClass == "" {
		t.voice.Logf("no StorageClass of %s: no VM gets a volume", provisioner)
	}
	t.vms = plot.Mix(t.o.VMs, t.o.Seed, t.storageClass != "")
	t.voice.Logf("creating them with schedulerName %s, starting the Manual ones", plot.SchedulerName)
	if err := t.create(ctx); err != nil {
		return err
	}
	if err := t.running(ctx); err != nil {
		return err
	}
	t.report.Place(t.before)
	t.voice.printf("")
	if err := t.voice.style.VMTable(t.voice.out, t.before); err != nil {
		return err
	}
	t.voice.printf("")
	return t.voice.style.NodeTable(t.voice.out, t.before)
}

func (t *telling) rescue(ctx context.Context) error {
	var err error
	if t.dead, err = plot.PickVictim(t.before); err != nil {
		return err
	}
	t.voice.printf("%s runs %d VMs; each line below has the seconds since its power went", t.dead, len(t.before.On(t.dead)))
	if err := t.cutPower(ctx); err != nil {
		return err
	}
	rescueErr := t.rescued(ctx)
	if ctx.Err() != nil {
		return rescueErr
	}
	// The table shows how far it came, also when it came not far enough.
	_, outcomes, err := t.judge(ctx)
	if err == nil {
		t.voice.printf("")
		err = t.voice.style.OutcomeTable(t.voice.out, plot.Of(outcomes, t.before, t.dead))
	}
	return errors.Join(rescueErr, err)
}

// judge compares what is now with what is due.
func (t *telling) judge(ctx context.Context) (plot.Case, []plot.Outcome, error) {
	after, err := t.world.view(ctx)
	if err != nil {
		return plot.Case{}, nil, err
	}
	guests, err := t.cluster.Guests(ctx)
	if err != nil {
		return plot.Case{}, nil, err
	}
	c := plot.Case{
		Namespace: namespace, VMs: t.vms, Dead: t.dead, Cut: t.cut,
		Before: t.before, After: after, Guests: guests, Record: t.record, Others: t.others,
	}
	return c, c.Outcomes(), nil
}

func (t *telling) verdict(ctx context.Context) error {
	c, outcomes, err := t.judge(ctx)
	if err != nil {
		return err
	}
	t.report.Outcomes = outcomes
	problems := c.Problems(outcomes)
	for _, p := range problems {
		t.voice.printf("%s", t.voice.style.Bad("WRONG: "+p))
	}
	if len(problems) > 0 {
		t.report.Problems = problems
		return fmt.Errorf("%d things went wrong:\n%s", len(problems), t.logEnds(blamed))
	}
	if summary := plot.Summary(outcomes); summary != "" {
		t.voice.printf("%s", summary)
	}
	t.voice.printf("%s", t.voice.style.Good(fmt.Sprintf("every one of %d VMs did what its runStrategy says, and none ever ran twice"+
		" (%d entries in the guests' ledger)", len(outcomes), len(c.Guests))))
	return nil
}

// end takes the cluster down, or says how it is used further.
func (t *telling) end(ctx context.Context) error {
	if t.o.Keep && t.cluster != nil && ctx.Err() == nil {
		t.voice.printf("\nThe cluster runs on; use it with\n  export KUBECONFIG=%s\nand end it with\n  make dev-down ARGS='--dir %s'",
			t.cluster.Kubeconfig(), t.o.Dir)
		return nil
	}
	if t.cluster == nil {
		return nil // Up has cleared up after itself
	}
	t.voice.Logf("ending the cluster")
	if err := t.cluster.Down(context.WithoutCancel(ctx)); err != nil {
		return fmt.Errorf("end the cluster: %w", err)
	}
	t.voice.Logf("done")
	return nil
}
