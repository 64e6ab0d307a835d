// Copyright The virt-scheduler Authors.
// SPDX-License-Identifier: Apache-2.0

package vmtainttoleration

import (
	"context"
	"testing"

	corev1 "k8s.io/api/core/v1"
	"k8s.io/kubernetes/pkg/scheduler/framework"
)

// A host that passes costs no memory, whatever taints it has.
func TestPassingAllocatesNothing(t *testing.T) {
	for name, filter := range filters(t) {
		if allocs := testing.AllocsPerRun(100, filter); allocs != 0 {
			t.Errorf("%s: %v allocations, want none", name, allocs)
		}
	}
}

// BenchmarkFilter is the cost per host. Compare runs with benchstat:
//
//	go test -run=NONE -bench=. -count=10 ./pkg/plugins/vmtainttoleration
func BenchmarkFilter(b *testing.B) {
	for name, filter := range filters(b) {
		b.Run(name, func(b *testing.B) {
			b.ReportAllocs()
			for b.Loop() {
				filter()
			}
		})
	}
}

func filters(tb testing.TB) map[string]func() {
	tb.Helper()
	ctx := context.Background()
	pl := newPlugin(defaultArgs(tb), false)
	vm := makeVM("vm").ToleratesFor(corev1.TaintNodeNotReady, 300).ToleratesFor(corev1.TaintNodeUnreachable, 300).Tolerates("").Tolerates("example.com/pool").Obj()
	cases := map[string]func(){}
	for name, node := range map[string]*corev1.Node{
		"clean":  makeNode("host").Obj(),
		"taints": makeNode("host").Taint("example.com/pool", noSchedule).Taint("example.com/other", noExecute).Taint(overused, preferNot).Obj(),
		"conditions": makeNode("host").Condition("Ready", "True").Condition("MemoryPressure", "False").Condition("DiskPressure", "True").
			Condition("PIDPressure", "False").Condition("NetworkUnavailable", "False").Condition("KernelDeadlock", "False").Obj(),
	} {
		host := framework.NewNodeInfo()
		host.SetNode(node)
		cases["filter/"+name] = func() {
			if status := pl.Filter(ctx, nil, vm, host); status != nil {
				tb.Fatalf("%s: refused for %q", name, status.Message())
			}
		}
		cases["score/"+name] = func() {
			if _, status := pl.Score(ctx, nil, vm, host); status != nil {
				tb.Fatalf("%s: %v", name, status)
			}
		}
	}
	return cases
}
