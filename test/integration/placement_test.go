// Copyright The virt-scheduler Authors.
// SPDX-License-Identifier: Apache-2.0

package integration

import (
	"context"
	"maps"
	"testing"

	"github.com/google/go-cmp/cmp"
	authorizationv1 "k8s.io/api/authorization/v1"
	corev1 "k8s.io/api/core/v1"
	"k8s.io/apimachinery/pkg/api/resource"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	"k8s.io/apimachinery/pkg/apis/meta/v1/unstructured"
	"k8s.io/apimachinery/pkg/runtime/schema"
)

var (
	crds = schema.GroupVersionResource{Group: "apiextensions.k8s.io", Version: "v1", Resource: "customresourcedefinitions"}
	vmis = schema.GroupVersionResource{Group: "kubevirt.io", Version: "v1", Resource: "virtualmachineinstances"}
)

// TestPlacement shows that the scheduler, as it is shipped, places VMs by what guests see, from before KubeVirt is
// installed until after.
func TestPlacement(t *testing.T) {
	c := startControlPlane(t)
	c.applyBase(t)
	c.createHost(t, "a", "", nil)
	c.createHost(t, "b", "", nil)
	c.startScheduler(t)

	// Both hosts have one VM. On a it has 8 vCPUs and requests next to nothing, on b 1 vCPU and requests much more.
	many, few := launcher("many", "many-uid", "100m").on("a"), launcher("few", "few-uid", "1500m").on("b")
	c.createPod(t, many)
	c.createPod(t, few)

	t.Run("without KubeVirt pods and VMs are placed, by what can be guessed", func(t *testing.T) {
		c.place(t, pod("plain").by("virt-scheduler"))
		for _, profile := range []string{"virt-scheduler", "stock"} {
			if got := c.place(t, launcher("vm", "vm-uid", "800m").by(profile)); got != "a" {
				t.Errorf("%s placed the VM on %s, want a: of b all that is known is that much is requested there", profile, got)
			}
		}
		for _, profile := range []string{"virt-scheduler-high-node-utilization", "virt-scheduler-no-scoring"} {
			c.place(t, launcher("vm", "vm-uid", "800m").by(profile))
		}
	})

	c.installVMIs(t)
	for _, p := range []podBuilder{many, few} {
		c.deletePod(t, p.Name)
	}
	c.createPod(t, launcher("many", c.createVMI(t, "many", 8), "100m").on("a"))
	c.createPod(t, launcher("few", c.createVMI(t, "few", 1), "1500m").on("b"))
	vm := c.createVMI(t, "vm", 8)

	t.Run("once KubeVirt is installed the scheduler knows what guests see, without a restart", func(t *testing.T) {
		eventually(t, "the VM is placed on the host with fewer vCPUs", func(context.Context) (bool, error) {
			return c.place(t, launcher("vm", vm, "800m").by("virt-scheduler")) == "b", nil
		})
	})

	t.Run("each profile does what it says", func(t *testing.T) {
		for profile, want := range map[string]string{
			"virt-scheduler":                       "b", // 1 vCPU is there, 8 are on a
			"virt-scheduler-high-node-utilization": "a",
			"stock":                                "a", // 100m are requested there, 1500m on b
		} {
			for range 3 {
				if got := c.place(t, launcher("vm", vm, "800m").by(profile)); got != want {
					t.Errorf("%s placed the VM on %s, want %s", profile, got, want)
				}
			}
		}
		c.place(t, launcher("vm", vm, "800m").by("virt-scheduler-no-scoring"))
	})

	t.Run("VMs of 8 vCPUs spread, each counting at once for the next", func(t *testing.T) {
		var got []string
		for _, name := range []string{"vm-1", "vm-2", "vm-3", "vm-4"} {
			c.createPod(t, launcher(name, c.createVMI(t, name, 8), "800m").by("virt-scheduler"))
			got = append(got, c.awaitPlaced(t, name))
		}
		// 8 and 1 vCPUs at first; with the new VM that is 16 against 9, then 16 against 17, and so on.
		if diff := cmp.Diff([]string{"b", "a", "b", "a"}, got); diff != "" {
			t.Errorf("where the VMs went (-want +got):\n%s", diff)
		}
	})

	t.Run("permissions", func(t *testing.T) { checkPermissions(t, c) })
}

