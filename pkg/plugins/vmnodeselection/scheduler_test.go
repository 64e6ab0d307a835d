// Copyright The virt-scheduler Authors.
// SPDX-License-Identifier: Apache-2.0

package vmnodeselection

import (
	"context"
	"fmt"
	"sync"
	"testing"
	"time"

	corev1 "k8s.io/api/core/v1"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	"k8s.io/apimachinery/pkg/runtime"
	"k8s.io/apimachinery/pkg/types"
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
	schedulerprofile "k8s.io/kubernetes/pkg/scheduler/profile"
	testclock "k8s.io/utils/clock/testing"
	kubevirtv1 "kubevirt.io/api/core/v1"

	"github.com/virt-scheduler/virt-scheduler/pkg/adapt/crdwatch/simapi"
	"github.com/virt-scheduler/virt-scheduler/pkg/adapt/heartbeats"
	"github.com/virt-scheduler/virt-scheduler/pkg/apis/config"
	"github.com/virt-scheduler/virt-scheduler/pkg/clusterview"
	"github.com/virt-scheduler/virt-scheduler/pkg/decide/fit/simlabels"
)

const schedulerName = "test"

func typesUID(i int) types.UID { return types.UID(fmt.Sprintf("vm-%d", i)) }

// run is a real scheduler on an API that is not there, with our plugin.
type run struct {
	nodes []*corev1.Node
	pods  []*corev1.Pod
	vmis  []*kubevirtv1.VirtualMachineInstance

	client *fake.Clientset
	clock  *testclock.FakePassiveClock
	plugin *VMNodeSelection

	mu     sync.Mutex
	placed map[string]string // pod -> node
	tried  map[string]int    // pod -> how often it was placed or given up
}

