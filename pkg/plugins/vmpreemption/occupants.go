// Copyright The virt-scheduler Authors.
// SPDX-License-Identifier: Apache-2.0

package vmpreemption

import (
	schedulingv1 "k8s.io/component-helpers/scheduling/corev1"
	fwk "k8s.io/kube-scheduler/framework"

	"github.com/virt-scheduler/virt-scheduler/pkg/adapt"
	"github.com/virt-scheduler/virt-scheduler/pkg/decide/victims"
)

// occupants are the pods on a host as far as a bound needs them. They are kept as long as the host does not change, because they are looked at for
// all hosts each time that a pod may preempt: what is known of VMs beyond their pods is looked up for few hosts only.
type occupants struct {
	generation int64
	pods       []occupant
}

// occupant is a pod on a host, with those that go with it.
type occupant struct {
	victims.Victim // Moves is true for a VM; whether it may be moved is another question
	priority       int32
	launcher       bool
}

// occupantsOf returns the pods of a host, of which nothing has changed since they were read.
func (pl *VMPreemption) occupantsOf(host fwk.NodeInfo) *occupants {
	name := host.Node().Name
	if known := pl.occupants[name]; known != nil && known.generation == host.GetGeneration() {
		return known
	}
	read := &occupants{generation: host.GetGeneration()}
	for _, there := range host.GetPods() {
		pod := there.GetPod()
		if adapt.Attachment(pod) {
			continue // it goes with its VM, and does not count here
		}
		o := occupant{priority: schedulingv1.PodPriority(pod), launcher: isLauncher(pod), Victim: victims.Victim{Frees: freed(there, nil)}}
		if o.launcher {
			o.Moves, o.Frees = true, freed(there, attachmentsOf(host, pod))
		}
		if vm := pl.view.VM(pod); vm != nil {
			o.Memory = vm.Size.Memory // KubeVirt changes it by a migration only, after which the pod is another one
		}
		if pod.DeletionTimestamp != nil {
			o.Moves, o.Memory = true, 0 // see place.victims
		}
		read.pods = append(read.pods, o)
	}
	pl.occupants[name] = read
	return read
}

// keepOccupants forgets hosts that are not there any more, when there are many of them.
func (pl *VMPreemption) keepOccupants(all []fwk.NodeInfo) {
	if len(pl.occupants) <= 2*len(all)+16 {
		return
	}
	there := make(map[string]*occupants, len(all))
	for _, host := range all {
		if o := pl.occupants[host.Node().Name]; o != nil {
			there[host.Node().Name] = o
		}
	}
	pl.occupants = there
}

// lower appends those of lower priority, and says whether a VM is among them. VMs that need more memory than is free anywhere else are left out,
// and counted.
func (o *occupants) lower(than int32, room int64, to []victims.Victim) (lower []victims.Victim, vms bool, toobig int) {
	for i := range o.pods {
		p := &o.pods[i]
		if p.priority >= than {
			continue
		}
		vms = vms || p.launcher
		if p.Moves && p.Memory > 0 && p.Frees[freesMemory] > room {
			toobig++
			continue
		}
		to = append(to, p.Victim)
	}
	return to, vms, toobig
}
