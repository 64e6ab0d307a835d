// Copyright The virt-scheduler Authors.
// SPDX-License-Identifier: Apache-2.0

package vmaffinity

import (
	"slices"

	corev1 "k8s.io/api/core/v1"
	"k8s.io/apimachinery/pkg/labels"
	fwk "k8s.io/kube-scheduler/framework"

	"github.com/virt-scheduler/virt-scheduler/pkg/adapt"
	"github.com/virt-scheduler/virt-scheduler/pkg/clusterview/affinity"
)

// questions are what is asked about the pods on hosts for one pod. They are answered in two ways that must agree: by the
// index, for all pods, and pod by pod, for those of which the index is wrong, or that come and go.
type questions struct {
	pod       *corev1.Pod
	namespace labels.Set
	own       []question
	theirs    []theirs
	// sums is how many sums the answers go into.
	sums int
}

// question asks how many pods match all of some terms of the pod.
type question struct {
	terms  []fwk.AffinityTerm
	keys   []string // the topology keys, each once
	weight int64
	// near is true for affinity, which is about where a VM is; anti-affinity is also about where it will be.
	near bool
	// sum is where the answer goes.
	sum int
}

// theirs asks how many pods have a term of some kind that the pod matches.
type theirs struct {
	kind   affinity.Kind
	weight int64
	near   bool
	sum    int
}

// ask adds the question of how many pods match all terms.
func (q *questions) ask(terms []fwk.AffinityTerm, weight int64, near bool, sum int) {
	if len(terms) == 0 {
		return
	}
	asked := question{terms: terms, weight: weight, near: near, sum: sum}
	for i := range terms {
		asked.addKey(terms[i].TopologyKey)
	}
	q.own = append(q.own, asked)
}

func (q *question) addKey(key string) {
	if !slices.Contains(q.keys, key) {
		q.keys = append(q.keys, key)
	}
}

// answer asks the index, to whose answers others may be added.
func (q *questions) answer(index *affinity.Index) []sum {
	sums := make([]sum, q.sums)
	for i := range q.own {
		asked := &q.own[i]
		matches := index.Count(asked.terms)
		if !matches.Any() {
			continue
		}
		for _, key := range asked.keys {
			sums[asked.sum].count(key, part{matches: matches, weight: asked.weight})
		}
	}
	var kinds affinity.Kinds
	for i := range q.theirs {
		kinds |= q.theirs[i].kind
	}
	if kinds == 0 {
		return sums
	}
	index.Owned(q.pod, q.namespace, kinds, func(owned affinity.Owned) {
		if asked := q.of(owned.Kind); owned.Counts.Len() > 0 {
			sums[asked.sum].count(owned.Term.TopologyKey, part{counts: owned.Counts, weight: asked.weight})
		}
	})
	return sums
}

func (q *questions) of(kind affinity.Kind) *theirs {
	for i := range q.theirs {
		if q.theirs[i].kind == kind {
			return &q.theirs[i]
		}
	}
	return nil
}

// adder takes a part of an answer.
type adder func(sum int, key, value string, n int64)

// each answers the questions for one pod as the index does: without KubeVirt's own terms.
func (q *questions) each(pod fwk.PodInfo, node *corev1.Node, by int64, add adder) {
	for i := range q.own {
		asked := &q.own[i]
		if !matchesAll(asked.terms, pod.GetPod()) {
			continue
		}
		for _, key := range asked.keys {
			if value, ok := node.Labels[key]; ok {
				add(asked.sum, key, value, by*asked.weight)
			}
		}
	}
	q.eachOfTheirs(pod, func(asked *theirs, term *fwk.AffinityTerm, weight int64) {
		if value, ok := node.Labels[term.TopologyKey]; ok {
			add(asked.sum, term.TopologyKey, value, by*weight)
		}
	})
}

// eachOfTheirs calls f for the terms of a pod that are asked for and match, with their weights.
func (q *questions) eachOfTheirs(pod fwk.PodInfo, f func(asked *theirs, term *fwk.AffinityTerm, weight int64)) {
	for i := range q.theirs {
		asked := &q.theirs[i]
		required, preferred := termsOfKind(pod, asked.kind)
		for j := range required {
			if asked.kind == affinity.RequiredAntiAffinity && adapt.IsOwnTerm(pod.GetPod(), &required[j]) {
				continue // as in the index
			}
			if required[j].Matches(q.pod, q.namespace) {
				f(asked, &required[j], asked.weight)
			}
		}
		for j := range preferred {
			if preferred[j].Matches(q.pod, q.namespace) {
				f(asked, &preferred[j].AffinityTerm, asked.weight*int64(preferred[j].Weight))
			}
		}
	}
}

func termsOfKind(pod fwk.PodInfo, kind affinity.Kind) ([]fwk.AffinityTerm, []fwk.WeightedAffinityTerm) {
	switch kind {
	case affinity.RequiredAntiAffinity:
		return pod.GetRequiredAntiAffinityTerms(), nil
	case affinity.RequiredAffinity:
		return pod.GetRequiredAffinityTerms(), nil
	case affinity.PreferredAffinity:
		return nil, pod.GetPreferredAffinityTerms()
	default:
		return nil, pod.GetPreferredAntiAffinityTerms()
	}
}
