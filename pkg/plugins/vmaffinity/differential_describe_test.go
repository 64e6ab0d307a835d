// Copyright The virt-scheduler Authors.
// SPDX-License-Identifier: Apache-2.0

package vmaffinity

import (
	"fmt"
	"slices"
	"strings"

	corev1 "k8s.io/api/core/v1"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	"k8s.io/apimachinery/pkg/labels"
	fwk "k8s.io/kube-scheduler/framework"
)

// What is printed of a difference is what a row of the table of found ones needs.

func (w *twins) describe(hosts []fwk.NodeInfo) string {
	var b strings.Builder
	for _, object := range w.namespaces.List() {
		if namespace, ok := object.(*corev1.Namespace); ok {
			fmt.Fprintf(&b, "namespace %s %v\n", namespace.Name, labels.Set(namespace.Labels))
		}
	}
	for _, host := range hosts {
		fmt.Fprintf(&b, "node %s %v\n", host.Node().Name, labels.Set(host.Node().Labels))
		for _, pod := range host.GetPods() {
			fmt.Fprintf(&b, "  pod %s\n", describe(pod.GetPod()))
		}
	}
	return b.String()
}

func describeMoves(moves [][]move) string {
	var b strings.Builder
	for _, list := range moves {
		b.WriteString("then:\n")
		for _, m := range list {
			fmt.Fprintf(&b, "  gone %t, host %d: %s\n", m.gone, m.host, describe(m.pod.GetPod()))
		}
	}
	return b.String()
}

func describe(pod *corev1.Pod) string {
	var b strings.Builder
	fmt.Fprintf(&b, "%s/%s {%v}", pod.Namespace, pod.Name, labels.Set(pod.Labels))
	if pod.DeletionTimestamp != nil {
		b.WriteString(" ending")
	}
	affinity := pod.Spec.Affinity
	if affinity == nil {
		return b.String()
	}
	if a := affinity.PodAffinity; a != nil {
		for i := range a.RequiredDuringSchedulingIgnoredDuringExecution {
			fmt.Fprintf(&b, " .Near(%s)", describeTerm(&a.RequiredDuringSchedulingIgnoredDuringExecution[i]))
		}
		for _, p := range a.PreferredDuringSchedulingIgnoredDuringExecution {
			fmt.Fprintf(&b, " .PrefersNear(%d, %s)", p.Weight, describeTerm(&p.PodAffinityTerm))
		}
	}
	if a := affinity.PodAntiAffinity; a != nil {
		for i := range a.RequiredDuringSchedulingIgnoredDuringExecution {
			fmt.Fprintf(&b, " .Anti(%s)", describeTerm(&a.RequiredDuringSchedulingIgnoredDuringExecution[i]))
		}
		for _, p := range a.PreferredDuringSchedulingIgnoredDuringExecution {
			fmt.Fprintf(&b, " .PrefersAnti(%d, %s)", p.Weight, describeTerm(&p.PodAffinityTerm))
		}
	}
	return b.String()
}

func describeTerm(term *corev1.PodAffinityTerm) string {
	key := term.TopologyKey[strings.LastIndex(term.TopologyKey, "/")+1:]
	s := fmt.Sprintf("%s, %q", key, selectorText(term.LabelSelector))
	if len(term.Namespaces) > 0 {
		s += " In " + strings.Join(slices.Sorted(slices.Values(term.Namespaces)), ",")
	}
	if term.NamespaceSelector != nil {
		s += fmt.Sprintf(" InThose %q", selectorText(term.NamespaceSelector))
	}
	return s
}

func selectorText(selector *metav1.LabelSelector) string {
	if selector == nil {
		return "<nil>"
	}
	return metav1.FormatLabelSelector(selector)
}
