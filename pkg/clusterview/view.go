// Copyright The virt-scheduler Authors.
// SPDX-License-Identifier: Apache-2.0

package clusterview

import (
	"sync"
	"sync/atomic"

	corev1 "k8s.io/api/core/v1"
	"k8s.io/apimachinery/pkg/types"
	fwk "k8s.io/kube-scheduler/framework"

	"github.com/virt-scheduler/virt-scheduler/pkg/adapt"
	"github.com/virt-scheduler/virt-scheduler/pkg/model"
)

// VMs is what the view asks of KubeVirt's VirtualMachineInstances; vmis.Source is one.
type VMs interface {
	// VM returns what is known of a VM; it is never changed.
	VM(uid types.UID) (vm *model.VM, ok bool)
	// Subscribe makes changed be called after VM has another answer for a VM.
	Subscribe(changed func(vm types.UID))
}

// Failures is what the view asks of NodeFailures; nodefailures.Source is one.
type Failures interface {
	// Failed is true while a NodeFailure of the node is open.
	Failed(node string) bool
	// Proved is true while a NodeFailure of the node is open that holds a proof that the node is off.
	Proved(node string) bool
	// Subscribe makes changed be called after one of these has another answer for a node.
	Subscribe(changed func(node string))
}

// View is one scheduler's view of its cluster. Refresh, which Begin calls, brings it up to the scheduler's snapshot;
// until the next refresh it does not change. Its other methods may be called by many goroutines at once.
type View struct {
	lister   fwk.SharedLister
	vms      VMs
	failures Failures
	marks    marks
	asked    asked
	// loose is the cycle of a profile whose PreFilter is switched off.
	loose   atomic.Pointer[looseCycle]
	looseMu sync.Mutex

	// What readers see without a lock. Only a refresh changes it.
	byName atomic.Pointer[map[string]*slot]
	groups atomic.Pointer[groups]

	// mu guards all below. A refresh holds it for writing, and who computes a host for reading.
	mu sync.RWMutex
	// slots and generations go along the snapshot's list. Generations are kept here, next to each other, because they
	// are compared all at every refresh.
	slots       []*slot
	generations []int64
	places      places
	classifier  classifier
	// affinity is nil until somebody asks for it.
	affinity *affinityIndex
	// reads counts how often a host was read.
	reads   int
	scratch struct {
		drafts, places []*slot
		touched, gone  []types.UID
		launchers      []launcher
		changed        []int
	}
}

// slot is the place of one host in the view.
type slot struct {
	name string
	host atomic.Pointer[Host]

	// What follows is guarded by the view's mu.
	position int
	// draft is the host as it will be after the present refresh.
	draft *Host
	// indexed is what the affinity index has of the host.
	indexed indexed
	// node and labels are as they were read last; labels are the node's own map.
	node   *corev1.Node
	labels map[string]string
	class  *class
}

func newView(lister fwk.SharedLister, vms VMs, failures Failures, maxValues int) *View {
	v := &View{
		lister: lister, vms: vms, failures: failures,
		marks: newMarks(), places: newPlaces(), classifier: newClassifier(maxValues),
	}
	v.byName.Store(&map[string]*slot{})
	v.groups.Store(&groups{})
	vms.Subscribe(v.marks.vm)
	failures.Subscribe(v.marks.node)
	return v
}

// VM returns the VM of a launcher pod: as its VirtualMachineInstance describes it, else as the pod alone tells; nil
// for a pod that is no VM. Without a VirtualMachineInstance, vCPUs are guessed by KubeVirt's default of
// cpuAllocationRatio.
func (v *View) VM(pod *corev1.Pod) *model.VM {
	uid, ok := adapt.VMOf(pod)
	if !ok {
		return nil
	}
	if vm, ok := v.vms.VM(uid); ok {
		return vm
	}
	vm, _ := adapt.VMFromPod(pod, adapt.DefaultCPUAllocationRatio)
	return vm
}

// Host returns what is known of a host. It costs one look-up for a NodeInfo of the snapshot. One that was changed, as
// with nominated pods or in preemption's dry run, has a generation that no other has: then the host is computed from
// the pods that it has, with homes decided by these and by the launchers that the view knows on other hosts.
func (v *View) Host(info fwk.NodeInfo) *Host {
	node := info.Node()
	if node == nil {
		return v.compute(info, nil)
	}
	s := (*v.byName.Load())[node.Name]
	if s != nil {
		if h := s.host.Load(); h != nil && h.generation == info.GetGeneration() {
			return h
		}
	}
	return v.compute(info, s)
}

// HostNamed returns the host as it is in the snapshot; ok is false when it is not there.
func (v *View) HostNamed(name string) (h *Host, ok bool) {
	s := (*v.byName.Load())[name]
	if s == nil {
		return nil, false
	}
	h = s.host.Load()
	return h, h != nil
}
