// Copyright The virt-scheduler Authors.
// SPDX-License-Identifier: Apache-2.0

package integration

import (
	"context"
	"slices"
	"strings"
	"testing"

	rbacv1 "k8s.io/api/rbac/v1"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	"k8s.io/klog/v2"
	"k8s.io/klog/v2/ktesting"

	"github.com/virt-scheduler/virt-scheduler/pkg/plugins"
)

// TestWithoutPermission: the scheduler's account may read neither VMIs nor NodeFailures, as when an older role is still there. Pods and VMs are
// placed all the same, by what can be guessed, and the log names what to allow.
func TestWithoutPermission(t *testing.T) {
	c := startControlPlane(t)
	c.applyBase(t)
	c.installVMIs(t)
	c.installNodeFailures(t)
	c.deny(t, "kubevirt.io", "virt-scheduler.io")
	c.createHost(t, "a", "", nil)
	logger := ktesting.NewLogger(t, ktesting.NewConfig(ktesting.BufferLogs(true)))
	log := logger.GetSink().(ktesting.Underlier).GetBuffer()
	c.startSchedulerIn(klog.NewContext(t.Context(), logger), t, plugins.NewRegistry())

	for _, profile := range []string{"virt-scheduler", "virt-scheduler-high-node-utilization", "virt-scheduler-no-scoring"} {
		c.place(t, pod("plain").by(profile))
		c.place(t, launcher("vm", c.createVMI(t, "vm-of-"+profile, 4), "400m").by(profile))
	}
	for _, want := range []string{"virtualmachineinstances.kubevirt.io", "nodefailures.virt-scheduler.io"} {
		want = "allow the scheduler's account to get, list and watch " + want + " (manifests/base/rbac-scheduler.yaml)"
		eventually(t, "the log says: "+want, func(context.Context) (bool, error) { return strings.Contains(log.String(), want), nil })
	}
}

// deny takes what the scheduler's own role says of some API groups out of it.
func (c *controlPlane) deny(t *testing.T, groups ...string) {
	t.Helper()
	role, err := c.client.RbacV1().ClusterRoles().Get(t.Context(), "virt-scheduler", metav1.GetOptions{})
	if err != nil {
		t.Fatal(err)
	}
	role.Rules = slices.DeleteFunc(role.Rules, func(rule rbacv1.PolicyRule) bool {
		return slices.ContainsFunc(rule.APIGroups, func(group string) bool { return slices.Contains(groups, group) })
	})
	if _, err := c.client.RbacV1().ClusterRoles().Update(t.Context(), role, metav1.UpdateOptions{}); err != nil {
		t.Fatal(err)
	}
}
