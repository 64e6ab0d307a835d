// Copyright The virt-scheduler Authors.
// SPDX-License-Identifier: Apache-2.0

package vmutilization

import (
	"context"
	"fmt"
	"testing"
	"time"

	corev1 "k8s.io/api/core/v1"
	"k8s.io/apimachinery/pkg/types"
	"k8s.io/klog/v2"
	fwk "k8s.io/kube-scheduler/framework"
	"k8s.io/kubernetes/pkg/scheduler/framework"

	"github.com/virt-scheduler/virt-scheduler/pkg/apis/config"
)

// BenchmarkCycle is what the plugin adds to the scheduling of one VM when all hosts are scored (by default a scheduler
// scores fewer of many): PreScore, Score of every host, NormalizeScore. Between two cycles one host changes, as when a pod
// is placed. Compare runs with benchstat:
//
//	go test -run=NONE -bench=Cycle -count=10 ./pkg/plugins/vmutilization
func BenchmarkCycle(b *testing.B) {
	for _, size := range sizes {
		for _, migration := range []bool{false, true} {
			b.Run(fmt.Sprintf("nodes=%d/vms=%d/migration=%t", size.nodes, size.nodes*size.vmsPerNode, migration), func(b *testing.B) {
				cycles(b, benchmarkCluster(size.nodes, size.vmsPerNode, migration), args(), score)
			})
		}
	}
}

// BenchmarkFilter is what the caps add when all hosts are looked at: PreFilter, and Filter of every host by one goroutine.
// Without caps it is what there is to pay for them.
func BenchmarkFilter(b *testing.B) {
	for _, size := range sizes {
		for name, pluginArgs := range map[string]*config.VMUtilizationArgs{"none": args(), "both": args(capped(1000, 150))} {
			b.Run(fmt.Sprintf("nodes=%d/vms=%d/caps=%s", size.nodes, size.nodes*size.vmsPerNode, name), func(b *testing.B) {
				cycles(b, benchmarkCluster(size.nodes, size.vmsPerNode, false), pluginArgs, filter)
			})
		}
	}
}

// cycles runs a part of scheduling cycles for one VM after the other; before each a host has changed.
func cycles(b *testing.B, c cluster, pluginArgs *config.VMUtilizationArgs,
	part func(context.Context, *testing.B, framework.Framework, fwk.CycleState, *corev1.Pod, []fwk.NodeInfo),
) {
	b.Helper()
	ctx := testContext(b)
	f, hosts, err := c.profile(ctx, b, pluginArgs)
	if err != nil {
		b.Fatal(err)
	}
	pod, other := makePod("new", "").Launcher("new").Obj(), otherPod(b)
	b.ReportAllocs()
	for i := 0; b.Loop(); i++ {
		change(ctx, b, hosts[i%len(hosts)], other)
		part(ctx, b, f, framework.NewCycleState(), pod, hosts)
	}
}

func score(ctx context.Context, b *testing.B, f framework.Framework, state fwk.CycleState, pod *corev1.Pod, hosts []fwk.NodeInfo) {
	b.Helper()
	if status := f.RunPreScorePlugins(ctx, state, pod, hosts); !status.IsSuccess() {
		b.Fatal(status.AsError())
	}
	if _, status := f.RunScorePlugins(ctx, state, pod, hosts); !status.IsSuccess() {
		b.Fatal(status.AsError())
	}
}

func filter(ctx context.Context, b *testing.B, f framework.Framework, state fwk.CycleState, pod *corev1.Pod, hosts []fwk.NodeInfo) {
	b.Helper()
	if _, status, _ := f.RunPreFilterPlugins(ctx, state, pod); !status.IsSuccess() {
		b.Fatal(status.AsError())
	}
	for _, host := range hosts {
		if status := f.RunFilterPlugins(ctx, state, pod, host); !status.IsSuccess() {
			b.Fatal(status.AsError())
		}
	}
}

var sizes = []struct{ nodes, vmsPerNode int }{{100, 10}, {1000, 10}, {1000, 30}}

func benchmarkCluster(nodes, vmsPerNode int, migration bool) cluster {
	c := cluster{}
	for n := range nodes {
		host := fmt.Sprintf("node-%d", n)
		c.nodes = append(c.nodes, node(host, "cpu", "64", "memory", "256Gi"))
		for v := range vmsPerNode {
			uid := types.UID(fmt.Sprintf("00000000-0000-0000-%04d-%012d", v, n))
			c.pods = append(c.pods, makePod("launcher-"+string(uid), host).Launcher(uid).Requests("cpu", "400m", "memory", "4Gi").Obj())
			c.vmis = append(c.vmis, vmi(uid, uint32(1+v%8), "4Gi"))
		}
	}
	if migration {
		moving := types.UID(c.pods[0].Labels["kubevirt.io/created-by"])
		c.pods = append(c.pods, makePod("target", c.nodes[1].Name).Launcher(moving).Target(time.Hour).Obj())
	}
	c.vmis = append(c.vmis, vmi("new", 4, "4Gi"))
	return c
}

func otherPod(b *testing.B) fwk.PodInfo {
	b.Helper()
	other, err := framework.NewPodInfo(makePod("other", "").Requests("cpu", "1").Obj())
	if err != nil {
		b.Fatal(err)
	}
	return other
}

// change makes a host another one to those who look at generations.
func change(ctx context.Context, b *testing.B, host fwk.NodeInfo, pod fwk.PodInfo) {
	b.Helper()
	host.AddPodInfo(pod)
	if err := host.RemovePod(klog.FromContext(ctx), pod.GetPod()); err != nil {
		b.Fatal(err)
	}
}
