// Copyright The virt-scheduler Authors.
// SPDX-License-Identifier: Apache-2.0

package vmnodeselection

import (
	"fmt"
	"math/rand/v2"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"
	corev1 "k8s.io/api/core/v1"
	"k8s.io/apimachinery/pkg/runtime"
	schedulerconfig "k8s.io/kubernetes/pkg/scheduler/apis/config"
	"k8s.io/kubernetes/pkg/scheduler/framework"
	"k8s.io/kubernetes/pkg/scheduler/framework/plugins/names"
	kubevirtv1 "kubevirt.io/api/core/v1"

	"github.com/virt-scheduler/virt-scheduler/pkg/apis/config"
	"github.com/virt-scheduler/virt-scheduler/pkg/decide/fit/simlabels"
)

// A pod that is no VM, and one that attaches hot-plugged disks, has the same verdicts and scores on hosts of all kinds
// with the plugin and without it.
func TestPodsThatAreNoVMs(t *testing.T) {
	upstream := []string{names.TaintToleration, names.NodeAffinity, names.NodeUnschedulable, names.NodeName}
	for seed := range uint64(5) {
		t.Run(fmt.Sprintf("seed %d", seed), func(t *testing.T) {
			r := rand.New(rand.NewPCG(seed, 0))
			ctx := testContext(t)
			made := randomNodes(r, 20)
			with := mustProfile(ctx, t, cluster{nodes: made, more: upstream}, args(strict))
			without := mustProfile(ctx, t, cluster{nodes: made, more: upstream, without: true}, nil)
			scored, refused := 0, 0
			for i := range 20 {
				pod := makePod(fmt.Sprintf("pod-%d", i))
				if i%2 == 0 {
					pod = pod.Attachment()
				}
				if r.IntN(3) == 0 {
					pod = pod.TolerateAll()
				}
				if r.IntN(3) == 0 {
					pod = pod.Selector(kubevirtv1.NodeSchedulable, "true")
				}
				want := without.cycle(ctx, t, pod.Obj())
				if diff := cmp.Diff(want, with.cycle(ctx, t, pod.Obj())); diff != "" {
					t.Errorf("%s (-without +with the plugin):\n%s", pod.Obj().Name, diff)
				}
				scored, refused = scored+len(want.Scores), refused+len(want.Refused)
			}
			if scored == 0 || refused == 0 {
				t.Errorf("%d hosts were scored, %d refused: the test shows nothing", scored, refused)
			}
		})
	}
}

// randomNodes makes nodes that differ in all that the plugin looks at.
func randomNodes(r *rand.Rand, size int) []*corev1.Node {
	cpus := []simlabels.CPU{simlabels.Skylake(), simlabels.Cascadelake(), simlabels.Rome(), simlabels.Arm()}
	var made []*corev1.Node
	for i := range size {
		b := makeNode(fmt.Sprintf("n%d", i), cpus[r.IntN(len(cpus))])
		switch r.IntN(6) {
		case 0:
			b = b.Labels(simlabels.Unlabelled("amd64"))
		case 1:
			b = b.Beat("")
		case 2:
			b = b.With(kubevirtv1.NodeSchedulable, "false")
		case 3:
			b = b.Taint("example.com/soft", corev1.TaintEffectPreferNoSchedule)
		}
		if i%5 == 4 {
			b = b.Taint("example.com/hard", corev1.TaintEffectNoSchedule)
		}
		if i%7 == 6 {
			b = b.Cordoned()
		}
		made = append(made, b.Obj())
	}
	return made
}

func TestSkipsWhatIsNoVM(t *testing.T) {
	ctx := testContext(t)
	p := mustProfile(ctx, t, cluster{nodes: nodes(makeNode("a", simlabels.Skylake()))}, args())
	for name, pod := range map[string]*corev1.Pod{"plain": makePod("plain").Obj(), "attachment": makePod("disk").Attachment().Obj()} {
		state := framework.NewCycleState()
		p.RunPreFilterPlugins(ctx, state, pod)
		if !state.GetSkipFilterPlugins().Has(Name) {
			t.Errorf("%s: Filter is not skipped", name)
		}
		p.RunPreScorePlugins(ctx, state, pod, p.hosts)
		if !state.GetSkipScorePlugins().Has(Name) {
			t.Errorf("%s: Score is not skipped", name)
		}
		// And with nothing skipped, as PreFilter and PreScore may be switched off.
		if status := p.plugin.Filter(ctx, framework.NewCycleState(), pod, p.hosts[0]); !status.IsSuccess() {
			t.Errorf("%s: Filter says %v", name, status)
		}
		if score, status := p.plugin.Score(ctx, framework.NewCycleState(), pod, p.hosts[0]); score != 0 || !status.IsSuccess() {
			t.Errorf("%s: Score is %d, %v, want 0", name, score, status)
		}
	}
}

