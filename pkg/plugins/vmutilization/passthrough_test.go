// Copyright The virt-scheduler Authors.
// SPDX-License-Identifier: Apache-2.0

package vmutilization

import (
	"context"
	"fmt"
	"math/rand/v2"
	"testing"

	"github.com/google/go-cmp/cmp"
	corev1 "k8s.io/api/core/v1"
	"k8s.io/apimachinery/pkg/types"
	fwk "k8s.io/kube-scheduler/framework"
	schedulerconfig "k8s.io/kubernetes/pkg/scheduler/apis/config"
	"k8s.io/kubernetes/pkg/scheduler/framework"

	"github.com/virt-scheduler/virt-scheduler/pkg/apis/config"
)

// upstream are the plugins that look at hosts and pods.
var upstream = []string{
	"NodeName", "NodeUnschedulable", "TaintToleration", "NodeAffinity", "NodeResourcesFit", "NodeResourcesBalancedAllocation",
	"PodTopologySpread", "InterPodAffinity", "ImageLocality",
}

// outcome is all that a cycle says of a host.
type outcome struct {
	Verdict string
	Score   int64
}

func outcomes(ctx context.Context, t *testing.T, f framework.Framework, pod *corev1.Pod, hosts []fwk.NodeInfo) map[string]outcome {
	t.Helper()
	state := framework.NewCycleState()
	if _, status, _ := f.RunPreFilterPlugins(ctx, state, pod); !status.IsSuccess() {
		t.Fatalf("PreFilter: %v", status.AsError())
	}
	got := map[string]outcome{}
	var feasible []fwk.NodeInfo
	for _, host := range hosts {
		status := f.RunFilterPluginsWithNominatedPods(ctx, state, pod, host)
		got[host.Node().Name] = outcome{Verdict: verdict(status)}
		if status.IsSuccess() {
			feasible = append(feasible, host)
		}
	}
	if status := f.RunPreScorePlugins(ctx, state, pod, feasible); !status.IsSuccess() {
		t.Fatalf("PreScore: %v", status.AsError())
	}
	scores, status := f.RunScorePlugins(ctx, state, pod, feasible)
	if !status.IsSuccess() {
		t.Fatalf("Score: %v", status.AsError())
	}
	for _, s := range scores {
		got[s.Name] = outcome{Score: s.TotalScore}
	}
	return got
}

// randomCluster has hosts of all sizes, some with caps of their own, and VMs, pods that attach disks and others on them.
func randomCluster(r *rand.Rand) cluster {
	var c cluster
	for n := range 20 {
		host := node(fmt.Sprintf("n%d", n), "cpu", fmt.Sprint(8<<r.IntN(3)), "memory", fmt.Sprintf("%dGi", 32<<r.IntN(3)))
		if r.IntN(4) == 0 {
			annotated(host, fmt.Sprintf("cpu=%d", 10+r.IntN(100)))
		}
		c.nodes = append(c.nodes, host)
	}
	for p := range 150 {
		pod := makePod(fmt.Sprintf("p%d", p), c.nodes[r.IntN(len(c.nodes))].Name).
			Requests("cpu", fmt.Sprintf("%dm", 100*(1+r.IntN(20))), "memory", fmt.Sprintf("%dMi", 256*(1+r.IntN(16))))
		switch r.IntN(3) {
		case 0:
			uid := types.UID(fmt.Sprintf("vm-%d", p))
			pod = pod.Launcher(uid)
			c.vmis = append(c.vmis, vmi(uid, uint32(1+r.IntN(16)), "8Gi"))
		case 1:
			pod = pod.Attachment()
		}
		c.pods = append(c.pods, pod.Obj())
	}
	return c
}

// A pod that is no VM, and one that attaches a disk to a VM, fare as if the plugin were not there. A VM does not: the
// comparison can tell.
func TestOtherPodsFareAsWithoutThePlugin(t *testing.T) {
	ctx := testContext(t)
	r := rand.New(rand.NewPCG(3, 5))
	c := randomCluster(r)
	c.change = func(p *schedulerconfig.Plugins) { p.MultiPoint = enabled(append([]string{Name}, upstream...)...) }
	everything := args(capped(100, 100), func(a *config.VMUtilizationArgs) {
		a.Resources = append(a.Resources, config.VMResourceWeight{Name: config.VMResourceCPURequests, Weight: 1},
			config.VMResourceWeight{Name: config.VMResourceMemoryRequests, Weight: 1})
	})
	with, hosts, err := c.profile(ctx, t, everything)
	if err != nil {
		t.Fatal(err)
	}
	c.change = func(p *schedulerconfig.Plugins) { p.MultiPoint = enabled(upstream...) }
	without, sameHosts, err := c.profile(ctx, t, nil)
	if err != nil {
		t.Fatal(err)
	}
	refused, scored := 0, 0
	for i := range 60 {
		request := []string{"cpu", fmt.Sprintf("%dm", 100*(1+r.IntN(120))), "memory", fmt.Sprintf("%dMi", 256*(1+r.IntN(160)))}
		plain := makePod(fmt.Sprintf("plain-%d", i), "").Requests(request...).Obj()
		switch i % 3 {
		case 1:
			plain = makePod(plain.Name, "").Attachment().Requests(request...).Obj()
		case 2: // labelled like a launcher, but of no VM
			plain.Labels = map[string]string{"kubevirt.io": "virt-launcher"}
		}
		want := outcomes(ctx, t, without, plain, sameHosts)
		if diff := cmp.Diff(want, outcomes(ctx, t, with, plain, hosts)); diff != "" {
			t.Fatalf("%s, which requests %v (-without +with):\n%s", plain.Name, request, diff)
		}
		for _, o := range want {
			if o.Verdict != "" {
				refused++
			}
			if o.Score > 0 {
				scored++
			}
		}
		vm := makePod("vm-"+plain.Name, "").Launcher("vm-" + types.UID(plain.Name)).Requests(request...).Obj()
		if cmp.Equal(outcomes(ctx, t, without, vm, sameHosts), outcomes(ctx, t, with, vm, hosts)) {
			t.Fatalf("a VM that requests %v fares as without the plugin", request)
		}
	}
	if refused == 0 || scored == 0 {
		t.Errorf("%d hosts were refused and %d scored in all: the pods are of one kind", refused, scored)
	}
}