// checkPermissions asks the API server what the scheduler's account may do.
func checkPermissions(t *testing.T, c *controlPlane) {
	t.Helper()
	const ours = "virt-scheduler-system"
	tests := map[string]struct {
		attributes authorizationv1.ResourceAttributes
		want       bool
	}{
		"watch VMIs":           {authorizationv1.ResourceAttributes{Verb: "watch", Group: "kubevirt.io", Resource: "virtualmachineinstances"}, true},
		"write VMIs":           {authorizationv1.ResourceAttributes{Verb: "update", Group: "kubevirt.io", Resource: "virtualmachineinstances"}, false},
		"watch NodeFailures":   {authorizationv1.ResourceAttributes{Verb: "watch", Group: "virt-scheduler.io", Resource: "nodefailures"}, true},
		"write NodeFailures":   {authorizationv1.ResourceAttributes{Verb: "patch", Group: "virt-scheduler.io", Resource: "nodefailures"}, false},
		"read VMs":             {authorizationv1.ResourceAttributes{Verb: "list", Group: "kubevirt.io", Resource: "virtualmachines"}, false},
		"bind":                 {authorizationv1.ResourceAttributes{Verb: "create", Resource: "pods", Subresource: "binding"}, true},
		"write nodes":          {authorizationv1.ResourceAttributes{Verb: "patch", Resource: "nodes"}, false},
		"read secrets":         {authorizationv1.ResourceAttributes{Verb: "get", Resource: "secrets", Namespace: ours}, false},
		"create its lease":     {authorizationv1.ResourceAttributes{Verb: "create", Group: "coordination.k8s.io", Resource: "leases", Namespace: ours}, true},
		"renew its lease":      {authorizationv1.ResourceAttributes{Verb: "update", Group: "coordination.k8s.io", Resource: "leases", Namespace: ours, Name: "virt-scheduler"}, true},
		"renew another lease":  {authorizationv1.ResourceAttributes{Verb: "update", Group: "coordination.k8s.io", Resource: "leases", Namespace: ours, Name: "failure-watcher"}, false},
		"delete its lease":     {authorizationv1.ResourceAttributes{Verb: "delete", Group: "coordination.k8s.io", Resource: "leases", Namespace: ours, Name: "virt-scheduler"}, false},
		"take a node's lease":  {authorizationv1.ResourceAttributes{Verb: "update", Group: "coordination.k8s.io", Resource: "leases", Namespace: "kube-node-lease", Name: "a"}, false},
		"bind volumes":         {authorizationv1.ResourceAttributes{Verb: "update", Resource: "persistentvolumes"}, true},
		"read the client's CA": {authorizationv1.ResourceAttributes{Verb: "get", Resource: "configmaps", Namespace: "kube-system", Name: "extension-apiserver-authentication"}, true},
	}
	for name, tc := range tests {
		t.Run(name, func(t *testing.T) {
			review, err := c.client.AuthorizationV1().SubjectAccessReviews().Create(t.Context(), &authorizationv1.SubjectAccessReview{
				Spec: authorizationv1.SubjectAccessReviewSpec{User: account, ResourceAttributes: &tc.attributes},
			}, metav1.CreateOptions{})
			if err != nil {
				t.Fatal(err)
			}
			if review.Status.Allowed != tc.want {
				t.Errorf("allowed: %t, want %t", review.Status.Allowed, tc.want)
			}
		})
	}
}

type podBuilder struct{ *corev1.Pod }

func pod(name string) podBuilder {
	p := &corev1.Pod{ObjectMeta: metav1.ObjectMeta{Name: name, Namespace: namespace}}
	p.Spec.Containers = []corev1.Container{{Name: "compute", Image: "none"}}
	return podBuilder{p}
}

// launcher makes a launcher pod as KubeVirt does, as far as the scheduler looks.
func launcher(name, vmi, cpu string) podBuilder {
	p := pod(name).requests(cpu, "1Gi")
	p.Labels = map[string]string{"kubevirt.io": "virt-launcher", "kubevirt.io/created-by": vmi}
	return p
}

func (p podBuilder) on(node string) podBuilder      { p.Spec.NodeName = node; return p }
func (p podBuilder) by(scheduler string) podBuilder { p.Spec.SchedulerName = scheduler; return p }

func (p podBuilder) requests(cpu, memory string) podBuilder {
	p.Spec.Containers[0].Resources.Requests = corev1.ResourceList{
		corev1.ResourceCPU: resource.MustParse(cpu), corev1.ResourceMemory: resource.MustParse(memory),
	}
	return p
}

// createHost makes a node with 16 CPUs and 64 GiB on which virt-handler says that it lives.
func (c *controlPlane) createHost(t *testing.T, name, pool string, labels map[string]string) {
	t.Helper()
	c.create(t, host(name, pool, labels))
}

// createCappedHost makes one whose annotation says how far it may be overcommitted.
func (c *controlPlane) createCappedHost(t *testing.T, name, pool, overcommit string) {
	t.Helper()
	node := host(name, pool, nil)
	node.Annotations["virt-scheduler.io/overcommit"] = overcommit
	c.create(t, node)
}

