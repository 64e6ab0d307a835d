// Copyright The virt-scheduler Authors.
// SPDX-License-Identifier: Apache-2.0

package failover

import (
	"fmt"
	"testing"
	"time"

	"pgregory.net/rapid"

	failurev1alpha1 "github.com/virt-scheduler/virt-scheduler/pkg/apis/failure/v1alpha1"
)

var strategies = []string{strategyAlways, strategyRerunOnFailure, strategyManual, strategyOnce, strategyHalted}

// drawVMs makes the VMs of a run: at home on n1, or moving to or from it.
func drawVMs(t *rapid.T) []*modelVM {
	n := rapid.IntRange(0, 4).Draw(t, "vms")
	vms := make([]*modelVM, 0, n)
	for i := range n {
		vm := &modelVM{name: fmt.Sprintf("vm%d", i), strategy: rapid.SampledFrom(strategies).Draw(t, "strategy")}
		switch rapid.SampledFrom([]string{"home", "home", "source", "target"}).Draw(t, "role") {
		case "source":
			vm.source, vm.target = "n1", "n2"
		case "target":
			vm.source, vm.target = "n2", "n1"
		}
		vms = append(vms, vm)
	}
	return vms
}

// actions are what may happen to the world between two passes.
var actions = map[string]func(w *world){
	"power cut":          func(w *world) { w.power(&w.host, false) },
	"power on":           func(w *world) { w.power(&w.host, true) },
	"partition":          func(w *world) { w.host.partition = true },
	"heal":               func(w *world) { w.host.partition = false },
	"kubelet stops":      func(w *world) { w.host.kubelet = false },
	"kubelet starts":     func(w *world) { w.host.kubelet = true },
	"network plugin out": func(w *world) { w.host.netBroken = true },
	"network plugin in":  func(w *world) { w.host.netBroken = false },
	"BMC unreachable":    func(w *world) { w.bmc.unreachable = true },
	"BMC reachable":      func(w *world) { w.bmc.unreachable = false },
	"BMC swapped":        func(w *world) { w.bmc.swapped = true },
	"BMC put right":      func(w *world) { w.bmc.swapped, w.bmc.noUUID, w.bmc.stuck, w.bmc.disabled = false, false, false, "" },
	"BMC tells no UUID":  func(w *world) { w.bmc.noUUID = true },
	"BMC stuck":          func(w *world) { w.bmc.stuck = true },
	"BMC disabled":       func(w *world) { w.bmc.disabled = "mapped to two nodes" },
	"ignores power-off":  func(w *world) { w.host.ignoresOff = true },
	"obeys power-off":    func(w *world) { w.host.ignoresOff = false },
	"foreign OOS":        func(w *world) { w.node.foreignOOS = !w.host.on && w.node.ready != "True" },
	"foreign OOS off":    func(w *world) { w.node.foreignOOS = false },
	"token noise":        func(w *world) { w.token = "node-1/boot-0" },
	"token removed":      func(w *world) { w.token = "" },
	"other machine on":   func(w *world) { w.power(&w.other, true) },
	"other machine off":  func(w *world) { w.power(&w.other, false) },
	"node deleted": func(w *world) {
		if w.node.exists && !w.host.on {
			w.node.exists, w.node.deletedAt, w.nodeDeleted = false, w.now, true
			w.node.tainted, w.node.oos, w.node.foreignOOS, w.node.ready = false, false, false, ""
		}
	},
	"node registered": func(w *world) {
		if !w.node.exists {
			w.node.exists, w.node.ready = true, "False"
			w.node.uid++
		}
	},
	"migrations progress": func(w *world) {
		for _, vm := range w.vms {
			w.progress(vm)
		}
	},
	"new pod": func(w *world) {
		for _, vm := range w.vms {
			if vm.phase == vmiFailed && vm.pods["n1"] == nil && vm.strategy == strategyManual && w.node.exists && !w.node.tainted {
				// Somebody starts a Manual VM, and the scheduler has not seen the taint yet.
				vm.run++
				vm.phase, vm.node = "Scheduled", "n1"
				vm.pods["n1"] = w.newPod(false)
			}
		}
	},
}

func actionNames() []string {
	names := make([]string, 0, len(actions))
	for name := range actions {
		names = append(names, name)
	}
	return sorted(names)
}

// drawFault lets one pass in n go wrong.
func drawFault(t *rapid.T, n int) fault {
	if rapid.IntRange(1, n).Draw(t, "faulty") != n {
		return faultNone
	}
	return rapid.SampledFrom([]fault{faultStoreFails, faultCrash, faultCrashMidway}).Draw(t, "fault")
}

const stepsPerRun = 220

// chaos lets anything happen, with the invariants checked on every pass. It returns how many passes there were.
func chaos(t *rapid.T, plant func(*simWatcher)) *simWatcher {
	w := newWorld(drawVMs(t))
	s := newSimWatcher(t, w)
	if plant != nil {
		plant(s)
	}
	names := actionNames()
	if rapid.Bool().Draw(t, "slow") {
		// The watcher is paused between a decision and its effects, and the machine may be back when it goes on.
		s.between = func() {
			if rapid.IntRange(1, 3).Draw(t, "paused") != 3 {
				return
			}
			if rapid.Bool().Draw(t, "back") && !w.host.on {
				actions["power on"](w)
			}
			w.advance(time.Duration(rapid.IntRange(200, 20000).Draw(t, "pause")) * time.Millisecond)
		}
	}
	// Most runs begin with the death of the node, or nothing would be seen in most of them.
	calm := rapid.IntRange(0, 30).Draw(t, "calm")
	for i := range stepsPerRun {
		if i == calm {
			actions[rapid.SampledFrom([]string{"power cut", "partition", "kubelet stops", "network plugin out"}).Draw(t, "death")](w)
		}
		if rapid.IntRange(1, 12).Draw(t, "act") == 12 {
			actions[rapid.SampledFrom(names).Draw(t, "action")](w)
		}
		if rapid.IntRange(1, 60).Draw(t, "token") == 60 && s.open && !w.host.on {
			w.token = TokenFor(s.spec) // the administrator has looked
		}
		w.advance(time.Duration(rapid.IntRange(200, 6000).Draw(t, "ms")) * time.Millisecond)
		if w.host.on && w.token == TokenFor(s.spec) {
			w.token = "" // and does not lie
		}
		if !s.open || !w.now.Before(s.wakeAt) || rapid.Bool().Draw(t, "woken") {
			s.pass(drawFault(t, 12))
		}
		if w.twice != "" {
			t.Fatalf("%s runs twice", w.twice)
		}
	}
	return s
}

