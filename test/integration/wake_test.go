// Copyright The virt-scheduler Authors.
// SPDX-License-Identifier: Apache-2.0

package integration

import (
	"bytes"
	"context"
	"os"
	"path/filepath"
	"testing"
	"time"

	corev1 "k8s.io/api/core/v1"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	"k8s.io/apimachinery/pkg/apis/meta/v1/unstructured"
	"k8s.io/apimachinery/pkg/runtime/schema"
	"k8s.io/apimachinery/pkg/types"
	"k8s.io/apimachinery/pkg/util/yaml"
)

var nodeFailures = schema.GroupVersionResource{Group: "virt-scheduler.io", Version: "v1alpha1", Resource: "nodefailures"}

// TestWake: no queueing hint can tell of a VirtualMachineInstance or a NodeFailure, and the queue's own retries come after
// minutes. Whoever waits for one of these is tried again at once.
func TestWake(t *testing.T) {
	c := startControlPlane(t)
	c.applyBase(t)
	c.installVMIs(t)
	c.installNodeFailures(t)
	c.startScheduler(t)

	t.Run("a migration's target pod that was refused before its VirtualMachineInstance was updated", func(t *testing.T) {
		c.createCappedHost(t, "wake-vmi", "wake-vmi", "cpu=100")
		early := launcher("early", c.createVMI(t, "early", 30), "100m").by(low).in("wake-vmi")
		early.Labels["kubevirt.io/migrationJobUID"] = "early-migration"
		c.createPod(t, early)
		c.awaitRefused(t, "early") // 30 vCPUs on 16 CPUs
		c.resizeVMI(t, "early", 4)
		c.placedWithin(t, "early", time.Second)
	})

	t.Run("a VM that waits for room, when another guest shrinks", func(t *testing.T) {
		c.createCappedHost(t, "wake-room", "wake-room", "cpu=100")
		c.createPod(t, launcher("large", c.createVMI(t, "large", 14), "100m").by(low).in("wake-room"))
		c.awaitPlaced(t, "large")
		c.createPod(t, launcher("waits", c.createVMI(t, "waits", 4), "100m").by(low).in("wake-room"))
		c.awaitRefused(t, "waits")
		c.resizeVMI(t, "large", 8)
		c.placedWithin(t, "waits", time.Second)
	})

	t.Run("a VM for which there are failed hosts only, when the incident is closed", func(t *testing.T) {
		c.createHost(t, "wake-failed", "wake-failed", nil)
		c.createNodeFailure(t, "wake-failed")
		// The watch may be behind the API server: until it is not, VMs are placed.
		unlucky := c.createVMI(t, "unlucky", 1)
		eventually(t, "the scheduler knows of the failure", func(context.Context) (bool, error) {
			c.createPod(t, launcher("unlucky", unlucky, "100m").by(low).in("wake-failed"))
			if c.decided(t, "unlucky") {
				c.deletePod(t, "unlucky")
				return false, nil
			}
			return true, nil
		})
		patch := []byte(`{"status":{"phase":"Closed"}}`)
		if _, err := c.dynamic.Resource(nodeFailures).Patch(t.Context(), "wake-failed", types.MergePatchType, patch, metav1.PatchOptions{}, "status"); err != nil {
			t.Fatal(err)
		}
		c.placedWithin(t, "unlucky", time.Second)
	})
}

// placedWithin fails when a pod is placed later than some time from now, by the test's own clock.
func (c *controlPlane) placedWithin(t *testing.T, name string, limit time.Duration) {
	t.Helper()
	begin := time.Now()
	c.awaitPlaced(t, name)
	if took := time.Since(begin); took > limit {
		t.Errorf("%s was placed after %s, want within %s", name, took, limit)
	} else {
		t.Logf("%s was placed after %s", name, took)
	}
}

// decided waits for the scheduler's word on a pod: placed, or not.
func (c *controlPlane) decided(t *testing.T, name string) (placed bool) {
	t.Helper()
	eventually(t, "pod "+name+" is decided upon", func(ctx context.Context) (bool, error) {
		p, err := c.client.CoreV1().Pods(namespace).Get(ctx, name, metav1.GetOptions{})
		if err != nil {
			return false, err
		}
		placed = p.Spec.NodeName != ""
		for _, condition := range p.Status.Conditions {
			if condition.Type == corev1.PodScheduled && condition.Reason == corev1.PodReasonUnschedulable {
				return true, nil
			}
		}
		return placed, nil
	})
	return placed
}

func (c *controlPlane) awaitRefused(t *testing.T, name string) {
	t.Helper()
	if c.decided(t, name) {
		t.Fatalf("%s was placed, want it refused", name)
	}
}

func (c *controlPlane) resizeVMI(t *testing.T, name string, vcpus int64) {
	t.Helper()
	object, err := c.dynamic.Resource(vmis).Namespace(namespace).Get(t.Context(), name, metav1.GetOptions{})
	if err == nil {
		err = unstructured.SetNestedField(object.Object, vcpus, "spec", "domain", "cpu", "sockets")
	}
	if err == nil {
		_, err = c.dynamic.Resource(vmis).Namespace(namespace).Update(t.Context(), object, metav1.UpdateOptions{})
	}
	if err != nil {
		t.Fatal(err)
	}
}

func (c *controlPlane) installNodeFailures(t *testing.T) {
	t.Helper()
	content, err := os.ReadFile(filepath.Join(root, "manifests/crds/virt-scheduler.io_nodefailures.yaml"))
	if err != nil {
		t.Fatal(err)
	}
	crd := &unstructured.Unstructured{}
	if err := yaml.NewYAMLOrJSONDecoder(bytes.NewReader(content), 4096).Decode(crd); err != nil {
		t.Fatal(err)
	}
	if _, err := c.dynamic.Resource(crds).Create(t.Context(), crd, metav1.CreateOptions{}); err != nil {
		t.Fatal(err)
	}
	eventually(t, "NodeFailures are served", func(ctx context.Context) (bool, error) {
		_, err := c.dynamic.Resource(nodeFailures).List(ctx, metav1.ListOptions{})
		return err == nil, nil
	})
}

func (c *controlPlane) createNodeFailure(t *testing.T, node string) {
	t.Helper()
	failure := &unstructured.Unstructured{Object: map[string]any{
		"apiVersion": "virt-scheduler.io/v1alpha1", "kind": "NodeFailure", "metadata": map[string]any{"name": node},
		"spec": map[string]any{"nodeName": node, "nodeUID": "uid-of-" + node, "incident": "0123abcd"},
	}}
	if _, err := c.dynamic.Resource(nodeFailures).Create(t.Context(), failure, metav1.CreateOptions{}); err != nil {
		t.Fatal(err)
	}
}
