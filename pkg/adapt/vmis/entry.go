// Copyright The virt-scheduler Authors.
// SPDX-License-Identifier: Apache-2.0

package vmis

import (
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	kubevirtv1 "kubevirt.io/api/core/v1"

	"github.com/virt-scheduler/virt-scheduler/pkg/adapt"
	"github.com/virt-scheduler/virt-scheduler/pkg/model"
)

// entry is all that is kept of a VirtualMachineInstance: what an informer needs to know it by, and the VM. It keeps the
// memory of the scheduler independent of how much KubeVirt puts in a status.
type entry struct {
	metav1.ObjectMeta
	vm *model.VM
}

// keep is the transform of the informer.
func (s *Source) keep(obj any) (any, error) {
	vmi, ok := obj.(*kubevirtv1.VirtualMachineInstance)
	if !ok {
		return obj, nil
	}
	vm := adapt.VMFromVMI(vmi)
	vm.Wishes = s.wishes.shared(vm.Wishes)
	return &entry{
		ObjectMeta: metav1.ObjectMeta{Name: vmi.Name, Namespace: vmi.Namespace, UID: vmi.UID, ResourceVersion: vmi.ResourceVersion},
		vm:         vm,
	}, nil
}
