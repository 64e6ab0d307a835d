// Copyright The virt-scheduler Authors.
// SPDX-License-Identifier: Apache-2.0

package affinity

import (
	"hash/maphash"
	"sync"

	corev1 "k8s.io/api/core/v1"
	fwk "k8s.io/kube-scheduler/framework"
)

// Index knows the pods that are on nodes. Add, Remove, Renew and SetSkip change it and must be called by one goroutine,
// while nobody asks; between two changes many goroutines may ask.
type Index struct {
	records    map[fwk.PodInfo]*record
	namespaces namespaces
	hosts      hosts
	terms      terms
	skip       func(pod *corev1.Pod, term *fwk.AffinityTerm) bool
	hasher     hasher

	// mu guards what questions change: what follows, and which topology keys the hosts have values of.
	mu       sync.Mutex
	postings postings
	kept     kept
	// questions were asked so far: it tells what was used lately.
	questions uint64
	taken     paths
}

// paths says how often questions went which way.
type paths struct {
	walks, hits, fromPostings, fullReads, keptDropped, keysLearned, keysDropped, keysRefused int
}

// record is a pod in the index. What it has in common with others is pointers, so that a question about many pods
// compares these and does not read the labels of each.
type record struct {
	pod       *corev1.Pod
	host      *host
	namespace *namespace
	// values are its postings, by the places of their keys; nil where it does not have the label.
	values []*posting
}

// New makes an empty index. It follows at most maxKeys label keys by value, and keeps at most maxCounts counts current;
// each of the latter may cost some hundred nanoseconds per pod that is added or removed. Keys in never are not followed
// by value: those that tell pods apart and that hardly any term asks for.
func New(maxKeys, maxCounts int, never ...string) *Index {
	return &Index{
		records: map[fwk.PodInfo]*record{}, namespaces: namespaces{}, hosts: newHosts(), terms: newTerms(),
		hasher:   hasher{seed: maphash.MakeSeed(), mask: ^uint64(0)},
		postings: newPostings(maxKeys, never), kept: newKept(maxCounts),
	}
}

// SetSkip says which required anti-affinity terms of pods are not indexed: Owned does not know them. The answer must
// depend on the pod and the term alone.
func (x *Index) SetSkip(skip func(pod *corev1.Pod, term *fwk.AffinityTerm) bool) {
	for pod, r := range x.records {
		x.own(pod, r, false)
	}
	x.skip = skip
	for pod, r := range x.records {
		x.own(pod, r, true)
	}
}

// Add takes in a pod that is on the node. The node's labels count as they are now: when they change, the pod is to be
// added again. A pod is known by its PodInfo; one that is there already is moved.
func (x *Index) Add(pod fwk.PodInfo, node *corev1.Node) {
	x.Remove(pod, node)
	r := &record{pod: pod.GetPod(), host: x.hosts.hold(node)}
	r.namespace = x.namespaces.hold(r.pod.Namespace)
	x.records[pod] = r
	x.postings.add(r)
	x.kept.change(r, 1)
	x.own(pod, r, true)
}

// Remove takes out a pod as it was added. One that is not there is ignored.
func (x *Index) Remove(pod fwk.PodInfo, _ *corev1.Node) {
	r, ok := x.records[pod]
	if !ok {
		return
	}
	x.own(pod, r, false)
	x.kept.change(r, -1)
	x.postings.remove(r)
	x.namespaces.release(r.namespace)
	x.hosts.release(r.host)
	delete(x.records, pod)
}

// Renew makes the index keep the labels of a newer object of a node, where they say the same, so that the older one is
// not held in memory. It changes no answer.
func (x *Index) Renew(node *corev1.Node) { x.hosts.renew(node) }

// Len is the number of pods.
func (x *Index) Len() int { return len(x.records) }

// own counts the terms of a pod in or out, but those that count nowhere or for no pod.
func (x *Index) own(pod fwk.PodInfo, r *record, in bool) {
	for t := range termsOf(pod) {
		if !canMatch(t.term) || x.skips(r, t) {
			continue
		}
		topology, at := x.hosts.at(r.host, t.term.TopologyKey)
		if at == nil {
			continue
		}
		hash := x.hasher.owned(t.kind, t.term)
		if in {
			x.terms.add(hash, t, topology, at)
		} else {
			x.terms.remove(hash, t, at)
		}
	}
}

func (x *Index) skips(r *record, t ownedTerm) bool {
	return x.skip != nil && t.kind == RequiredAntiAffinity && x.skip(r.pod, t.term)
}
