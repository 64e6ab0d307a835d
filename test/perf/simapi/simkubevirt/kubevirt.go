// Copyright The virt-scheduler Authors.
// SPDX-License-Identifier: Apache-2.0

// Package simkubevirt is a simulation of what KubeVirt does about live migrations, on the simulated API: it makes target
// pods, and, when these are placed and it is told that time has passed, moves the guests and ends the source pods. It
// does one step at a time, when it is told to, so that runs are the same each time. It has no limits on migrations, no
// webhooks, and no guests; what the real one does is tested in test/e2e.
package simkubevirt

import (
	"fmt"
	"maps"

	corev1 "k8s.io/api/core/v1"
	"k8s.io/apimachinery/pkg/apis/meta/v1/unstructured"
	"k8s.io/apimachinery/pkg/runtime"
	kubevirtv1 "kubevirt.io/api/core/v1"

	"github.com/virt-scheduler/virt-scheduler/pkg/adapt"
	"github.com/virt-scheduler/virt-scheduler/test/perf/simapi"
)

var (
	migrationResource = kubevirtv1.GroupVersion.WithResource("virtualmachineinstancemigrations")
	vmiResource       = kubevirtv1.GroupVersion.WithResource("virtualmachineinstances")
	kubevirtResource  = kubevirtv1.GroupVersion.WithResource("kubevirts")
)

// KubeVirt is the simulation.
type KubeVirt struct{ api *simapi.API }

// New makes the API serve what KubeVirt serves beside VirtualMachineInstances, and returns a KubeVirt that acts on it.
func New(api *simapi.API) *KubeVirt {
	api.Serve(migrationResource, "VirtualMachineInstanceMigration")
	api.Serve(kubevirtResource, "KubeVirt")
	return &KubeVirt{api: api}
}

// Migrations returns all that there are.
func (k *KubeVirt) Migrations() ([]*kubevirtv1.VirtualMachineInstanceMigration, error) {
	var all []*kubevirtv1.VirtualMachineInstanceMigration
	for _, o := range k.api.Customs(migrationResource) {
		switch o := o.(type) {
		case *kubevirtv1.VirtualMachineInstanceMigration:
			all = append(all, o.DeepCopy())
		case *unstructured.Unstructured:
			m := &kubevirtv1.VirtualMachineInstanceMigration{}
			if err := runtime.DefaultUnstructuredConverter.FromUnstructured(o.Object, m); err != nil {
				return nil, err
			}
			all = append(all, m)
		}
	}
	return all, nil
}

// Begin makes a target pod for each migration that has none, and returns these pods.
func (k *KubeVirt) Begin() (targets []*corev1.Pod, err error) {
	migrations, err := k.Migrations()
	if err != nil {
		return nil, err
	}
	for _, m := range migrations {
		if m.Status.Phase != kubevirtv1.MigrationPhaseUnset {
			continue
		}
		source, node, err := k.source(m)
		if err != nil {
			return nil, err
		}
		target := adapt.TargetOf(source, adapt.VMFromVMI(k.vmi(m.Namespace, m.Spec.VMIName)), node)
		target.Name, target.UID = source.Name+"-to-"+m.Name, "target-"+m.UID
		target.Labels[kubevirtv1.MigrationJobLabel] = string(m.UID)
		maps.Copy(target.Spec.NodeSelector, m.Spec.AddedNodeSelector)
		k.api.SetPod(target)
		m.Status.Phase = kubevirtv1.MigrationScheduling
		k.set(m)
		targets = append(targets, target)
	}
	return targets, nil
}

// End lets the guests of all migrations whose targets are placed arrive, and returns how many did.
func (k *KubeVirt) End() (arrived int, err error) {
	migrations, err := k.Migrations()
	if err != nil {
		return 0, err
	}
	for _, m := range migrations {
		if m.Status.Phase != kubevirtv1.MigrationScheduling {
			continue
		}
		source, _, err := k.source(m)
		if err != nil {
			return arrived, err
		}
		target, ok := k.api.Pod(source.Namespace, source.Name+"-to-"+m.Name)
		if !ok || target.Spec.NodeName == "" {
			continue
		}
		vmi := k.vmi(m.Namespace, m.Spec.VMIName).DeepCopy()
		vmi.Status.NodeName = target.Spec.NodeName
		vmi.Status.MigrationState = &kubevirtv1.VirtualMachineInstanceMigrationState{
			MigrationUID: m.UID, SourceNode: source.Spec.NodeName, TargetNode: target.Spec.NodeName, Completed: true,
		}
		k.api.SetVMI(vmi)
		running := target.DeepCopy()
		running.Status.Phase = corev1.PodRunning
		k.api.SetPod(running)
		k.api.DeletePod(source.Namespace, source.Name)
		m.Status.Phase = kubevirtv1.MigrationSucceeded
		k.set(m)
		arrived++
	}
	return arrived, nil
}

// Fail ends all migrations that have a target pod with a failure, and their target pods.
func (k *KubeVirt) Fail() error {
	migrations, err := k.Migrations()
	if err != nil {
		return err
	}
	for _, m := range migrations {
		if m.Status.Phase != kubevirtv1.MigrationScheduling {
			continue
		}
		source, _, err := k.source(m)
		if err != nil {
			return err
		}
		k.api.DeletePod(source.Namespace, source.Name+"-to-"+m.Name)
		m.Status.Phase = kubevirtv1.MigrationFailed
		k.set(m)
	}
	return nil
}

func (k *KubeVirt) set(m *kubevirtv1.VirtualMachineInstanceMigration) {
	m.APIVersion, m.Kind = kubevirtv1.GroupVersion.String(), "VirtualMachineInstanceMigration"
	k.api.SetCustom(migrationResource, m)
}

func (k *KubeVirt) vmi(namespace, name string) *kubevirtv1.VirtualMachineInstance {
	for _, o := range k.api.Customs(vmiResource) {
		if vmi, ok := o.(*kubevirtv1.VirtualMachineInstance); ok && vmi.Namespace == namespace && vmi.Name == name {
			return vmi
		}
	}
	return nil
}

// source returns the pod from which the VM of a migration comes, and its node.
func (k *KubeVirt) source(m *kubevirtv1.VirtualMachineInstanceMigration) (*corev1.Pod, *corev1.Node, error) {
	vmi := k.vmi(m.Namespace, m.Spec.VMIName)
	if vmi == nil {
		return nil, nil, fmt.Errorf("migration %s: no VirtualMachineInstance %s", m.Name, m.Spec.VMIName)
	}
	for _, pod := range k.api.Pods() {
		if pod.Labels[kubevirtv1.CreatedByLabel] == string(vmi.UID) && pod.Spec.NodeName == vmi.Status.NodeName {
			node, ok := k.api.Node(pod.Spec.NodeName)
			if !ok {
				return nil, nil, fmt.Errorf("migration %s: no node %s", m.Name, pod.Spec.NodeName)
			}
			return pod, node, nil
		}
	}
	return nil, nil, fmt.Errorf("migration %s: no launcher pod on %s", m.Name, vmi.Status.NodeName)
}
