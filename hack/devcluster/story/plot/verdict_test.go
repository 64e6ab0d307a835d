// Copyright The virt-scheduler Authors.
// SPDX-License-Identifier: Apache-2.0

package plot

import (
	"strings"
	"testing"
	"time"

	corev1 "k8s.io/api/core/v1"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	"k8s.io/apimachinery/pkg/types"
	kubevirtv1 "kubevirt.io/api/core/v1"

	"github.com/virt-scheduler/virt-scheduler/hack/devcluster/simhost"
	failurev1alpha1 "github.com/virt-scheduler/virt-scheduler/pkg/apis/failure/v1alpha1"
)

const testNamespace = "story"

var cut = time.Date(2026, 1, 1, 12, 0, 0, 0, time.UTC)

func after(seconds float64) time.Time { return cut.Add(time.Duration(seconds * float64(time.Second))) }

// lives is the end of a guest that has none.
const lives = -1000

// guest adds one life to a ledger, in seconds since the cut.
func guest(c *Case, vm, vmi, node string, from, until float64, why string) {
	add := func(event, why string, at float64) {
		c.Guests = append(c.Guests, simhost.GuestEvent{
			Seq: len(c.Guests) + 1, At: after(at), Namespace: testNamespace, VMI: vm, VMIUID: vmi, PodUID: "pod-" + vmi,
			Node: node, Event: event, Why: why,
		})
	}
	add(simhost.GuestStarted, simhost.WhyPodStarted, from)
	if until != lives {
		add(simhost.GuestStopped, why, until)
	}
}

func sight(name string, strategy kubevirtv1.VirtualMachineRunStrategy, vmi, node string,
	phase kubevirtv1.VirtualMachineInstancePhase,
) Sight {
	s := Sight{Name: name, RunStrategy: strategy, VMIUID: vmi, Node: node, Phase: phase}
	if vmi != "" {
		s.Pods = []PodSight{{Name: "virt-launcher-" + name, Node: node, SchedulerName: SchedulerName}}
	}
	return s
}

func line(name, vmi string, due failurev1alpha1.VMDue, newVMI, newNode string) failurev1alpha1.VMRecord {
	return failurev1alpha1.VMRecord{
		Namespace: testNamespace, Name: name, VMIUID: types.UID(vmi), PodUID: types.UID("pod-" + vmi), Due: due,
		State: failurev1alpha1.VMSettled, NewVMIUID: types.UID(newVMI), NewNode: newNode,
	}
}