func TestChaos(t *testing.T) {
	steps, phases := 0, map[failurev1alpha1.Phase]int{}
	kinds := map[failurev1alpha1.ProofKind]int{}
	rapid.Check(t, func(t *rapid.T) {
		s := chaos(t, nil)
		steps += stepsPerRun
		for _, status := range append(s.closed, s.stored) {
			for _, tr := range status.Transitions {
				phases[tr.Phase]++
			}
			if status.Fence != nil && status.Fence.Proof != nil {
				kinds[status.Fence.Proof.Kind]++
			}
		}
	})
	t.Logf("%d steps; phases entered: %v; proofs: %v", steps, phases, kinds)
	if steps < 20000 {
		t.Errorf("only %d steps, want 20000", steps)
	}
	for _, phase := range allPhases {
		if phases[phase] == 0 {
			t.Errorf("phase %s was never entered: the model does not reach it", phase)
		}
	}
	for _, kind := range []failurev1alpha1.ProofKind{failurev1alpha1.ProofAlreadyOff, failurev1alpha1.ProofPoweredOff, failurev1alpha1.ProofManual} {
		if kinds[kind] == 0 {
			t.Errorf("no run ended in proof %s", kind)
		}
	}
}

// TestPowerLossEnds is the liveness of the main path: with a readable BMC, whatever crashes and fails for a while, every home
// pod is released and every VM settled; and when the machine comes back the marks go.
func TestPowerLossEnds(t *testing.T) {
	rapid.Check(t, func(t *rapid.T) {
		w := newWorld(drawVMs(t))
		s := newSimWatcher(t, w)
		run := func(until func() bool, limit time.Duration, what string) {
			t.Helper()
			for end := w.now.Add(limit); !until(); {
				if w.now.After(end) {
					t.Fatalf("%s: not within %s: open %v, %s, %+v", what, limit, s.open, describe(s.stored), s.stored.VMs)
				}
				w.advance(500 * time.Millisecond)
				if rapid.IntRange(1, 20).Draw(t, "moves") == 20 {
					actions["migrations progress"](w)
				}
				if !s.open || !w.now.Before(s.wakeAt) {
					s.pass(drawFault(t, 12))
				}
			}
		}
		w.advance(time.Duration(rapid.IntRange(0, 20000).Draw(t, "before")) * time.Millisecond)
		actions["power cut"](w)
		run(func() bool {
			return s.open && s.stored.Phase == failurev1alpha1.PhaseReturning && s.stored.OutOfServiceAt == nil
		},
			10*time.Minute, "recovery")
		for _, vm := range w.vms {
			if vm.pods["n1"] != nil {
				t.Fatalf("%s still has its pod on n1", vm.name)
			}
			restarts := vm.strategy == strategyAlways || vm.strategy == strategyRerunOnFailure
			if restarts && !vm.running["n2"] {
				t.Fatalf("%s (%s) does not run: %+v", vm.name, vm.strategy, s.stored.VMs)
			}
		}
		actions["power on"](w)
		run(func() bool { return !s.open }, 10*time.Minute, "return")
		if w.node.tainted || w.node.oos {
			t.Fatalf("marks are left: tainted %v, out-of-service %v", w.node.tainted, w.node.oos)
		}
		if len(w.poweredOff) != 0 {
			t.Fatalf("a machine that was off was powered off: %v", w.poweredOff)
		}
	})
}

// TestPartitionEnds is the liveness of the other path: a machine that runs on without its network is powered off and its VMs
// run elsewhere, each once.
func TestPartitionEnds(t *testing.T) {
	rapid.Check(t, func(t *rapid.T) {
		w := newWorld(drawVMs(t))
		s := newSimWatcher(t, w)
		actions["partition"](w)
		crashes := 0
		for end := w.now.Add(15 * time.Minute); s.stored.Phase != failurev1alpha1.PhaseReturning; {
			if w.now.After(end) {
				t.Fatalf("not within 15m: %s, %+v", describe(s.stored), s.stored.VMs)
			}
			w.advance(500 * time.Millisecond)
			if !s.open || !w.now.Before(s.wakeAt) {
				f := drawFault(t, 12)
				if f == faultCrash || f == faultCrashMidway {
					// A power-off that a crash lost is an attempt used up, and there are three.
					if crashes++; crashes >= int(s.policy.MaxAttempts) {
						f = faultStoreFails
					}
				}
				s.pass(f)
			}
		}
		if s.stored.Fence.Proof.Kind != failurev1alpha1.ProofPoweredOff {
			t.Fatalf("proof %s, want PoweredOff", s.stored.Fence.Proof.Kind)
		}
		if w.twice != "" {
			t.Fatalf("%s runs twice", w.twice)
		}
	})
}
