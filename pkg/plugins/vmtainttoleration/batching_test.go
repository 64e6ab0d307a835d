// Copyright The virt-scheduler Authors.
// SPDX-License-Identifier: Apache-2.0

package vmtainttoleration

import (
	"context"
	"fmt"
	"math/rand/v2"
	"sync"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"
	corev1 "k8s.io/api/core/v1"
	"k8s.io/apimachinery/pkg/api/resource"
	"k8s.io/apimachinery/pkg/runtime"
	"k8s.io/apimachinery/pkg/util/wait"
	utilfeature "k8s.io/apiserver/pkg/util/feature"
	"k8s.io/client-go/informers"
	"k8s.io/client-go/kubernetes/fake"
	clienttesting "k8s.io/client-go/testing"
	"k8s.io/client-go/tools/events"
	featuregatetesting "k8s.io/component-base/featuregate/testing"
	"k8s.io/component-base/metrics/testutil"
	fwk "k8s.io/kube-scheduler/framework"
	"k8s.io/kubernetes/pkg/features"
	"k8s.io/kubernetes/pkg/scheduler"
	schedulerconfig "k8s.io/kubernetes/pkg/scheduler/apis/config"
	"k8s.io/kubernetes/pkg/scheduler/framework/plugins/names"
	frameworkruntime "k8s.io/kubernetes/pkg/scheduler/framework/runtime"
	"k8s.io/kubernetes/pkg/scheduler/metrics"
	"k8s.io/kubernetes/pkg/scheduler/profile"

	"github.com/virt-scheduler/virt-scheduler/pkg/apis/config"
)

const schedulerName = "test"

// placements runs a real scheduler on an API that is not there, until it has placed or given up every pod, in the order
// given. Each node takes one pod: then upstream batches pods that follow each other and have one signature.
func placements(t *testing.T, batching bool, args runtime.Object, nodes []*corev1.Node, pods []*corev1.Pod) (placed map[string]string, batched float64) {
	t.Helper()
	featuregatetesting.SetFeatureGateDuringTest(t, utilfeature.DefaultFeatureGate, features.OpportunisticBatching, batching)
	ctx, cancel := context.WithCancel(testContext(t))
	defer cancel()
	client := fake.NewClientset()
	for _, node := range nodes {
		must(t, client.Tracker().Add(node.DeepCopy()))
	}
	for i, pod := range pods {
		pod = pod.DeepCopy()
		priority := int32(len(pods) - i) // the order of the queue
		pod.Spec.Priority, pod.Spec.SchedulerName = &priority, schedulerName
		must(t, client.Tracker().Add(pod))
	}
	var mu sync.Mutex
	placed, done := map[string]string{}, map[string]bool{}
	record := func(pod, node string) {
		mu.Lock()
		defer mu.Unlock()
		done[pod] = true
		if node != "" {
			placed[pod] = node
		}
	}
	client.PrependReactor("create", "pods", func(action clienttesting.Action) (bool, runtime.Object, error) {
		if create, ok := action.(clienttesting.CreateAction); ok {
			if binding, ok := create.GetObject().(*corev1.Binding); ok {
				record(binding.Name, binding.Target.Name)
				return true, binding, nil
			}
		}
		return false, nil, nil
	})
	client.PrependReactor("patch", "pods", func(action clienttesting.Action) (bool, runtime.Object, error) {
		if patch, ok := action.(clienttesting.PatchAction); ok { // the status of a pod that fits nowhere
			record(patch.GetName(), "")
		}
		return true, &corev1.Pod{}, nil
	})
	counter := metrics.BatchAttemptStats.WithLabelValues(schedulerName, metrics.BatchAttemptHintUsed)
	before, err := testutil.GetCounterMetricValue(counter)
	if err != nil {
		t.Fatal(err)
	}
	run(ctx, t, client, args)
	err = wait.PollUntilContextTimeout(ctx, time.Millisecond, time.Minute, true, func(context.Context) (bool, error) {
		mu.Lock()
		defer mu.Unlock()
		return len(done) == len(pods), nil
	})
	must(t, err)
	after, err := testutil.GetCounterMetricValue(counter)
	if err != nil {
		t.Fatal(err)
	}
	mu.Lock()
	defer mu.Unlock()
	return placed, after - before
}

func must(t *testing.T, err error) {
	t.Helper()
	if err != nil {
		t.Fatal(err)
	}
}

// run starts a scheduler all of whose pods are in the queue already. Of upstream's plugins it has the filters alone:
// TaintToleration's score of a host depends on the others, so that batching may change it, our plugin or not.
func run(ctx context.Context, t *testing.T, client *fake.Clientset, args runtime.Object) {
	t.Helper()
	set := func(names ...string) schedulerconfig.PluginSet {
		var set schedulerconfig.PluginSet
		for _, name := range names {
			set.Enabled = append(set.Enabled, schedulerconfig.Plugin{Name: name, Weight: 1})
		}
		return set
	}
	factory := informers.NewSharedInformerFactory(client, 0)
	sched, err := scheduler.New(ctx, client, factory, nil,
		profile.NewRecorderFactory(events.NewBroadcaster(&events.EventSinkImpl{Interface: client.EventsV1()})),
		scheduler.WithFrameworkOutOfTreeRegistry(frameworkruntime.Registry{Name: New}),
		scheduler.WithProfiles(schedulerconfig.KubeSchedulerProfile{
			SchedulerName: schedulerName,
			Plugins: &schedulerconfig.Plugins{
				QueueSort: set(names.PrioritySort), Bind: set(names.DefaultBinder),
				PreFilter: set(names.NodeResourcesFit), Filter: set(names.TaintToleration, names.NodeResourcesFit),
				MultiPoint: set(Name),
			},
			PluginConfig: []schedulerconfig.PluginConfig{
				{Name: Name, Args: args},
				{Name: names.NodeResourcesFit, Args: &schedulerconfig.NodeResourcesFitArgs{ScoringStrategy: &schedulerconfig.ScoringStrategy{
					Type: schedulerconfig.LeastAllocated, Resources: []schedulerconfig.ResourceSpec{{Name: "cpu", Weight: 1}},
				}}},
			},
		}))
	if err != nil {
		t.Fatal(err)
	}
	factory.Start(ctx.Done())
	factory.WaitForCacheSync(ctx.Done())
	if err := sched.WaitForHandlersSync(ctx); err != nil {
		t.Fatal(err)
	}
	var wg sync.WaitGroup
	wg.Go(func() { sched.Run(ctx) })
	t.Cleanup(wg.Wait)
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
	for _, batching := range []bool{false, true} {
		t.Run(fmt.Sprintf("batching %t", batching), func(t *testing.T) {
			var batched float64
			for seed := range uint64(5) {
				nodes, pods := randomCluster(rand.New(rand.NewPCG(seed, 1)), 30, makeVM, makePod)
				args := defaultArgs(t)
				args.AdverseConditions = append(args.AdverseConditions, config.AdverseCondition{Type: "C3", Status: "True", Weight: 10})
				placed, hints := placements(t, batching, args, nodes, pods)
				batched += hints
				verify(t, args, nodes, pods, placed)
			}
			if (batched > 0) != batching {
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