func host(name, pool string, labels map[string]string) *corev1.Node {
	node := &corev1.Node{ObjectMeta: metav1.ObjectMeta{
		Name:        name,
		Labels:      map[string]string{"kubevirt.io/schedulable": "true", corev1.LabelHostname: name, poolLabel: pool},
		Annotations: map[string]string{"kubevirt.io/heartbeat": "2026-01-01T00:00:00Z"},
	}}
	maps.Copy(node.Labels, labels)
	node.Status.Allocatable = corev1.ResourceList{
		corev1.ResourceCPU: resource.MustParse("16"), corev1.ResourceMemory: resource.MustParse("64Gi"), corev1.ResourcePods: resource.MustParse("100"),
	}
	node.Status.Capacity = node.Status.Allocatable
	return node
}

func (c *controlPlane) create(t *testing.T, node *corev1.Node) {
	t.Helper()
	if _, err := c.client.CoreV1().Nodes().Create(t.Context(), node, metav1.CreateOptions{}); err != nil {
		t.Fatal(err)
	}
}

func (c *controlPlane) createPod(t *testing.T, p podBuilder) {
	t.Helper()
	if _, err := c.client.CoreV1().Pods(namespace).Create(t.Context(), p.Pod, metav1.CreateOptions{}); err != nil {
		t.Fatal(err)
	}
}

func (c *controlPlane) awaitPlaced(t *testing.T, name string) string {
	t.Helper()
	node := ""
	eventually(t, "pod "+name+" is placed", func(ctx context.Context) (bool, error) {
		p, err := c.client.CoreV1().Pods(namespace).Get(ctx, name, metav1.GetOptions{})
		if err != nil {
			return false, err
		}
		node = p.Spec.NodeName
		return node != "", nil
	})
	return node
}

// place creates a pod, waits until it is placed, removes it again and returns the node.
func (c *controlPlane) place(t *testing.T, p podBuilder) string {
	t.Helper()
	c.createPod(t, p)
	node := c.awaitPlaced(t, p.Name)
	c.deletePod(t, p.Name)
	return node
}

func (c *controlPlane) deletePod(t *testing.T, name string) {
	t.Helper()
	now := int64(0)
	if err := c.client.CoreV1().Pods(namespace).Delete(t.Context(), name, metav1.DeleteOptions{GracePeriodSeconds: &now}); err != nil {
		t.Fatal(err)
	}
}

// installVMIs makes the API server serve VirtualMachineInstances, with no more schema than this test needs.
func (c *controlPlane) installVMIs(t *testing.T) {
	t.Helper()
	names := map[string]any{"plural": "virtualmachineinstances", "singular": "virtualmachineinstance", "kind": "VirtualMachineInstance"}
	version := map[string]any{
		"name": "v1", "served": true, "storage": true,
		"schema": map[string]any{"openAPIV3Schema": map[string]any{"type": "object", "x-kubernetes-preserve-unknown-fields": true}},
	}
	crd := &unstructured.Unstructured{Object: map[string]any{
		"apiVersion": "apiextensions.k8s.io/v1", "kind": "CustomResourceDefinition",
		"metadata": map[string]any{
			"name":        "virtualmachineinstances.kubevirt.io",
			"annotations": map[string]any{"api-approved.kubernetes.io": "unapproved, a test's"},
		},
		"spec": map[string]any{"group": "kubevirt.io", "scope": "Namespaced", "names": names, "versions": []any{version}},
	}}
	if _, err := c.dynamic.Resource(crds).Create(t.Context(), crd, metav1.CreateOptions{}); err != nil {
		t.Fatal(err)
	}
	eventually(t, "VirtualMachineInstances are served", func(ctx context.Context) (bool, error) {
		_, err := c.dynamic.Resource(vmis).Namespace(namespace).List(ctx, metav1.ListOptions{})
		return err == nil, nil
	})
}

// createVMI creates a VirtualMachineInstance of 1 GiB and returns its UID.
func (c *controlPlane) createVMI(t *testing.T, name string, vcpus int64) string {
	t.Helper()
	vmi := &unstructured.Unstructured{Object: map[string]any{
		"apiVersion": "kubevirt.io/v1", "kind": "VirtualMachineInstance", "metadata": map[string]any{"name": name},
		"spec": map[string]any{"domain": map[string]any{
			"cpu": map[string]any{"sockets": vcpus, "cores": int64(1), "threads": int64(1)}, "memory": map[string]any{"guest": "1Gi"}, "devices": map[string]any{},
		}},
	}}
	created, err := c.dynamic.Resource(vmis).Namespace(namespace).Create(t.Context(), vmi, metav1.CreateOptions{})
	if err != nil {
		t.Fatal(err)
	}
	return string(created.GetUID())
}