// goodCase is a failure of n1 after which all is as it must be.
func goodCase() *Case {
	vms := []VM{
		{Name: "always", RunStrategy: kubevirtv1.RunStrategyAlways},
		{Name: "rerun", RunStrategy: kubevirtv1.RunStrategyRerunOnFailure},
		{Name: "manual", RunStrategy: kubevirtv1.RunStrategyManual},
		{Name: "once", RunStrategy: kubevirtv1.RunStrategyOnce},
		{Name: "halted", RunStrategy: kubevirtv1.RunStrategyHalted},
		{Name: "other", RunStrategy: kubevirtv1.RunStrategyAlways},
	}
	c := &Case{
		Namespace: testNamespace, VMs: vms, Dead: "n1", Cut: cut,
		Before: View{
			VMs: map[string]Sight{"halted": sight("halted", kubevirtv1.RunStrategyHalted, "", "", "")},
			Nodes: map[string]NodeSight{
				"n1": {Name: "n1", Ready: true, BootID: "b1"}, "n2": {Name: "n2", Ready: true, BootID: "b2"},
			},
		},
		After: View{
			VMs: map[string]Sight{"halted": sight("halted", kubevirtv1.RunStrategyHalted, "", "", "")},
			Nodes: map[string]NodeSight{
				"n1": {Name: "n1", Ready: true, BootID: "b1-again"}, "n2": {Name: "n2", Ready: true, BootID: "b2"},
			},
		},
	}
	for _, vm := range vms[:4] {
		c.Before.VMs[vm.Name] = sight(vm.Name, vm.RunStrategy, vm.Name+"-1", "n1", kubevirtv1.Running)
		guest(c, vm.Name, vm.Name+"-1", "n1", -60, 0.01, simhost.WhyPowerOff)
	}
	for _, vm := range vms[:2] {
		c.After.VMs[vm.Name] = sight(vm.Name, vm.RunStrategy, vm.Name+"-2", "n2", kubevirtv1.Running)
		guest(c, vm.Name, vm.Name+"-2", "n2", 35, lives, "")
	}
	for _, vm := range vms[2:4] {
		c.After.VMs[vm.Name] = sight(vm.Name, vm.RunStrategy, vm.Name+"-1", "n1", kubevirtv1.Failed)
	}
	other := sight("other", kubevirtv1.RunStrategyAlways, "other-1", "n2", kubevirtv1.Running)
	c.Before.VMs["other"], c.After.VMs["other"] = other, other
	guest(c, "other", "other-1", "n2", -60, lives, "")
	c.Record = &failurev1alpha1.NodeFailure{ObjectMeta: metav1.ObjectMeta{Name: "nf"}}
	c.Record.Status = failurev1alpha1.NodeFailureStatus{
		Phase: failurev1alpha1.PhaseClosed,
		Fence: &failurev1alpha1.Fence{Proof: &failurev1alpha1.Proof{At: metav1.NewMicroTime(after(31))}},
		VMs: []failurev1alpha1.VMRecord{
			line("always", "always-1", failurev1alpha1.DueRestart, "always-2", "n2"),
			line("rerun", "rerun-1", failurev1alpha1.DueRestart, "rerun-2", "n2"),
			line("manual", "manual-1", failurev1alpha1.DueStayFailed, "", ""),
			line("once", "once-1", failurev1alpha1.DueStayFailed, "", ""),
		},
	}
	return c
}

