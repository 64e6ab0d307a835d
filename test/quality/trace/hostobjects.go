// Copyright The virt-scheduler Authors.
// SPDX-License-Identifier: Apache-2.0

package trace

import (
	"encoding/json"
	"time"

	corev1 "k8s.io/api/core/v1"
	"k8s.io/apimachinery/pkg/api/resource"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	"k8s.io/apimachinery/pkg/types"
	kubevirtv1 "kubevirt.io/api/core/v1"
)

const (
	// Namespace of all VMs.
	Namespace = "vms"

	arch = "amd64"
	// launcherImage is on every host from the start: virt-handler's pods bring it. So ImageLocality sees no difference.
	launcherImage     = "sim-registry/virt-launcher:sim"
	launcherImageSize = 700 << 20
	hugePagesResource = corev1.ResourceName(corev1.ResourceHugePagesPrefix + "2Mi")
	devicePrefix      = "devices.kubevirt.io/"
)

// devices that a launcher pod of a VM on the pod network asks for, and every host has.
var devices = []string{"kvm", "tun", "vhost-net"}

// Node is the host as its kubelet and virt-handler publish it; beat is virt-handler's last heartbeat.
func (h Host) Node(beat time.Time) *corev1.Node {
	labels := map[string]string{
		corev1.LabelHostname: h.Name, corev1.LabelTopologyZone: h.Zone, corev1.LabelTopologyRegion: "region",
		corev1.LabelArchStable: arch, corev1.LabelOSStable: "linux",
		kubevirtv1.NodeSchedulable: "true",
	}
	if h.CPUManager {
		labels[kubevirtv1.CPUManager] = "true"
	}
	for _, model := range h.Generation.Runs {
		labels[kubevirtv1.CPUModelLabel+model] = "true"
		labels[kubevirtv1.SupportedHostModelMigrationCPU+model] = "true"
	}
	for _, feature := range h.Generation.Features {
		labels[kubevirtv1.CPUFeatureLabel+feature] = "true"
		labels[kubevirtv1.HostModelRequiredFeaturesLabel+feature] = "true"
	}
	labels[kubevirtv1.HostModelCPULabel+h.Generation.Model] = "true"
	labels[kubevirtv1.CPUModelVendorLabel+h.Generation.Vendor] = "true"
	node := &corev1.Node{
		ObjectMeta: metav1.ObjectMeta{
			Name: h.Name, UID: types.UID(h.Name), Labels: labels,
			Annotations: map[string]string{kubevirtv1.VirtHandlerHeartbeat: Heartbeat(beat)},
		},
		Status: corev1.NodeStatus{
			Conditions: []corev1.NodeCondition{{Type: corev1.NodeReady, Status: corev1.ConditionTrue, Reason: "KubeletReady"}},
			Images:     []corev1.ContainerImage{{Names: []string{launcherImage}, SizeBytes: launcherImageSize}},
		},
	}
	node.Status.Capacity, node.Status.Allocatable = h.resources()
	return node
}

// Heartbeat is the value of the annotation that virt-handler writes.
func Heartbeat(at time.Time) string {
	quoted, err := json.Marshal(metav1.NewTime(at))
	if err != nil {
		panic(err) // a time can be marshalled
	}
	return string(quoted[1 : len(quoted)-1])
}

func (h Host) resources() (capacity, allocatable corev1.ResourceList) {
	capacity = corev1.ResourceList{
		corev1.ResourceCPU:              *resource.NewQuantity(h.CPUs, resource.DecimalSI),
		corev1.ResourceMemory:           bytes(h.Memory),
		corev1.ResourcePods:             *resource.NewQuantity(podsPerHost, resource.DecimalSI),
		corev1.ResourceEphemeralStorage: bytes(1024 * gib),
		hugePagesResource:               bytes(h.HugePages),
	}
	for _, device := range devices {
		capacity[corev1.ResourceName(devicePrefix+device)] = *resource.NewQuantity(devicesPerHost, resource.DecimalSI)
	}
	allocatable = capacity.DeepCopy()
	allocatable[corev1.ResourceCPU] = *resource.NewMilliQuantity(h.CPUs*1000-reservedMilliCPU, resource.DecimalSI)
	allocatable[corev1.ResourceMemory] = bytes(h.Memory - h.HugePages - reservedMemory)
	return capacity, allocatable
}

// Daemons is one pod in the place of all that DaemonSets run on the host.
func (h Host) Daemons() *corev1.Pod {
	return &corev1.Pod{
		ObjectMeta: metav1.ObjectMeta{
			Namespace: "kube-system", Name: "sim-daemons-" + h.Name, UID: types.UID("daemons-" + h.Name),
			Labels: map[string]string{"app": "sim-daemons"},
		},
		Spec: corev1.PodSpec{
			NodeName: h.Name, SchedulerName: "default-scheduler",
			Containers: []corev1.Container{{
				Name: "daemons", Image: "sim-registry/daemons:sim",
				Resources: corev1.ResourceRequirements{Requests: corev1.ResourceList{
					corev1.ResourceCPU:    *resource.NewMilliQuantity(daemonMilliCPU, resource.DecimalSI),
					corev1.ResourceMemory: bytes(daemonMemory),
				}},
			}},
		},
		Status: corev1.PodStatus{Phase: corev1.PodRunning},
	}
}

func bytes(n int64) resource.Quantity { return *resource.NewQuantity(n, resource.BinarySI) }
