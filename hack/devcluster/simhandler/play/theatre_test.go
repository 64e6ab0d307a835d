// Copyright The virt-scheduler Authors.
// SPDX-License-Identifier: Apache-2.0

package play

import (
	"slices"
	"testing"
	"time"

	corev1 "k8s.io/api/core/v1"
	"k8s.io/apimachinery/pkg/types"
	virtv1 "kubevirt.io/api/core/v1"

	"github.com/virt-scheduler/virt-scheduler/hack/devcluster/simhandler/guests"
	"github.com/virt-scheduler/virt-scheduler/hack/devcluster/simhost"
)

// theatre carries steps out against a real World and objects in memory, with a clock that is moved by hand.
type theatre struct {
	t        *testing.T
	now      time.Time
	world    *guests.World
	vmi      *virtv1.VirtualMachineInstance
	pods     []*corev1.Pod
	attached map[string]string
	detached map[string]bool // pods whose volumes are not attached
	// updates are who wrote the VMI, in order.
	updates []string
}

func newTheatre(t *testing.T, vmi *virtv1.VirtualMachineInstance, pods ...*corev1.Pod) *theatre {
	t.Helper()
	th := &theatre{
		t: t, now: epoch, world: guests.NewWorld(nil), vmi: vmi, pods: pods,
		attached: map[string]string{"a": "a-1", "b": "b-1"}, detached: map[string]bool{},
	}
	th.set(makeHost("a").Obj(), makeHost("b").Obj())
	return th
}

func (th *theatre) set(hosts ...simhost.HostState) {
	th.t.Helper()
	if _, err := th.world.SetMachines(hosts); err != nil {
		th.t.Fatal(err)
	}
}

func (th *theatre) view() View {
	v := View{
		Now: th.now, Timing: DefaultTiming(), VMI: th.vmi, Pods: th.pods, Machine: th.world.Machine, Exit: th.world.Exit,
		Attached:     func(node string) bool { return th.attached[node] == th.world.Machine(node).BootID },
		VolumesReady: func(p *corev1.Pod) bool { return !th.detached[p.Name] },
	}
	if g, ok := th.world.Guest(th.vmi.UID); ok {
		v.Guest = &g
	}
	if m, ok := th.world.Move(th.vmi.UID); ok {
		v.Move = &m
	}
	return v
}

func (th *theatre) podView(pod *corev1.Pod) PodView {
	node := pod.Spec.NodeName
	v := PodView{
		Now: th.now, Timing: DefaultTiming(), Pod: pod, Machine: th.world.Machine(node), VMI: th.vmi,
		Attached: th.attached[node] == th.world.Machine(node).BootID, VolumesReady: !th.detached[pod.Name],
		HostIP: "198.18.0.1", PodIP: "10.128.0.1",
	}
	if g, ok := th.world.Guest(th.vmi.UID); ok && g.PodUID == pod.UID {
		v.Guest = &g
	}
	if e, ok := th.world.Exit(pod.UID); ok {
		v.Exit = &e
	}
	return v
}

// settle carries out steps until nobody has one left at this moment.
func (th *theatre) settle() {
	th.t.Helper()
	for range 100 {
		steps := []Step{NextVMI(th.view())}
		for _, pod := range th.pods {
			steps = append(steps, NextPod(th.podView(pod)))
		}
		i := slices.IndexFunc(steps, func(s Step) bool { return s.Do != Nothing })
		if i < 0 {
			return
		}
		th.carryOut(steps[i])
	}
	th.t.Fatal("no end of steps")
}

// pass lets time go by in steps of 100 ms.
func (th *theatre) pass(d time.Duration) {
	th.t.Helper()
	for end := th.now.Add(d); th.now.Before(end); {
		th.now = th.now.Add(100 * time.Millisecond)
		th.settle()
	}
}

func (th *theatre) carryOut(s Step) {
	th.t.Helper()
	uid := th.vmi.UID
	var err error
	switch s.Do {
	case StartGuest:
		err = th.world.Start(guests.Guest{
			Namespace: "ns", VMI: "vm", VMIUID: uid, PodUID: s.Pod.UID, PodName: s.Pod.Name, Node: s.Node,
		}, th.now)
	case StopGuest:
		err = th.world.Stop(s.Guest.VMIUID, s.Guest.PodUID, th.now, s.Why)
	case BeginMove:
		err = th.world.BeginMove(uid, s.Move, th.now)
	case AdoptMove:
		err = th.world.AdoptMove(uid, s.Move, th.now)
	case BreakMove:
		th.world.BreakMove(uid, th.now, s.Why, s.Aborted)
	case SwitchOver:
		err = th.world.SwitchOver(uid, th.now)
	case EndMove:
		th.world.EndMove(uid)
	case UpdateVMI:
		if !HandlerActs(th.world.Machine(s.Node)) {
			th.t.Fatalf("the dead virt-handler of %s writes", s.Node)
		}
		th.vmi = s.VMI
		th.updates = append(th.updates, s.Node)
	case PatchPod, DeletePod:
		if !KubeletActs(th.world.Machine(s.Node)) {
			th.t.Fatalf("the dead kubelet of %s writes", s.Node)
		}
		i := slices.IndexFunc(th.pods, func(p *corev1.Pod) bool { return p.UID == s.Pod.UID })
		if s.Do == DeletePod {
			th.pods = slices.Delete(th.pods, i, i+1)
		} else {
			th.pods[i] = s.Pod
		}
	default:
		th.t.Fatalf("no such step: %q", s.Do)
	}
	if err != nil {
		th.t.Fatalf("%s: %v", s.Do, err)
	}
}

// guestOn is the node on which the guest is live, empty when there is none.
func (th *theatre) guestOn() string {
	g, _ := th.world.Guest(th.vmi.UID)
	return g.Node
}

func (th *theatre) podPhase(node string) corev1.PodPhase {
	for _, p := range th.pods {
		if p.Spec.NodeName == node {
			return p.Status.Phase
		}
	}
	return "gone"
}

func (th *theatre) whys() []string {
	var out []string
	for _, e := range th.world.Events(0) {
		out = append(out, e.Why)
	}
	return out
}

// neverTwice checks the ledger: no moment with two guests of the VMI.
func (th *theatre) neverTwice() {
	th.t.Helper()
	live := map[types.UID]bool{}
	for _, e := range th.world.Events(0) {
		if e.Event == simhost.GuestStarted {
			if live[types.UID(e.VMIUID)] {
				th.t.Errorf("two guests of VMI %s at %s", e.VMIUID, e.At)
			}
			live[types.UID(e.VMIUID)] = true
		} else {
			live[types.UID(e.VMIUID)] = false
		}
	}
}