func TestProblems(t *testing.T) {
	change := func(c *Case, name string, f func(*Sight)) {
		s := c.After.VMs[name]
		f(&s)
		c.After.VMs[name] = s
	}
	changeNode := func(c *Case, name string, f func(*NodeSight)) {
		n := c.After.Nodes[name]
		f(&n)
		c.After.Nodes[name] = n
	}
	tests := map[string]struct {
		spoil func(*Case)
		want  []string // parts, one per problem, in order
	}{
		"all as due": {spoil: func(*Case) {}},
		"Always not restarted": {
			spoil: func(c *Case) {
				c.After.VMs["always"] = c.Before.VMs["always"]
				c.Guests = c.Guests[:8] // the new guests never started, nor "other"
				guest(c, "rerun", "rerun-2", "n2", 35, lives, "")
				guest(c, "other", "other-1", "n2", -60, lives, "")
			},
			want: []string{
				"always (Always, due: restarted elsewhere): it is still the VMI", "it is on the failed node",
				"0 guests run", `recorded "n2" as its new node`, `recorded VMI "always-2" as its new one`,
			},
		},
		"restarted, but no guest runs": {
			spoil: func(c *Case) {
				c.Guests = append(c.Guests, simhost.GuestEvent{
					Seq: len(c.Guests) + 1, At: after(40), Namespace: testNamespace, VMI: "rerun", VMIUID: "rerun-2",
					PodUID: "pod-rerun-2", Node: "n2", Event: simhost.GuestStopped,
				})
			},
			want: []string{"rerun (RerunOnFailure, due: restarted elsewhere): 0 guests run"},
		},
		"restarted before the proof": {
			spoil: func(c *Case) { c.Record.Status.Fence.Proof.At = metav1.NewMicroTime(after(36)) },
			want:  []string{"always (Always, due: restarted elsewhere): its new guest started 1.0 s before the proof", "rerun"},
		},
		"restarted while the old guest ran": {
			spoil: func(c *Case) { c.Guests[1].At = after(36) },
			want:  []string{"ledger of guests: OneGuest: story/always"},
		},
		"Manual started again": {
			spoil: func(c *Case) {
				change(c, "manual", func(s *Sight) { s.VMIUID, s.Phase, s.Node = "manual-2", kubevirtv1.Running, "n2" })
				guest(c, "manual", "manual-2", "n2", 40, lives, "")
			},
			want: []string{
				`manual (Manual, due: left failed): its VMI was manual-1, is "manual-2"`, "not Failed", "guests run by the ledger",
				"was started 40.0 s after the failure",
			},
		},
		"Once started again, for a moment": {
			spoil: func(c *Case) { guest(c, "once", "once-2", "n2", 40, 41, simhost.WhyPodGone) },
			want:  []string{"once (Once, due: left failed): a guest was started 40.0 s after"},
		},
		"Once without its VMI": {
			spoil: func(c *Case) { c.After.VMs["once"] = sight("once", kubevirtv1.RunStrategyOnce, "", "", "") },
			want:  []string{`its VMI was once-1, is ""`, `its VMI is "", not Failed`},
		},
		"Halted started": {
			spoil: func(c *Case) {
				change(c, "halted", func(s *Sight) {
					*s = sight("halted", kubevirtv1.RunStrategyAlways, "halted-1", "n2", kubevirtv1.Running)
				})
				guest(c, "halted", "halted-1", "n2", 40, lives, "")
			},
			want: []string{"halted (Halted, due: left off): it has a VMI", "it had guests", `runStrategy is now "Always"`},
		},
		"another node's VM was restarted": {
			spoil: func(c *Case) { change(c, "other", func(s *Sight) { s.VMIUID = "other-2" }) },
			want: []string{
				`other (Always, due: undisturbed): its VMI was other-1, is "other-2"`, "the ledger says VMI other-1 on n2",
			},
		},
		"guest of nobody": {
			spoil: func(c *Case) { guest(c, "ghost", "ghost-1", "n2", 1, lives, "") },
			want:  []string{"a guest of story/ghost runs"},
		},
		"placed by another scheduler": {
			spoil: func(c *Case) {
				change(c, "other", func(s *Sight) { s.Pods = []PodSight{{Name: "p", SchedulerName: "default-scheduler"}} })
			},
			want: []string{`pod p has schedulerName "default-scheduler"`},
		},
		"no record": {
			spoil: func(c *Case) { c.Record = nil },
			want:  []string{"the failure-watcher made no NodeFailure of n1"},
		},
		"another incident": {
			spoil: func(c *Case) { c.Others = []string{"nf-2 of node n1"} },
			want:  []string{"made another NodeFailure: nf-2 of node n1"},
		},
		"record without proof, still open": {
			spoil: func(c *Case) { c.Record.Status.Fence, c.Record.Status.Phase = nil, failurev1alpha1.PhaseReturning },
			want:  []string{"nf has no proof", "nf is Returning"},
		},
		"record with another due": {
			spoil: func(c *Case) { c.Record.Status.VMs[2].Due = failurev1alpha1.DueRestart },
			want:  []string{`recorded "Restart" as due, not "StayFailed"`},
		},
		"record left unsettled": {
			spoil: func(c *Case) { c.Record.Status.VMs[0].State = failurev1alpha1.VMReleased },
			want:  []string{"the watcher left it Released"},
		},
		"VM not recorded": {
			spoil: func(c *Case) { c.Record.Status.VMs = c.Record.Status.VMs[1:] },
			want:  []string{"always (Always, due: restarted elsewhere): the watcher recorded it 0 times"},
		},
		"VM of another node recorded": {
			spoil: func(c *Case) {
				c.Record.Status.VMs = append(c.Record.Status.VMs, line("other", "other-1", failurev1alpha1.DueRestart, "", ""))
			},
			want: []string{"nf records story/other, which did not run on n1"},
		},
		"node not taken in": {
			spoil: func(c *Case) {
				changeNode(c, "n1", func(n *NodeSight) {
					n.Ready, n.BootID = false, "b1"
					n.Taints = []corev1.Taint{{Key: failurev1alpha1.TaintKey, Value: "x", Effect: corev1.TaintEffectNoSchedule}}
				})
			},
			want: []string{"node n1 has taint virt-scheduler.io/node-failure=x:NoSchedule", "node n1 is not Ready", "node n1: boot ID"},
		},
		"another node rebooted": {
			spoil: func(c *Case) { changeNode(c, "n2", func(n *NodeSight) { n.BootID = "b3" }) },
			want:  []string{"node n2: boot ID"},
		},
	}
	for name, tc := range tests {
		t.Run(name, func(t *testing.T) {
			c := goodCase()
			tc.spoil(c)
			got := c.Problems(c.Outcomes())
			if len(got) != len(tc.want) {
				t.Fatalf("Problems() = %d, want %d:\n%s", len(got), len(tc.want), strings.Join(got, "\n"))
			}
			for i, want := range tc.want {
				if !strings.Contains(got[i], want) {
					t.Errorf("problem %d = %q, want %q in it", i, got[i], want)
				}
			}
		})
	}
}

