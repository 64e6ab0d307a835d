// Copyright The virt-scheduler Authors.
// SPDX-License-Identifier: Apache-2.0

// Package batching lets tests of plugins compare what a real scheduler does with
// Kubernetes' opportunistic batching and without it: a pod with the signature
// of the one before may be given the host that was second best for that.
package batching

import (
	"context"
	"slices"
	"testing"

	corev1 "k8s.io/api/core/v1"
	"k8s.io/apimachinery/pkg/runtime"
	utilfeature "k8s.io/apiserver/pkg/util/feature"
	featuregatetesting "k8s.io/component-base/featuregate/testing"
	"k8s.io/component-base/metrics/testutil"
	"k8s.io/klog/v2/ktesting"
	"k8s.io/kubernetes/pkg/features"
	schedulerconfig "k8s.io/kubernetes/pkg/scheduler/apis/config"
	"k8s.io/kubernetes/pkg/scheduler/framework/plugins/names"
	"k8s.io/kubernetes/pkg/scheduler/metrics"

	"github.com/virt-scheduler/virt-scheduler/test/perf/simapi"
)

// SchedulerName of the profiles that Profile makes.
const SchedulerName = "test"

// Profile is one whose only opinions are a plugin's and those of upstream's filters that are named, NodeResourcesFit
// among them in any case. Scores of upstream's may depend on other hosts, so that batching changes them by itself.
func Profile(plugin string, args runtime.Object, filters ...string) schedulerconfig.KubeSchedulerProfile {
	set := func(names ...string) schedulerconfig.PluginSet {
		var set schedulerconfig.PluginSet
		for _, name := range names {
			set.Enabled = append(set.Enabled, schedulerconfig.Plugin{Name: name, Weight: 1})
		}
		return set
	}
	return schedulerconfig.KubeSchedulerProfile{
		SchedulerName: SchedulerName,
		Plugins: &schedulerconfig.Plugins{
			QueueSort: set(names.PrioritySort), Bind: set(names.DefaultBinder),
			PreFilter: set(names.NodeResourcesFit), Filter: set(slices.Concat(filters, []string{names.NodeResourcesFit})...),
			MultiPoint: set(plugin),
		},
		PluginConfig: []schedulerconfig.PluginConfig{
			{Name: plugin, Args: args},
			{Name: names.NodeAffinity, Args: &schedulerconfig.NodeAffinityArgs{}},
			{Name: names.NodeResourcesFit, Args: &schedulerconfig.NodeResourcesFitArgs{ScoringStrategy: &schedulerconfig.ScoringStrategy{
				Type: schedulerconfig.LeastAllocated, Resources: []schedulerconfig.ResourceSpec{{Name: "cpu", Weight: 1}},
			}}},
		},
	}
}

// Run calls run with batching on or off, and returns how many pods of a profile were given a host by the pod before.
func Run(t *testing.T, on bool, schedulerName string, run func(ctx context.Context)) (batched float64) {
	t.Helper()
	featuregatetesting.SetFeatureGateDuringTest(t, utilfeature.DefaultFeatureGate, features.OpportunisticBatching, on)
	_, ctx := ktesting.NewTestContext(t)
	ctx, cancel := context.WithCancel(ctx)
	defer cancel()
	metrics.Register()
	counter := metrics.BatchAttemptStats.WithLabelValues(schedulerName, metrics.BatchAttemptHintUsed)
	count := func() float64 {
		t.Helper()
		value, err := testutil.GetCounterMetricValue(counter)
		if err != nil {
			t.Fatal(err)
		}
		return value
	}
	before := count()
	run(ctx)
	return count() - before
}

// Place lets a scheduler with a profile that Profile made decide about pods, one after the other, and returns the hosts
// of those that were placed, by pod.
func Place(ctx context.Context, t *testing.T, s *simapi.Scheduler, pods []*corev1.Pod) map[string]string {
	t.Helper()
	placed := map[string]string{}
	for _, pod := range pods {
		pod = pod.DeepCopy()
		pod.Spec.SchedulerName = SchedulerName
		outcome, err := s.Schedule(ctx, pod)
		if err != nil {
			t.Fatal(err)
		}
		if outcome.Bound() {
			placed[pod.Name] = outcome.Node
		}
	}
	return placed
}
