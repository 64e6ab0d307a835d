// Copyright The virt-scheduler Authors.
// SPDX-License-Identifier: Apache-2.0

package play

import (
	"time"

	corev1 "k8s.io/api/core/v1"
	virtv1 "kubevirt.io/api/core/v1"

	"github.com/virt-scheduler/virt-scheduler/hack/devcluster/simhandler/guests"
	"github.com/virt-scheduler/virt-scheduler/hack/devcluster/simhost"
)

// HoldAnnotation on a VMI keeps its migration in a stage, for tests.
const HoldAnnotation = "sim.virt-scheduler.io/hold-migration-at"

// The values of HoldAnnotation.
const (
	// HoldBefore: the source runs and is copied.
	HoldBefore = "before-switchover"
	// HoldAt: the guest has switched over, nothing of it is written to the API yet.
	HoldAt = "at-switchover"
	// HoldAfter: end time and new node are written, "completed" is not.
	HoldAfter = "after-switchover"
)

// Timing is how long things take that take time in reality.
type Timing struct {
	// Detect is from the start of a copy until the target's handler has seen the half-copied guest.
	Detect time.Duration
	// Copy is from the start of a copy to the switch-over.
	Copy time.Duration
	// Fail is from a break of the copy until one of the two sides has noticed.
	Fail time.Duration
	// Farewell bounds how long a kubelet lets a pod whose guest has shut down stand, for virt-handler to report it.
	Farewell time.Duration
	// Heartbeat is the time between two heartbeats of virt-handler.
	Heartbeat time.Duration
}

// DefaultTiming is quick where nothing is learnt from waiting, and KubeVirt's own where its slowness matters.
func DefaultTiming() Timing {
	return Timing{
		Detect:    500 * time.Millisecond,
		Copy:      2 * time.Second,
		Fail:      5 * time.Second,
		Farewell:  3 * time.Second,
		Heartbeat: time.Minute,
	}
}

// Action is what a Step does.
type Action string

const (
	// Nothing needs to be done until something changes, or Step.After has passed.
	Nothing Action = ""
	// StartGuest boots the VMI's guest in Step.Pod.
	StartGuest Action = "StartGuest"
	// StopGuest ends Step.Guest because of Step.Why.
	StopGuest Action = "StopGuest"
	// BeginMove starts to copy the guest.
	BeginMove Action = "BeginMove"
	// AdoptMove goes on with a copy that a simulator before this one began.
	AdoptMove Action = "AdoptMove"
	// BreakMove loses the copy because of Step.Why.
	BreakMove Action = "BreakMove"
	// SwitchOver lets the guest run on at the target.
	SwitchOver Action = "SwitchOver"
	// EndMove forgets the migration.
	EndMove Action = "EndMove"
	// UpdateVMI writes Step.VMI, as the virt-handler of Step.Node.
	UpdateVMI Action = "UpdateVMI"
	// PatchPod writes Step.Pod's status, as the kubelet of Step.Node.
	PatchPod Action = "PatchPod"
	// DeletePod deletes Step.Pod with no grace left, as the kubelet of Step.Node.
	DeletePod Action = "DeletePod"
)

// Step is one thing to do.
type Step struct {
	Do      Action
	Node    string
	Why     string
	Aborted bool
	VMI     *virtv1.VirtualMachineInstance
	Pod     *corev1.Pod
	Guest   guests.Guest
	Move    guests.Move
	// After asks to look again after this time although nothing has changed; 0 does not ask.
	After time.Duration
}

// HandlerActs says whether a machine's virt-handler is alive and reaches the API. It does not need a kubelet.
func HandlerActs(m simhost.HostState) bool {
	return m.Running() && m.VirtHandler && m.Network
}

// KubeletActs says whether a machine's kubelet is alive and reaches the API.
func KubeletActs(m simhost.HostState) bool {
	return m.Alive()
}

func wait(d time.Duration) Step {
	return Step{After: max(d, time.Millisecond)}
}