func TestOutcomes(t *testing.T) {
	c := goodCase()
	type short struct {
		Due      Due
		Happened string
		NewNode  string
		Away     float64
	}
	want := map[string]short{
		"always": {Restarted, "new VMI, Running", "n2", 34.99},
		"rerun":  {Restarted, "new VMI, Running", "n2", 34.99},
		"manual": {LeftFailed, "same VMI, Failed", "", -1},
		"once":   {LeftFailed, "same VMI, Failed", "", -1},
		"halted": {LeftOff, "stayed off", "", -1},
		"other":  {Undisturbed, "same VMI, Running", "", -1},
	}
	for _, o := range c.Outcomes() {
		got := short{o.Due, o.Happened, o.NewNode, -1}
		if o.AwaySeconds != nil {
			got.Away = *o.AwaySeconds
		}
		if got != want[o.Name] {
			t.Errorf("%s: %+v, want %+v", o.Name, got, want[o.Name])
		}
	}
}

func TestPickVictim(t *testing.T) {
	running := func(name, node string, strategy kubevirtv1.VirtualMachineRunStrategy, disk bool) Sight {
		s := sight(name, strategy, name, node, kubevirtv1.Running)
		s.Disk = disk
		return s
	}
	const always, manual, once = kubevirtv1.RunStrategyAlways, kubevirtv1.RunStrategyManual, kubevirtv1.RunStrategyOnce
	tests := map[string]struct {
		vms  []Sight
		want string // empty: none
	}{
		"needs both kinds": {
			vms:  []Sight{running("a", "n1", always, false), running("b", "n2", always, false), running("c", "n2", once, false)},
			want: "n2",
		},
		"most runStrategies": {
			vms: []Sight{
				running("a", "n1", always, false), running("b", "n1", manual, false), running("c", "n1", manual, false),
				running("d", "n2", always, false), running("e", "n2", manual, false), running("f", "n2", once, false),
			},
			want: "n2",
		},
		"a disk that must move is worth more": {
			vms: []Sight{
				running("a", "n1", always, true), running("b", "n1", manual, false),
				running("d", "n2", always, false), running("e", "n2", manual, true), running("f", "n2", once, false),
			},
			want: "n1",
		},
		"one with and one without a disk is worth more than two with": {
			vms: []Sight{
				running("a", "n1", always, true), running("b", "n1", always, true), running("c", "n1", manual, false),
				running("d", "n1", once, false),
				running("e", "n2", always, true), running("f", "n2", always, false), running("g", "n2", manual, false),
			},
			want: "n2",
		},
		"the first of equals": {
			vms: []Sight{
				running("a", "n2", always, false), running("b", "n2", manual, false),
				running("d", "n1", always, false), running("e", "n1", manual, false),
			},
			want: "n1",
		},
		"none": {vms: []Sight{running("a", "n1", always, false), running("b", "n2", manual, false)}},
	}
	for name, tc := range tests {
		t.Run(name, func(t *testing.T) {
			view := View{VMs: map[string]Sight{}, Nodes: map[string]NodeSight{"n1": {Name: "n1"}, "n2": {Name: "n2"}}}
			for _, s := range tc.vms {
				view.VMs[s.Name] = s
			}
			got, err := PickVictim(view)
			if got != tc.want || (err == nil) != (tc.want != "") {
				t.Errorf("PickVictim() = %q, %v, want %q", got, err, tc.want)
			}
		})
	}
}
