// Copyright The virt-scheduler Authors.
// SPDX-License-Identifier: Apache-2.0

package vmtainttoleration

import (
	"context"
	"fmt"
	"math/rand/v2"
	"testing"

	"github.com/google/go-cmp/cmp"
	corev1 "k8s.io/api/core/v1"
	"k8s.io/apimachinery/pkg/api/resource"
	"k8s.io/apimachinery/pkg/runtime"
	fwk "k8s.io/kube-scheduler/framework"
	schedulerconfig "k8s.io/kubernetes/pkg/scheduler/apis/config"
	"k8s.io/kubernetes/pkg/scheduler/framework/plugins/names"
	frameworkruntime "k8s.io/kubernetes/pkg/scheduler/framework/runtime"

	"github.com/virt-scheduler/virt-scheduler/pkg/apis/config"
	"github.com/virt-scheduler/virt-scheduler/test/perf/simapi"
	"github.com/virt-scheduler/virt-scheduler/test/perf/simapi/batching"
)

// placements lets a real scheduler place pods in the order given. Each node takes one pod: then upstream batches pods that
// follow each other and have one signature.
func placements(t *testing.T, on bool, args runtime.Object, nodes []*corev1.Node, pods []*corev1.Pod) (placed map[string]string, batched float64) {
	t.Helper()
	batched = batching.Run(t, on, batching.SchedulerName, func(ctx context.Context) {
		api := simapi.New()
		for _, node := range nodes {
			api.SetNode(node)
		}
		s, err := api.Start(ctx, simapi.Config{
			Profiles: []schedulerconfig.KubeSchedulerProfile{batching.Profile(Name, args, names.TaintToleration)},
			Registry: frameworkruntime.Registry{Name: New},
		})
		if err != nil {
			t.Fatal(err)
		}
		placed = batching.Place(ctx, t, s, pods)
	})
	return placed, batched
}

// randomCluster makes nodes for one pod each, and pods in runs of equal ones.
func randomCluster(r *rand.Rand, size int, makers ...func(string) podBuilder) ([]*corev1.Node, []*corev1.Pod) {
	keys := []string{drain, "medik8s.io/remediation", "example.com/a"}
	effects := []corev1.TaintEffect{noSchedule, noExecute, preferNot}
	var nodes []*corev1.Node
	for i := range size {
		node := makeNode(fmt.Sprintf("node-%d", i)).Condition(corev1.NodeConditionType(fmt.Sprintf("C%d", i%10)), "True")
		if r.IntN(2) == 0 {
			node.Taint(keys[r.IntN(len(keys))], effects[r.IntN(len(effects))])
		}
		node.node.Status.Allocatable = corev1.ResourceList{"pods": resource.MustParse("1")}
		nodes = append(nodes, node.Obj())
	}
	r.Shuffle(len(nodes), func(i, j int) { nodes[i], nodes[j] = nodes[j], nodes[i] })
	var pods []*corev1.Pod
	for len(pods) < size {
		maker, kind := makers[r.IntN(len(makers))], r.IntN(4)
		for range 1 + r.IntN(4) {
			pod := maker(fmt.Sprintf("pod-%d", len(pods)))
			if kind == 1 || kind == 3 {
				pod = pod.Tolerates("")
			}
			if kind == 2 || kind == 3 {
				pod = pod.Tolerates(drain).ToleratesFor("example.com/a", 300)
			}
			pods = append(pods, pod.Obj())
		}
	}
	return nodes, pods
}

// distinct makes ten different scores out of conditions C0 to C9, and of nothing else.
func distinct(a *config.VMTaintTolerationArgs) {
	a.ToleratedTaintWeight, a.PreferNoScheduleTaintWeight, a.AdverseConditions = 0, 0, nil
	for i := range int64(9) {
		a.AdverseConditions = append(a.AdverseConditions, config.AdverseCondition{
			Type: corev1.NodeConditionType(fmt.Sprintf("C%d", i)), Status: corev1.ConditionTrue, Weight: 1 + i,
		})
	}
}

// With one score per host there is one right answer for each VM: the same with batching and without.
func TestBatchingPlacesAsWithoutIt(t *testing.T) {
	var batched float64
	for seed := range uint64(10) {
		t.Run(fmt.Sprintf("seed %d", seed), func(t *testing.T) {
			nodes, pods := randomCluster(rand.New(rand.NewPCG(seed, 0)), 10, makeVM)
			args := defaultArgs(t, distinct)
			off, hints := placements(t, false, args, nodes, pods)
			if hints != 0 {
				t.Fatalf("%v pods were batched while batching was off", hints)
			}
			on, hints := placements(t, true, args, nodes, pods)
			batched += hints
			if len(off) == 0 {
				t.Error("no pod was placed: the test shows nothing")
			}
			if diff := cmp.Diff(off, on); diff != "" {
				t.Errorf("placements (-batching off +batching on):\n%s", diff)
			}
		})
	}
	if batched == 0 {
		t.Error("no pod was batched: the test shows nothing")
	}
}

// VMs and other pods with the same tolerations, one after the other, and many hosts with the same score: each pod has to
// be on a host that is best for it among those that were free, with batching and without.
func TestBatchingPlacesWell(t *testing.T) {
	for _, on := range []bool{false, true} {
		t.Run(fmt.Sprintf("batching %t", on), func(t *testing.T) {
			var batched float64
			for seed := range uint64(5) {
				nodes, pods := randomCluster(rand.New(rand.NewPCG(seed, 1)), 30, makeVM, makePod)
				args := defaultArgs(t)
				args.AdverseConditions = append(args.AdverseConditions, config.AdverseCondition{Type: "C3", Status: "True", Weight: 10})
				placed, hints := placements(t, on, args, nodes, pods)
				batched += hints
				verify(t, args, nodes, pods, placed)
			}
			if (batched > 0) != on {
				t.Errorf("%v pods were batched", batched)
			}
		})
	}
}

// verify goes through the pods in their order with a profile that places nothing.
func verify(t *testing.T, args runtime.Object, nodes []*corev1.Node, pods []*corev1.Pod, placed map[string]string) {
	t.Helper()
	ctx := testContext(t)
	options := profileOptions{args: args}
	options.disabled.Score.Disabled = []schedulerconfig.Plugin{{Name: names.TaintToleration}}
	f, free, err := makeProfile(ctx, nodes, options)
	if err != nil {
		t.Fatal(err)
	}
	for _, pod := range pods {
		scores := cycle(ctx, t, f, pod, free).Scores
		best := int64(-1)
		for _, score := range scores {
			best = max(best, score)
		}
		host, ok := placed[pod.Name]
		if !ok {
			if len(scores) > 0 {
				t.Errorf("%s was not placed, and could have been on any of %v", pod.Name, scores)
			}
			continue
		}
		if score, fits := scores[host]; !fits || score != best {
			t.Errorf("%s was placed on %s, which fits: %t, with score %d; the best has %d", pod.Name, host, fits, score, best)
		}
		var left []fwk.NodeInfo
		for _, info := range free {
			if info.Node().Name != host {
				left = append(left, info)
			}
		}
		free = left
	}
}
