// Copyright The virt-scheduler Authors.
// SPDX-License-Identifier: Apache-2.0

package integration

import (
	"testing"

	corev1 "k8s.io/api/core/v1"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
)

// TestMatchLabelKeys: the API server writes matchLabelKeys and mismatchLabelKeys into the selector of a term, and VMAffinity
// reads the selector. Launcher pods and others have what a Deployment or a VM's template gives them.
func TestMatchLabelKeys(t *testing.T) {
	c := startControlPlane(t)
	c.applyBase(t)
	c.installVMIs(t)
	c.startScheduler(t)
	web := metav1.LabelSelector{MatchLabels: map[string]string{"app": "web"}}
	perRevision := corev1.PodAffinityTerm{TopologyKey: corev1.LabelHostname, LabelSelector: &web, MatchLabelKeys: []string{"revision"}}
	otherTenants := corev1.PodAffinityTerm{TopologyKey: corev1.LabelHostname, LabelSelector: &web, MismatchLabelKeys: []string{"tenant"}}

	for kind, make := range map[string]func(name string) podBuilder{
		"pods": pod,
		"vms":  func(name string) podBuilder { return launcher(name, c.createVMI(t, name, 1), "100m") },
	} {
		t.Run(kind, func(t *testing.T) {
			// Of each term: the first pod takes one host, and the other is left to the second, which keeps apart from it; the third does not
			// match for its key, and would fit on either.
			placed := func(pool, name, key, value string, change func(*corev1.Affinity)) string {
				p := make(kind + "-" + name).by("virt-scheduler").in(pool)
				if p.Labels == nil {
					p.Labels = map[string]string{}
				}
				p.Labels["app"], p.Labels[key] = "web", value
				if p.Spec.Affinity == nil {
					p.Spec.Affinity = &corev1.Affinity{}
				}
				change(p.Spec.Affinity)
				c.createPod(t, p)
				if !c.decided(t, p.Name) {
					return ""
				}
				return c.awaitPlaced(t, p.Name)
			}
			hosts := func(pool string) {
				c.createHost(t, pool+"-a", pool, nil)
				c.createHost(t, pool+"-b", pool, nil)
			}

			apart := func(a *corev1.Affinity) {
				a.PodAntiAffinity = &corev1.PodAntiAffinity{RequiredDuringSchedulingIgnoredDuringExecution: []corev1.PodAffinityTerm{perRevision}}
			}
			pool := kind + "-revisions"
			hosts(pool)
			first, second := placed(pool, "r1-1", "revision", "1", apart), placed(pool, "r1-2", "revision", "1", apart)
			if first == "" || second == "" || first == second {
				t.Errorf("two of one revision are on %q and %q", first, second)
			}
			if got := placed(pool, "r1-3", "revision", "1", apart); got != "" {
				t.Errorf("a third of the revision is on %s", got)
			}
			if got := placed(pool, "r2-1", "revision", "2", apart); got == "" {
				t.Error("one of another revision is on no host")
			}

			alone := func(a *corev1.Affinity) {
				a.PodAntiAffinity = &corev1.PodAntiAffinity{RequiredDuringSchedulingIgnoredDuringExecution: []corev1.PodAffinityTerm{otherTenants}}
			}
			pool = kind + "-tenants"
			hosts(pool)
			red, blue := placed(pool, "red-1", "tenant", "red", alone), placed(pool, "blue-1", "tenant", "blue", alone)
			if red == "" || blue == "" || red == blue {
				t.Errorf("two tenants are on %q and %q", red, blue)
			}
			if got := placed(pool, "red-2", "tenant", "red", alone); got != red {
				t.Errorf("the second of a tenant is on %q, want %s", got, red)
			}
			if got := placed(pool, "green-1", "tenant", "green", alone); got != "" {
				t.Errorf("a third tenant is on %s", got)
			}
		})
	}
}
