// Copyright The virt-scheduler Authors.
// SPDX-License-Identifier: Apache-2.0

package plot

import (
	"fmt"

	kubevirtv1 "kubevirt.io/api/core/v1"

	"github.com/virt-scheduler/virt-scheduler/hack/devcluster/ledger"
	failurev1alpha1 "github.com/virt-scheduler/virt-scheduler/pkg/apis/failure/v1alpha1"
)

// judge compares one VM with what was due.
type judge struct {
	Case
	before, after Sight
	lives         []ledger.Guest
	problems      []string
}

func (j *judge) want(ok bool, format string, args ...any) {
	if !ok {
		j.problems = append(j.problems, fmt.Sprintf(format, args...))
	}
}

// live returns the guests that run at the end.
func (j *judge) live() []ledger.Guest {
	var live []ledger.Guest
	for _, g := range j.lives {
		if g.Live() {
			live = append(live, g)
		}
	}
	return live
}

// oneGuest wants the API's running VMI to be the one guest that lives, and returns it.
func (j *judge) oneGuest() (ledger.Guest, bool) {
	live := j.live()
	j.want(j.after.Running(), "its VMI is %q", j.after.Phase)
	j.want(len(live) == 1, "%d guests run by the ledger: %v", len(live), live)
	if len(live) != 1 {
		return ledger.Guest{}, false
	}
	j.want(live[0].Node == j.after.Node && live[0].VMIUID == j.after.VMIUID,
		"the API says VMI %s runs on %s, the ledger says VMI %s on %s",
		j.after.VMIUID, j.after.Node, live[0].VMIUID, live[0].Node)
	return live[0], true
}

func (j *judge) noGuest() {
	live := j.live()
	j.want(len(live) == 0, "guests run by the ledger: %v", live)
}

// notStarted wants no guest to have started since the cut, not even for a moment.
func (j *judge) notStarted() {
	for _, g := range j.lives {
		j.want(g.From.Before(j.Cut), "a guest was started %.1f s after the failure: %s", g.From.Sub(j.Cut).Seconds(), g)
	}
}

func (j *judge) restarted() {
	j.want(j.after.VMIUID != j.before.VMIUID, "it is still the VMI from before the failure")
	j.want(j.after.Node != j.Dead, "it is on the failed node")
	guest, ok := j.oneGuest()
	if !ok || j.Record == nil || j.Record.Status.Fence == nil || j.Record.Status.Fence.Proof == nil {
		return
	}
	proof := j.Record.Status.Fence.Proof.At.Time
	j.want(guest.From.After(proof), "its new guest started %.1f s before the proof that the old one is dead",
		proof.Sub(guest.From).Seconds())
	for _, g := range j.lives {
		j.want(!g.From.After(j.Cut) || g == guest, "it was started more than once since the failure: %s", g)
	}
}

func (j *judge) leftFailed() {
	j.want(j.after.VMIUID == j.before.VMIUID, "its VMI was %s, is %q", j.before.VMIUID, j.after.VMIUID)
	j.want(j.after.Phase == kubevirtv1.Failed, "its VMI is %q, not Failed", j.after.Phase)
	j.noGuest()
	j.notStarted()
}

func (j *judge) leftOff() {
	j.want(j.after.VMIUID == "", "it has a VMI, %s", j.after.Phase)
	j.want(len(j.lives) == 0, "it had guests: %v", j.lives)
}

func (j *judge) undisturbed() {
	j.want(j.before.Running(), "it did not run before the failure: %q", j.before.Phase)
	j.want(j.after.VMIUID == j.before.VMIUID, "its VMI was %s, is %q", j.before.VMIUID, j.after.VMIUID)
	j.want(j.after.Node == j.before.Node, "it was on %s, is on %q", j.before.Node, j.after.Node)
	if guest, ok := j.oneGuest(); ok {
		j.want(guest.From.Before(j.Cut), "its guest started %.1f s after the failure", guest.From.Sub(j.Cut).Seconds())
	}
}

// recorded compares the failure-watcher's record with what was due. A VM of the dead node has exactly one line there.
func (j *judge) recorded(due Due, name string) {
	if j.Record == nil {
		return // reported once for all
	}
	var lines []failurev1alpha1.VMRecord
	for _, r := range j.Record.Status.VMs {
		if r.Namespace == j.Namespace && r.Name == name {
			lines = append(lines, r)
		}
	}
	want := due.recorded()
	if want == "" {
		return // a line about it is reported by recordProblems
	}
	if len(lines) != 1 {
		j.want(false, "the watcher recorded it %d times", len(lines))
		return
	}
	line := lines[0]
	j.want(line.Due == want, "the watcher recorded %q as due, not %q", line.Due, want)
	j.want(line.State == failurev1alpha1.VMSettled, "the watcher left it %s: %s", line.State, line.Outcome)
	j.want(string(line.VMIUID) == j.before.VMIUID, "the watcher recorded VMI %s, it was %s", line.VMIUID, j.before.VMIUID)
	if due == Restarted {
		j.want(line.NewNode == j.after.Node, "the watcher recorded %q as its new node", line.NewNode)
		j.want(string(line.NewVMIUID) == j.after.VMIUID, "the watcher recorded VMI %q as its new one", line.NewVMIUID)
	}
}
