// Copyright The virt-scheduler Authors.
// SPDX-License-Identifier: Apache-2.0

package vmpreemption_test

import (
	"context"
	"fmt"
	"os"
	"slices"
	"testing"
	"time"

	corev1 "k8s.io/api/core/v1"
	"k8s.io/apimachinery/pkg/util/wait"
	"k8s.io/klog/v2/ktesting"
	"k8s.io/kubernetes/pkg/scheduler"
	schedulerconfig "k8s.io/kubernetes/pkg/scheduler/apis/config"
	frameworkruntime "k8s.io/kubernetes/pkg/scheduler/framework/runtime"

	"github.com/virt-scheduler/virt-scheduler/pkg/apis/config"
	"github.com/virt-scheduler/virt-scheduler/pkg/plugins"
	"github.com/virt-scheduler/virt-scheduler/test/perf/simapi"
	"github.com/virt-scheduler/virt-scheduler/test/perf/simapi/simkubevirt"
)

// tb is a test, or one of many that a property is tried with.
type tb interface {
	Helper()
	Fatal(args ...any)
	Fatalf(format string, args ...any)
	Errorf(format string, args ...any)
	Logf(format string, args ...any)
}

// sim is a real scheduler, with the shipped profiles and kube-scheduler's own, on a simulated API and a simulated KubeVirt.
type sim struct {
	*simapi.API
	*simapi.Scheduler
	kubevirt *simkubevirt.KubeVirt
}

func shipped(t *testing.T, change func(*config.VMPreemptionArgs)) []schedulerconfig.KubeSchedulerProfile {
	t.Helper()
	yaml, err := os.ReadFile("../../../manifests/profiles/kubescheduler-config.yaml")
	if err != nil {
		t.Fatal(err)
	}
	loaded, err := simapi.LoadConfig(yaml)
	if err != nil {
		t.Fatal(err)
	}
	for _, profile := range loaded.Profiles {
		for _, c := range profile.PluginConfig {
			if args, ok := c.Args.(*config.VMPreemptionArgs); ok && change != nil {
				change(args)
			}
		}
	}
	stock, err := simapi.StockProfile("stock")
	if err != nil {
		t.Fatal(err)
	}
	return append(loaded.Profiles, stock)
}

// setup is what there is before the scheduler starts.
type setup struct {
	args  func(*config.VMPreemptionArgs)
	nodes []*corev1.Node
	vms   []vmBuilder
	pods  []*corev1.Pod
	// registry has all plugins; nil: those of the scheduler's command. profile changes profile virt-scheduler.
	registry frameworkruntime.Registry
	profile  func(*schedulerconfig.KubeSchedulerProfile)
}

func (c setup) start(t *testing.T) (*sim, context.Context) {
	t.Helper()
	_, ctx := ktesting.NewTestContext(t)
	ctx, cancel := context.WithCancel(ctx)
	t.Cleanup(cancel)
	api := simapi.New()
	kubevirt := simkubevirt.New(api)
	for _, n := range c.nodes {
		api.SetNode(n)
	}
	for _, v := range c.vms {
		api.SetVMI(v.vmi)
		api.SetPod(v.pod)
	}
	for _, p := range c.pods {
		api.SetPod(p)
	}
	profiles := shipped(t, c.args)
	if c.profile != nil {
		c.profile(&profiles[0])
	}
	if c.registry == nil {
		c.registry = plugins.NewRegistry()
	}
	s, err := api.Start(ctx, simapi.Config{
		Profiles: profiles, Registry: c.registry, Parallelism: 4,
		Options: []scheduler.Option{scheduler.WithPodInitialBackoffSeconds(0), scheduler.WithPodMaxBackoffSeconds(0)},
	})
	if err != nil {
		t.Fatal(err)
	}
	return &sim{API: api, Scheduler: s, kubevirt: kubevirt}, ctx
}

func start(t *testing.T, change func(*config.VMPreemptionArgs), nodes []*corev1.Node, vms []vmBuilder, pods []*corev1.Pod) (*sim, context.Context) {
	t.Helper()
	return setup{args: change, nodes: nodes, vms: vms, pods: pods}.start(t)
}

// moves returns what is asked of KubeVirt: VM>host.
func (s *sim) moves(t tb) (asked []string) {
	t.Helper()
	migrations, err := s.kubevirt.Migrations()
	if err != nil {
		t.Fatal(err)
	}
	for _, m := range migrations {
		asked = append(asked, fmt.Sprintf("%s>%s", m.Spec.VMIName, m.Spec.AddedNodeSelector[corev1.LabelHostname]))
	}
	slices.Sort(asked)
	return asked
}

func (s *sim) there(namespace, name string) bool {
	_, ok := s.Pod(namespace, name)
	return ok
}

// drain lets the scheduler decide until nothing is left to decide, and returns where each pod that was bound went.
func (s *sim) drain(ctx context.Context, t tb) map[string]string {
	t.Helper()
	bound := map[string]string{}
	for range 100 {
		outcome, ok, err := s.Next(ctx)
		if err != nil {
			t.Fatal(err)
		}
		if !ok {
			return bound
		}
		if outcome.Bound() {
			bound[outcome.Pod.Name] = outcome.Node
		}
	}
	t.Fatal("the scheduler goes on and on")
	return nil
}

func (s *sim) begin(t tb) {
	t.Helper()
	if _, err := s.kubevirt.Begin(); err != nil {
		t.Fatal(err)
	}
}

// stir makes something happen for which all that wait are tried again, and lets them be: a host comes that nobody may go to.
func (s *sim) stir(ctx context.Context, t tb) {
	t.Helper()
	closed := makeNode("z", 64)
	closed.Spec.Taints = []corev1.Taint{{Key: "closed", Effect: corev1.TaintEffectNoSchedule}}
	s.SetNode(closed)
	s.drain(ctx, t)
	s.DeleteNode("z")
	s.drain(ctx, t)
}

// eventually waits for what happens after a while, without a cycle of the scheduler's.
func (s *sim) eventually(ctx context.Context, t *testing.T, what string, reached func() bool) {
	t.Helper()
	err := wait.PollUntilContextTimeout(ctx, 5*time.Millisecond, 30*time.Second, true, func(context.Context) (bool, error) { return reached(), nil })
	if err != nil {
		t.Errorf("not within 30 s: %s", what)
	}
}
