// Copyright The virt-scheduler Authors.
// SPDX-License-Identifier: Apache-2.0

package affinity

import (
	"fmt"
	"maps"
	"slices"
	"strings"

	corev1 "k8s.io/api/core/v1"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	"k8s.io/apimachinery/pkg/labels"
	"k8s.io/apimachinery/pkg/util/sets"
	fwk "k8s.io/kube-scheduler/framework"
	"k8s.io/kubernetes/pkg/scheduler/framework"
)

const (
	hostname = corev1.LabelHostname
	zone     = corev1.LabelTopologyZone
)

// makeNode makes a node of labels in pairs; it has its name as hostname.
func makeNode(name string, pairs ...string) *corev1.Node {
	of := mapOf(pairs...)
	of[hostname] = name
	return &corev1.Node{ObjectMeta: metav1.ObjectMeta{Name: name, Labels: of}}
}

func mapOf(pairs ...string) map[string]string {
	m := map[string]string{}
	for i := 0; i < len(pairs); i += 2 {
		m[pairs[i]] = pairs[i+1]
	}
	return m
}

// podBuilder makes pods that have affinity.
type podBuilder struct{ pod *corev1.Pod }

func makePod(name string) podBuilder {
	pod := &corev1.Pod{ObjectMeta: metav1.ObjectMeta{Name: name, Namespace: "default"}}
	pod.Spec.Affinity = &corev1.Affinity{PodAffinity: &corev1.PodAffinity{}, PodAntiAffinity: &corev1.PodAntiAffinity{}}
	return podBuilder{pod}
}

func (b podBuilder) Namespace(name string) podBuilder {
	b.pod.Namespace = name
	return b
}

func (b podBuilder) Labels(pairs ...string) podBuilder {
	b.pod.Labels = mapOf(pairs...)
	return b
}

// Term gives the pod a term; weight is for preferred ones.
func (b podBuilder) Term(kind Kind, term corev1.PodAffinityTerm, weight int32) podBuilder {
	a := b.pod.Spec.Affinity
	weighted := corev1.WeightedPodAffinityTerm{Weight: weight, PodAffinityTerm: term}
	switch kind {
	case RequiredAntiAffinity:
		list := &a.PodAntiAffinity.RequiredDuringSchedulingIgnoredDuringExecution
		*list = append(*list, term)
	case RequiredAffinity:
		list := &a.PodAffinity.RequiredDuringSchedulingIgnoredDuringExecution
		*list = append(*list, term)
	case PreferredAffinity:
		list := &a.PodAffinity.PreferredDuringSchedulingIgnoredDuringExecution
		*list = append(*list, weighted)
	case PreferredAntiAffinity:
		list := &a.PodAntiAffinity.PreferredDuringSchedulingIgnoredDuringExecution
		*list = append(*list, weighted)
	}
	return b
}

func (b podBuilder) Obj() *corev1.Pod { return b.pod }

func (b podBuilder) Info() fwk.PodInfo {
	info, err := framework.NewPodInfo(b.pod)
	if err != nil {
		panic(err)
	}
	return info
}

// termBuilder makes terms as a pod's spec has them.
type termBuilder struct{ term corev1.PodAffinityTerm }

// over makes a term whose selector is as kubectl would take it; "nil" is none, and "" selects all.
func over(topologyKey, selector string) termBuilder {
	return termBuilder{corev1.PodAffinityTerm{TopologyKey: topologyKey, LabelSelector: selectorOf(selector)}}
}

func selectorOf(text string) *metav1.LabelSelector {
	if text == "nil" {
		return nil
	}
	s, err := metav1.ParseToLabelSelector(text)
	if err != nil {
		panic(err)
	}
	return s
}

func (b termBuilder) Namespaces(names ...string) termBuilder {
	b.term.Namespaces = names
	return b
}

func (b termBuilder) NamespaceSelector(selector string) termBuilder {
	b.term.NamespaceSelector = selectorOf(selector)
	return b
}

func (b termBuilder) Spec() corev1.PodAffinityTerm { return b.term }

// Obj is the term of a pod in namespace default.
func (b termBuilder) Obj() fwk.AffinityTerm {
	terms, err := fwk.GetAffinityTerms(makePod("p").Obj(), []corev1.PodAffinityTerm{b.term})
	if err != nil {
		panic(err)
	}
	return terms[0]
}

// countsOf is what a Count says, with all that is none left out.
func countsOf(m *Matches, topologyKeys ...string) map[string]map[string]int64 {
	all := map[string]map[string]int64{}
	for _, key := range topologyKeys {
		m.Each(key, func(value string, n int64) {
			if all[key] == nil {
				all[key] = map[string]int64{}
			}
			all[key][value] = n
		})
	}
	return all
}

// ownedOf is what Owned says, by the text of a term.
func ownedOf(x *Index, pod *corev1.Pod, namespaceLabels labels.Set, kinds Kinds) map[string]map[string]int64 {
	all := map[string]map[string]int64{}
	x.Owned(pod, namespaceLabels, kinds, func(o Owned) {
		text := textOf(o.Kind, o.Term)
		if all[text] != nil {
			text += " once more"
		}
		all[text] = map[string]int64{}
		o.Counts.Each(func(value string, n int64) { all[text][value] = n })
		if len(all[text]) != o.Counts.Len() {
			panic(fmt.Sprintf("%d values of which Each tells %d", o.Counts.Len(), len(all[text])))
		}
	})
	return all
}

func textOf(kind Kind, term *fwk.AffinityTerm) string {
	return fmt.Sprintf("%d %s of %v and %s over %s", kind, selectorText(term.Selector), sets.List(term.Namespaces), selectorText(term.NamespaceSelector), term.TopologyKey)
}

// selectorText is the same for selectors that say the same in other words.
func selectorText(s labels.Selector) string {
	requirements, selectable := s.Requirements()
	if !selectable {
		return "nothing"
	}
	var all []string
	for i := range requirements {
		all = append(all, fmt.Sprint(requirements[i].Key(), operatorOf(&requirements[i]), requirements[i].Values().List()))
	}
	return "{" + strings.Join(all, " ") + "}"
}

func sortedKeys[V any](m map[string]V) []string { return slices.Sorted(maps.Keys(m)) }