func TestSignPod(t *testing.T) {
	ctx := testContext(t)
	p := mustProfile(ctx, t, cluster{nodes: nodes(makeNode("a", simlabels.Skylake()))}, args())
	for name, pod := range map[string]*corev1.Pod{"plain": makePod("plain").Obj(), "attachment": makePod("disk").Attachment().Obj()} {
		if p.SignPod(ctx, pod, false) == nil {
			t.Errorf("a pod that is no VM (%s) is not signed: the plugin turns batching off", name)
		}
	}
	if got := p.SignPod(ctx, makeVM("vm").Obj(), false); got != nil {
		t.Errorf("a VM is signed as %s, but two VMs of one signature may differ in their wishes", got)
	}
}

// Launcher pods of VMs with different wishes are equal. With batching as without it, each has to be on the host that is
// best for it among those that were free.
func TestBatchingPlacesAsWell(t *testing.T) {
	for _, on := range []bool{false, true} {
		t.Run(fmt.Sprintf("batching %t", on), func(t *testing.T) {
			var batched float64
			for seed := range uint64(4) {
				s := runOfTwins(rand.New(rand.NewPCG(seed, 7)))
				placed, hints := s.place(t, on)
				batched += hints
				verify(t, s, placed)
			}
			if (batched > 0) != on {
				t.Errorf("%v pods were batched", batched)
			}
		})
	}
}

// runOfTwins makes VMs whose pods are alike but for their VM, one after the other, some of which can go anywhere later
// and some of which cannot; and plain pods that are alike. Each host takes one pod.
func runOfTwins(r *rand.Rand) *run {
	s := &run{}
	kinds := []simlabels.CPU{simlabels.Skylake(), simlabels.Cascadelake(), simlabels.Icelake()}
	for i := range 9 {
		s.nodes = append(s.nodes, makeNode(fmt.Sprintf("vms-%d", i), kinds[i%3]).Allocatable("pods", "1").Obj())
		vm := vmi(typesUID(i))
		if r.IntN(2) == 0 {
			vm = vmi(typesUID(i), cpuModel("Haswell"))
		}
		s.vmis, s.pods = append(s.vmis, vm), append(s.pods, makeVM(vm.UID).Obj())
	}
	for i := range 4 {
		s.nodes = append(s.nodes, makeBareNode(fmt.Sprintf("plain-%d", i)).With(kubevirtv1.NodeSchedulable, "false").Allocatable("pods", "1").Obj())
		s.pods = append(s.pods, makePod(fmt.Sprintf("plain-%d", i)).Selector(kubevirtv1.NodeSchedulable, "false").Obj())
	}
	return s
}

// verify goes through the VMs in their order, with a profile that places nothing; scores do not depend on what is placed.
func verify(t *testing.T, s *run, placed map[string]string) {
	t.Helper()
	ctx := testContext(t)
	p := mustProfile(ctx, t, cluster{nodes: s.nodes, vmis: s.vmis}, args(func(a *config.VMNodeSelectionArgs) { a.MigratabilitySaturation = 100 }))
	taken := map[string]bool{}
	for _, pod := range s.pods {
		host, ok := placed[pod.Name]
		if !ok {
			t.Errorf("%s was not placed; there is a host for each", pod.Name)
		}
		scores, best := p.cycle(ctx, t, pod).Scores, int64(-1)
		for name, score := range scores {
			if !taken[name] {
				best = max(best, score)
			}
		}
		if score := scores[host]; scores != nil && score != best {
			t.Errorf("%s was placed on %s with score %d; the best that was free has %d", pod.Name, host, score, best)
		}
		taken[host] = true
	}
}

func TestNewRefuses(t *testing.T) {
	tests := map[string]struct {
		args runtime.Object
		want string
	}{
		"bad values": {
			args: args(func(a *config.VMNodeSelectionArgs) { a.HeartbeatTolerance, a.MigratabilitySaturation = time.Minute, 0 }),
			want: `initializing plugin "VMNodeSelection": [args.heartbeatTolerance: Invalid value: "1m0s": must be in the range [150s, 1h]: a virt-handler beats every 60 to 132 s, ` +
				`args.migratabilitySaturation: Invalid value: 0: must be in the range [1, 100]]`,
		},
		"another plugin's arguments": {
			args: &schedulerconfig.NodeAffinityArgs{},
			want: `initializing plugin "VMNodeSelection": want args to be of type VMNodeSelectionArgs, got *config.NodeAffinityArgs`,
		},
		"none": {want: `initializing plugin "VMNodeSelection": want args to be of type VMNodeSelectionArgs, got <nil>`},
	}
	for name, tc := range tests {
		t.Run(name, func(t *testing.T) {
			_, err := cluster{}.profile(testContext(t), t, tc.args)
			if err == nil || err.Error() != tc.want {
				t.Errorf("error %v, want %s", err, tc.want)
			}
		})
	}
}
