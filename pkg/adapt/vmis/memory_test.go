// Copyright The virt-scheduler Authors.
// SPDX-License-Identifier: Apache-2.0

package vmis

import (
	"encoding/json"
	"fmt"
	"runtime"
	"testing"

	corev1 "k8s.io/api/core/v1"
	"k8s.io/apimachinery/pkg/api/resource"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	"k8s.io/apimachinery/pkg/types"
	"k8s.io/client-go/tools/cache"
	kubevirtv1 "kubevirt.io/api/core/v1"
)

// budget is what one VirtualMachineInstance may cost the scheduler, in bytes.
const budget = 2048

// wire is a running VirtualMachineInstance as it comes over the wire, with what makes them large: managed fields, disks,
// networks, volume status.
func wire(tb testing.TB, i int) []byte {
	tb.Helper()
	v := vmi(fmt.Sprintf("virtual-machine-%05d", i), types.UID(fmt.Sprintf("6a9f1c1e-0000-4000-8000-%012d", i)), 4)
	v.Namespace = "customer-namespace"
	v.ResourceVersion = fmt.Sprint(1000000 + i)
	v.Labels = map[string]string{"app": "database", "kubevirt.io/nodeName": "host-0001"}
	v.Annotations = map[string]string{"kubevirt.io/latest-observed-api-version": "v1", "notes": fmt.Sprintf("%2000d", i)}
	v.ManagedFields = []metav1.ManagedFieldsEntry{{Manager: "virt-controller", FieldsV1: &metav1.FieldsV1{Raw: fmt.Appendf(nil, `{"f:spec":%q}`, fmt.Sprintf("%4000d", i))}}}
	v.Spec.NodeSelector = map[string]string{"pool": "general"}
	for d := range 4 {
		name := fmt.Sprintf("disk-%d", d)
		v.Spec.Domain.Devices.Disks = append(v.Spec.Domain.Devices.Disks, kubevirtv1.Disk{Name: name})
		v.Spec.Volumes = append(v.Spec.Volumes, kubevirtv1.Volume{Name: name})
		v.Status.VolumeStatus = append(v.Status.VolumeStatus, kubevirtv1.VolumeStatus{Name: name, Target: "vda"})
	}
	v.Status.NodeName = fmt.Sprintf("host-%04d", i%5000)
	memory := resource.MustParse("1Gi")
	v.Status.Memory = &kubevirtv1.MemoryStatus{GuestCurrent: &memory}
	v.Status.Conditions = []kubevirtv1.VirtualMachineInstanceCondition{{Type: kubevirtv1.VirtualMachineInstanceIsMigratable, Status: corev1.ConditionTrue}}
	data, err := json.Marshal(v)
	if err != nil {
		tb.Fatal(err)
	}
	return data
}

func TestMemoryPerVMI(t *testing.T) {
	const count = 5000
	heap := func() uint64 {
		runtime.GC()
		runtime.GC() // what the first has freed, and finalizers kept
		var stats runtime.MemStats
		runtime.ReadMemStats(&stats)
		return stats.HeapAlloc
	}
	source := &Source{}
	store := cache.NewStore(cache.MetaNamespaceKeyFunc)
	size := len(wire(t, 0))
	before := heap()
	for i := range count {
		decoded := &kubevirtv1.VirtualMachineInstance{}
		if err := json.Unmarshal(wire(t, i), decoded); err != nil {
			t.Fatal(err)
		}
		kept, err := source.keep(decoded)
		if err != nil {
			t.Fatal(err)
		}
		if err := store.Add(kept); err != nil {
			t.Fatal(err)
		}
		source.seen(kept.(*entry))
	}
	per := (int64(heap()) - int64(before)) / count
	t.Logf("FIGURE memory per VirtualMachineInstance: %d bytes (%d on the wire)", per, size)
	if per > budget {
		t.Errorf("a VirtualMachineInstance costs %d bytes, want at most %d", per, budget)
	}
	if _, ok := source.VM("6a9f1c1e-0000-4000-8000-000000000001"); !ok {
		t.Error("the VMs that were measured are not there")
	}
	runtime.KeepAlive(store)
}