// start runs the scheduler once it knows the VMs; it ends with ctx.
func (s *run) start(ctx context.Context, t *testing.T) {
	t.Helper()
	s.client, s.placed, s.tried = fake.NewClientset(), map[string]string{}, map[string]int{}
	s.clock = testclock.NewFakePassiveClock(time.Unix(1_000_000, 0))
	for _, node := range s.nodes {
		s.add(t, node.DeepCopy())
	}
	for i, pod := range s.pods {
		pod = pod.DeepCopy()
		priority := int32(len(s.pods) - i) // the order of the queue
		pod.Spec.Priority, pod.Spec.SchedulerName = &priority, schedulerName
		s.add(t, pod)
	}
	s.client.PrependReactor("create", "pods", func(action clienttesting.Action) (bool, runtime.Object, error) {
		if create, ok := action.(clienttesting.CreateAction); ok {
			if binding, ok := create.GetObject().(*corev1.Binding); ok {
				s.record(binding.Name, binding.Target.Name)
				return true, binding, nil
			}
		}
		return false, nil, nil
	})
	s.client.PrependReactor("patch", "pods", func(action clienttesting.Action) (bool, runtime.Object, error) {
		if patch, ok := action.(clienttesting.PatchAction); ok { // the status of a pod that fits nowhere
			s.record(patch.GetName(), "")
		}
		return true, &corev1.Pod{}, nil
	})
	api := simapi.New(t, simapi.VMIs)
	api.Install()
	for _, v := range s.vmis {
		api.Set(v)
	}
	set := func(names ...string) schedulerconfig.PluginSet {
		var set schedulerconfig.PluginSet
		for _, name := range names {
			set.Enabled = append(set.Enabled, schedulerconfig.Plugin{Name: name, Weight: 1})
		}
		return set
	}
	make := NewFactory(clusterview.NewPool(), heartbeats.NewPool(s.clock))
	factory := informers.NewSharedInformerFactory(s.client, 0)
	sched, err := scheduler.New(ctx, s.client, factory, nil,
		schedulerprofile.NewRecorderFactory(events.NewBroadcaster(&events.EventSinkImpl{Interface: s.client.EventsV1()})),
		scheduler.WithKubeConfig(api.Config()),
		scheduler.WithFrameworkOutOfTreeRegistry(frameworkruntime.Registry{
			Name: func(ctx context.Context, args runtime.Object, handle fwk.Handle) (fwk.Plugin, error) {
				made, err := make(ctx, args, handle)
				s.plugin, _ = made.(*VMNodeSelection)
				return made, err
			},
		}),
		scheduler.WithProfiles(schedulerconfig.KubeSchedulerProfile{
			SchedulerName: schedulerName,
			Plugins: &schedulerconfig.Plugins{
				QueueSort: set(names.PrioritySort), Bind: set(names.DefaultBinder),
				PreFilter: set(names.NodeResourcesFit), Filter: set(names.NodeResourcesFit, names.NodeAffinity),
				MultiPoint: set(Name),
			},
			PluginConfig: []schedulerconfig.PluginConfig{
				{Name: Name, Args: args(func(a *config.VMNodeSelectionArgs) { a.MigratabilitySaturation = 100 })},
				{Name: names.NodeAffinity, Args: &schedulerconfig.NodeAffinityArgs{}},
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
	cluster{nodes: s.nodes, vmis: s.vmis}.await(ctx, t, &profile{plugin: s.plugin, clock: s.clock})
	var wg sync.WaitGroup
	wg.Go(func() { sched.Run(ctx) })
	t.Cleanup(wg.Wait)
}

func (s *run) add(t *testing.T, obj runtime.Object) {
	t.Helper()
	if err := s.client.Tracker().Add(obj); err != nil {
		t.Fatal(err)
	}
}

func (s *run) record(pod, node string) {
	s.mu.Lock()
	defer s.mu.Unlock()
	s.tried[pod]++
	if node != "" {
		s.placed[pod] = node
	}
}

func (s *run) hostOf(pod string) string {
	s.mu.Lock()
	defer s.mu.Unlock()
	return s.placed[pod]
}

func (s *run) tries(pod string) int {
	s.mu.Lock()
	defer s.mu.Unlock()
	return s.tried[pod]
}

// place runs the scheduler until every pod is placed or given up, and returns how many pods were batched.
func (s *run) place(t *testing.T, batching bool) (placed map[string]string, batched float64) {
	t.Helper()
	featuregatetesting.SetFeatureGateDuringTest(t, utilfeature.DefaultFeatureGate, features.OpportunisticBatching, batching)
	ctx, cancel := context.WithCancel(testContext(t))
	defer cancel()
	counter := metrics.BatchAttemptStats.WithLabelValues(schedulerName, metrics.BatchAttemptHintUsed)
	before, err := testutil.GetCounterMetricValue(counter)
	if err != nil {
		t.Fatal(err)
	}
	s.start(ctx, t)
	eventually(ctx, t, "every pod is placed or given up", func() bool {
		s.mu.Lock()
		defer s.mu.Unlock()
		return len(s.tried) == len(s.pods)
	})
	after, err := testutil.GetCounterMetricValue(counter)
	if err != nil {
		t.Fatal(err)
	}
	s.mu.Lock()
	defer s.mu.Unlock()
	return s.placed, after - before
}

// A VM that waits because no virt-handler is heard of is placed as soon as one is: the scheduler's queue knows.
func TestWaitingVMIsWokenByAHeartbeat(t *testing.T) {
	ctx, cancel := context.WithCancel(testContext(t))
	defer cancel()
	node := makeNode("a", simlabels.Skylake()).With(kubevirtv1.NodeSchedulable, "false")
	s := run{nodes: nodes(node), vmis: []*kubevirtv1.VirtualMachineInstance{vmi("vm")}}
	s.start(ctx, t)
	// Silent, and then labelled as fit: still not for VMs.
	s.clock.SetTime(s.clock.Now().Add(tolerance))
	pod := makeVM("vm").Obj()
	pod.Spec.SchedulerName = schedulerName
	update := func(node *corev1.Node) {
		t.Helper()
		if _, err := s.client.CoreV1().Nodes().Update(ctx, node, metav1.UpdateOptions{}); err != nil {
			t.Fatal(err)
		}
	}
	update(node.With(kubevirtv1.NodeSchedulable, "true").Obj().DeepCopy())
	if _, err := s.client.CoreV1().Pods("default").Create(ctx, pod, metav1.CreateOptions{}); err != nil {
		t.Fatal(err)
	}
	eventually(ctx, t, "the VM is refused", func() bool { return s.tries(pod.Name) > 0 })
	if host := s.hostOf(pod.Name); host != "" {
		t.Fatalf("the VM was placed on %s, whose virt-handler is silent", host)
	}
	update(node.Beat("2").Obj().DeepCopy())
	eventually(ctx, t, "the VM is placed", func() bool { return s.hostOf(pod.Name) == "a" })
}
