// Copyright The virt-scheduler Authors.
// SPDX-License-Identifier: Apache-2.0

package taint

import (
	"math"
	"time"

	corev1 "k8s.io/api/core/v1"
)

// Rule says which rule refused a VM.
type Rule int

const (
	// Admitted says that no rule did.
	Admitted Rule = iota
	// Keyless says that the host is under an evacuation taint, and the VM tolerates it only because it tolerates everything.
	Keyless
	// TooShort says that the host has a NoExecute taint that the VM does not tolerate for long: it would be evicted there.
	TooShort
)

// Verdict is what a host's taints mean to a VM.
type Verdict struct {
	Rule Rule
	// Key and Effect of the first taint that refuses the VM.
	Key    string
	Effect corev1.TaintEffect
	// Seconds that the VM would stay on the host; only with TooShort. Never negative.
	Seconds int64
}

// OK is true when no rule refuses the VM.
func (v Verdict) OK() bool { return v.Rule == Admitted }

// Admission is what decides whether a toleration is good enough for a VM.
type Admission struct {
	// Evacuation holds the keys of taints that say: VMs are to leave this host.
	Evacuation Keys
	// Shortest is the shortest toleration of a NoExecute taint that makes a host a home; 0: only one without end does.
	Shortest time.Duration
	// Compare is set where Kubernetes' operators Lt and Gt work in tolerations.
	Compare bool
}

// unbounded is how long a toleration without tolerationSeconds lasts.
const unbounded = math.MaxInt64

// Judge says whether a VM with these tolerations may be placed under these taints. Taints that are not tolerated at all
// are passed over: they are upstream's. The order of the tolerations does not matter. It does not allocate.
func (a *Admission) Judge(tolerations []corev1.Toleration, taints []corev1.Taint) Verdict {
	for i := range taints {
		taint := &taints[i]
		if !repels(taint) {
			continue
		}
		matching, named, seconds := a.best(tolerations, taint)
		switch {
		case !matching:
		case !named && a.Evacuation.Has(taint.Key):
			return Verdict{Rule: Keyless, Key: taint.Key, Effect: taint.Effect}
		case taint.Effect == corev1.TaintEffectNoExecute && !a.lasts(seconds):
			return Verdict{Rule: TooShort, Key: taint.Key, Effect: taint.Effect, Seconds: seconds}
		}
	}
	return Verdict{}
}

// best looks at all tolerations that match a taint: is there one, is there one that names its key, and how many seconds
// does the shortest last. Kubernetes' taint manager takes, of several that match one taint, the first in the pod, and of
// several taints the shortest time. Which comes first is left to chance when admission plugins add some: the shortest
// is at most as long as what the taint manager takes, whatever the order.
func (a *Admission) best(tolerations []corev1.Toleration, taint *corev1.Taint) (matching, named bool, seconds int64) {
	seconds = unbounded
	for i := range tolerations {
		toleration := &tolerations[i]
		if !Tolerates(toleration, taint, a.Compare) {
			continue
		}
		matching = true
		named = named || toleration.Key != ""
		if toleration.TolerationSeconds != nil {
			seconds = min(seconds, max(*toleration.TolerationSeconds, 0))
		}
	}
	return matching, named, seconds
}

func (a *Admission) lasts(seconds int64) bool {
	if seconds == unbounded {
		return true
	}
	// Rounded up: a toleration of 10 s does not last 10.5 s.
	return a.Shortest > 0 && seconds >= int64((a.Shortest+time.Second-1)/time.Second)
}

// Concerns says whether there is a taint with which Judge would refuse a VM that has these tolerations.
func (a *Admission) Concerns(tolerations []corev1.Toleration) bool {
	for i := range tolerations {
		toleration := &tolerations[i]
		if toleration.Effect == corev1.TaintEffectPreferNoSchedule {
			continue
		}
		if toleration.Key == "" || toleration.TolerationSeconds != nil {
			return true
		}
	}
	return false
}

// LetsIn says whether upstream's rule and ours together let the VM in: every taint that repels is tolerated, and well
// enough. It is what events are judged by.
func (a *Admission) LetsIn(tolerations []corev1.Toleration, taints []corev1.Taint) bool {
	for i := range taints {
		if repels(&taints[i]) && !tolerated(tolerations, &taints[i], a.Compare) {
			return false
		}
	}
	return a.Judge(tolerations, taints).OK()
}
