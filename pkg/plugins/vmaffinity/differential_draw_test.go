// Copyright The virt-scheduler Authors.
// SPDX-License-Identifier: Apache-2.0

package vmaffinity

import (
	"fmt"
	"maps"
	"slices"

	corev1 "k8s.io/api/core/v1"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	"pgregory.net/rapid"
)

const (
	region = corev1.LabelTopologyRegion
	rack   = "rack"
	// absent stands for no label.
	absent = "-"
)

// So few labels and values that terms match often.
var (
	podLabels = map[string][]string{
		"app": {"a", "b", "c", absent}, "tier": {"1", absent, "2"}, "x": {absent, ""},
	}
	namespaceLabels = map[string][]string{
		"team": {"a", "b", absent}, "stage": {absent, "", "test"},
	}
	nodeLabels = map[string][]string{
		zone: {"z0", "z1", "z2", absent}, region: {"r0", "r1", absent}, rack: {absent, "", "k0", "k1"},
	}
	keysOfPods       = slices.Sorted(maps.Keys(podLabels))
	keysOfNamespaces = slices.Sorted(maps.Keys(namespaceLabels))
	keysOfNodes      = slices.Sorted(maps.Keys(nodeLabels))
	topologyKeys     = []string{hostname, zone, hostname, zone, region, rack, zone, "no-node-has-it"}
	namespaceNames   = []string{"ns0", "ns1", "ns2", "ns3"}
	homes            = append([]string{"ns0", "ns0", "ns0", "ns1"}, namespaceNames...) // most are where others are
)

// below draws one of 0..n-1.
func below(t *rapid.T, n int, what string) int { return rapid.IntRange(0, n-1).Draw(t, what) }

// once draws true once in n times.
func once(t *rapid.T, n int, what string) bool { return below(t, n, what) == n-1 }

func oneOf[E any](t *rapid.T, list []E, what string) E { return list[below(t, len(list), what)] }

func anyLabels(t *rapid.T, keys []string, values map[string][]string) map[string]string {
	drawn := map[string]string{}
	for _, key := range keys {
		if value := oneOf(t, values[key], key); value != absent {
			drawn[key] = value
		}
	}
	return drawn
}

func anyNode(t *rapid.T, name string) *corev1.Node {
	b := makeNode(name)
	b.node.Labels = anyLabels(t, keysOfNodes, nodeLabels)
	switch below(t, 12, "hostname") {
	case 10:
		b.node.Labels[hostname] = "another's"
	case 11: // has none
	default:
		b.node.Labels[hostname] = name
	}
	return b.Obj()
}

// anySelector draws every form that the API accepts: nil, which selects nothing, empty, which selects all, and
// requirements of every operator. Now and then it is one that the API would refuse.
func anySelector(t *rapid.T, keys []string, values map[string][]string, what string) *metav1.LabelSelector {
	value := func(key string) string {
		drawn := oneOf(t, values[key], "value")
		if drawn == absent {
			drawn = "no-pod-has-it"
		}
		return drawn
	}
	s := &metav1.LabelSelector{}
	switch form := below(t, 40, what); {
	case form < 16:
		key := oneOf(t, keys, "key")
		s.MatchLabels = map[string]string{key: value(key)}
	case form < 19:
		s.MatchLabels = map[string]string{}
		for _, key := range keys {
			s.MatchLabels[key] = value(key)
		}
	case form < 36:
		for range 1 + below(t, 2, "requirements") {
			key := oneOf(t, keys, "key")
			r := metav1.LabelSelectorRequirement{Key: key, Operator: oneOf(t, []metav1.LabelSelectorOperator{
				metav1.LabelSelectorOpIn, metav1.LabelSelectorOpNotIn, metav1.LabelSelectorOpExists, metav1.LabelSelectorOpDoesNotExist,
			}, "operator")}
			if r.Operator == metav1.LabelSelectorOpIn || r.Operator == metav1.LabelSelectorOpNotIn {
				for range 1 + below(t, 3, "values") {
					r.Values = append(r.Values, value(key))
				}
			}
			s.MatchExpressions = append(s.MatchExpressions, r)
		}
	case form < 38: // empty
	case form < 39:
		return nil
	default:
		if once(t, 6, "not valid") {
			s.MatchLabels = map[string]string{keys[0]: "{not valid}"}
		}
	}
	return s
}

func anyTerm(t *rapid.T) corev1.PodAffinityTerm {
	term := corev1.PodAffinityTerm{
		TopologyKey:   oneOf(t, topologyKeys, "topology key"),
		LabelSelector: anySelector(t, keysOfPods, podLabels, "selector"),
	}
	switch below(t, 8, "namespaces") {
	case 5:
		term.Namespaces = []string{oneOf(t, namespaceNames, "namespace")}
	case 6:
		term.Namespaces = []string{oneOf(t, namespaceNames, "namespace"), oneOf(t, namespaceNames, "namespace"), "nowhere"}
	}
	switch below(t, 8, "namespace selector") {
	case 5:
		term.NamespaceSelector = &metav1.LabelSelector{}
	case 6, 7:
		term.NamespaceSelector = anySelector(t, keysOfNamespaces, namespaceLabels, "namespace selector")
	}
	if once(t, 5, "label keys") {
		term.MatchLabelKeys = []string{oneOf(t, []string{"app", "tier", "nobody has it"}, "match")}
		if once(t, 2, "mismatch") {
			term.MismatchLabelKeys = []string{"x"}
		}
	}
	return term
}

// asStored is a term as the API server stores it: what its label keys say of the pod's labels is in the selector, too.
func asStored(term corev1.PodAffinityTerm, labels map[string]string) corev1.PodAffinityTerm {
	if term.LabelSelector == nil {
		return term
	}
	merge := func(keys []string, operator metav1.LabelSelectorOperator) {
		for _, key := range keys {
			if value, ok := labels[key]; ok {
				term.LabelSelector.MatchExpressions = append(term.LabelSelector.MatchExpressions,
					metav1.LabelSelectorRequirement{Key: key, Operator: operator, Values: []string{value}})
			}
		}
	}
	term.LabelSelector = term.LabelSelector.DeepCopy()
	merge(term.MatchLabelKeys, metav1.LabelSelectorOpIn)
	merge(term.MismatchLabelKeys, metav1.LabelSelectorOpNotIn)
	return term
}

// anyPod draws one that is on no node. Such are used as moulds, as those of a Deployment are: many pods have the same
// terms.
func anyPod(t *rapid.T, name string) *corev1.Pod {
	b := makePod(name).Namespace(oneOf(t, homes, "namespace"))
	b.pod.Labels = anyLabels(t, keysOfPods, podLabels)
	for range below(t, 6, "terms") {
		term := termBuilder{asStored(anyTerm(t), b.pod.Labels)}
		weight := int32(1 + below(t, 100, "weight"))
		switch below(t, 8, "kind") {
		case 0, 1:
			b = b.PrefersNear(weight, term)
		case 2, 3:
			b = b.PrefersAnti(weight, term)
		case 4:
			b = b.Near(term)
		default:
			b = b.Anti(term)
		}
	}
	return b.Obj()
}

// cast makes a pod of a mould.
func cast(mould *corev1.Pod, number int) *corev1.Pod {
	b := makePod(fmt.Sprintf("pod-%d", number)).Namespace(mould.Namespace).Created(int64(number))
	b.pod.Labels = maps.Clone(mould.Labels)
	b.pod.Spec.Affinity = mould.Spec.Affinity.DeepCopy()
	return b.Obj()
}
