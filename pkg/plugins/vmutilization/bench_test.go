// Copyright The virt-scheduler Authors.
// SPDX-License-Identifier: Apache-2.0

package vmutilization

import (
	"fmt"
	"testing"
	"time"

	"k8s.io/apimachinery/pkg/types"
	"k8s.io/kubernetes/pkg/scheduler/framework"
)

// BenchmarkCycle is what the plugin adds to the scheduling of one VM when all hosts are scored (by default a scheduler
// scores fewer of many): PreScore, Score of every host, NormalizeScore. With a migration in flight PreScore looks at
// every pod for its two launchers. Compare runs with benchstat:
//
//	go test -run=NONE -bench=Cycle -count=10 ./pkg/plugins/vmutilization
func BenchmarkCycle(b *testing.B) {
	for _, size := range []struct{ nodes, vmsPerNode int }{{100, 10}, {1000, 10}, {1000, 30}} {
		for _, migration := range []bool{false, true} {
			b.Run(fmt.Sprintf("nodes=%d/vms=%d/migration=%t", size.nodes, size.nodes*size.vmsPerNode, migration), func(b *testing.B) {
				benchmarkCycle(b, size.nodes, size.vmsPerNode, migration)
			})
		}
	}
}

func benchmarkCycle(b *testing.B, nodes, vmsPerNode int, migration bool) {
	b.Helper()
	ctx := testContext(b)
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
	f, hosts, err := c.profile(ctx, b, args())
	if err != nil {
		b.Fatal(err)
	}
	pod := makePod("new", "").Launcher("new").Obj()
	b.ReportAllocs()
	for b.Loop() {
		state := framework.NewCycleState()
		if status := f.RunPreScorePlugins(ctx, state, pod, hosts); !status.IsSuccess() {
			b.Fatal(status.AsError())
		}
		if _, status := f.RunScorePlugins(ctx, state, pod, hosts); !status.IsSuccess() {
			b.Fatal(status.AsError())
		}
	}
}
