// Copyright The virt-scheduler Authors.
// SPDX-License-Identifier: Apache-2.0

package vmaffinity

import (
	"fmt"
	"testing"

	"k8s.io/apimachinery/pkg/types"
	"k8s.io/klog/v2"
	fwk "k8s.io/kube-scheduler/framework"
	"k8s.io/kubernetes/pkg/scheduler/framework"
)

// A host that passes costs no memory, whatever is asked about it.
func TestPassingAllocatesNothing(t *testing.T) {
	moving := []podBuilder{webVM("other").On("a1"), webTarget("other", 2).On("b1"), makeVM("db").Label("app", "db").On("none")}
	vmis := []vmiBuilder{makeVMI("other", "a1"), makeVMI("db", "none")}
	apart := webVM("vm").Anti(term(hostname, "app=db")).PrefersNear(3, term(zone, "app=db"))
	tests := map[string]struct {
		ruleCase
		host    string
		changes []tried
	}{
		"anti-affinity of both":       {ruleCase{pod: apart, pods: moving, vmis: vmis}, "c", nil},
		"affinity":                    {ruleCase{pod: makeVM("vm").Near(term(zone, "app=web")), pods: moving, vmis: vmis}, "a2", nil},
		"affinity of the first":       {ruleCase{pod: makeVM("vm").Label("x", "y").Near(term(zone, "x=y")), pods: moving, vmis: vmis}, "a2", nil},
		"a pod that is no VM":         {ruleCase{pod: web("p").Near(term(zone, "app=web")), pods: []podBuilder{web("w").On("a1")}}, "a2", nil},
		"pods came and went":          {ruleCase{pod: apart, pods: moving, vmis: vmis}, "b2", []tried{{moving[1].pod, "b1", true}}},
		"the first, after one's gone": {ruleCase{pod: web("p").Near(term(zone, "app=web")), pods: []podBuilder{web("w").On("a1")}}, "b2", []tried{{web("w").pod, "a1", true}}},
	}
	for name, tc := range tests {
		t.Run(name, func(t *testing.T) {
			ctx := testContext(t)
			c := tc.cluster(t)
			c.nodes = append(c.nodes, makeNode("c").Zone("c").Obj())
			p, pod, state := c.profile(ctx, t), tc.pod.Obj(), framework.NewCycleState()
			if _, status := p.plugin.PreFilter(ctx, state, pod, p.hosts); !status.IsSuccess() {
				t.Fatal(status)
			}
			p.plugin.PreScore(ctx, state, pod, p.hosts)
			p.apply(ctx, t, state, pod, tc.changes)
			host := p.host(tc.host)
			allocated := testing.AllocsPerRun(100, func() {
				if status := p.plugin.Filter(ctx, state, pod, host); status != nil {
					t.Fatal(status)
				}
			})
			if allocated != 0 {
				t.Errorf("Filter: %v allocations, want none", allocated)
			}
		})
	}
}

// benchmarkCluster has many VMs in groups whose members keep apart, on hosts or in zones. Half of them were migrated
// before; a few are under way.
func benchmarkCluster(nodes, vms, group int, key string) cluster {
	c := cluster{}
	for i := range nodes {
		c.nodes = append(c.nodes, makeNode(fmt.Sprintf("node-%04d", i)).Zone(fmt.Sprintf("zone-%d", i%10)).Obj())
	}
	for i := range vms {
		uid := types.UID(fmt.Sprintf("00000000-0000-4000-8000-%012d", i))
		c.pods = append(c.pods, groupMember(uid, i%2 == 1, i/group, key).On(c.nodes[i%nodes].Name).Obj())
		if i%(vms/5) == 0 {
			c.pods = append(c.pods, groupMember(uid, true, i/group, key).UID("target-"+uid).Created(3).On(c.nodes[(i+1)%nodes].Name).Obj())
		}
	}
	return c
}

func groupMember(uid types.UID, migrated bool, group int, key string) podBuilder {
	b := makeVM(uid)
	if migrated {
		b = makeTarget(uid, 2)
	}
	name := fmt.Sprintf("group-%d", group)
	return b.Label("group", name).Anti(term(key, "group="+name))
}

// BenchmarkCycle is what the plugin costs the scheduling of one VM with 5,000 hosts, point by point: PreFilter, with the
// refresh of the view in it after one host has changed, Filter of one host, PreScore, Score of one host. Compare runs
// with benchstat:
//
//	go test -run=NONE -bench=Cycle -count=10 ./pkg/plugins/vmaffinity
func BenchmarkCycle(b *testing.B) {
	for _, vms := range []int{2000, 50000} {
		for _, group := range []int{3, 50} {
			for key, name := range map[string]string{hostname: "hosts", zone: "zones"} {
				b.Run(fmt.Sprintf("vms=%d/group=%d/%s", vms, group, name), func(b *testing.B) {
					benchmark(b, benchmarkCluster(5000, vms, group, key), groupMember("new", false, 1, key))
				})
			}
		}
	}
	b.Run("vms=50000/affinity", func(b *testing.B) {
		benchmark(b, benchmarkCluster(5000, 50000, 50, hostname), makeVM("new").Near(term(zone, "group=group-7")).PrefersNear(5, term(zone, "group=group-8")))
	})
	b.Run("vms=50000/none", func(b *testing.B) { benchmark(b, benchmarkCluster(5000, 50000, 50, hostname), makeVM("new")) })
}

func benchmark(b *testing.B, c cluster, incoming podBuilder) {
	b.Helper()
	ctx := testContext(b)
	p, pod, other := c.profile(ctx, b), incoming.Obj(), groupMember("one-more", false, 9, hostname).Obj()
	info, err := framework.NewPodInfo(other)
	if err != nil {
		b.Fatal(err)
	}
	state := framework.NewCycleState()
	p.plugin.PreFilter(ctx, state, pod, p.hosts)
	p.plugin.PreScore(ctx, state, pod, p.hosts)
	i := 0
	for name, run := range map[string]func() *fwk.Status{
		"PreFilter": func() *fwk.Status {
			i++
			host := p.hosts[i%len(p.hosts)]
			host.AddPodInfo(info)
			_, status := p.plugin.PreFilter(ctx, framework.NewCycleState(), pod, p.hosts)
			if err := host.RemovePod(klog.Logger{}, other); err != nil {
				b.Fatal(err)
			}
			return status
		},
		"Filter": func() *fwk.Status {
			i++
			return p.plugin.Filter(ctx, state, pod, p.hosts[i%len(p.hosts)])
		},
		"PreScore": func() *fwk.Status { return p.plugin.PreScore(ctx, state, pod, p.hosts) },
		"Score": func() *fwk.Status {
			i++
			_, status := p.plugin.Score(ctx, state, pod, p.hosts[i%len(p.hosts)])
			return status
		},
	} {
		b.Run(name, func(b *testing.B) {
			b.ReportAllocs()
			for b.Loop() {
				if status := run(); status != nil && status.Code() == fwk.Error {
					b.Fatal(status.AsError())
				}
			}
		})
	}
}
