// Copyright The virt-scheduler Authors.
// SPDX-License-Identifier: Apache-2.0

package affinity

import (
	"sync"

	corev1 "k8s.io/api/core/v1"
	fwk "k8s.io/kube-scheduler/framework"
)

// Directory finds things that stand for some pods, as a VM for its launchers, by these pods' labels and terms: all that may have to do
// with a question, and few others. Where Index counts, it names; it is for things of which there are few, compared with pods.
// Put and Take must be called by one goroutine, while nobody asks.
type Directory[T comparable] struct {
	pods map[T][]fwk.PodInfo
	// terms are those of all pods, by kind, and filed where in them each thing is.
	terms map[Kind]*shelf[T]
	filed map[T][]place

	// mu guards what questions change.
	mu sync.Mutex
	// byKey has, for the keys that questions asked equality of, who has which value.
	byKey   map[string]map[string]map[T]struct{}
	maxKeys int
}

// place is under which labels a term of a kind is filed.
type place struct {
	kind  Kind
	under []label
}

// NewDirectory makes an empty one. It finds by at most maxKeys label keys; when there is one more, it forgets them and begins anew.
func NewDirectory[T comparable](maxKeys int) *Directory[T] {
	d := &Directory[T]{
		pods: map[T][]fwk.PodInfo{}, terms: map[Kind]*shelf[T]{}, filed: map[T][]place{},
		byKey: map[string]map[string]map[T]struct{}{}, maxKeys: maxKeys,
	}
	for _, kind := range []Kind{RequiredAntiAffinity, RequiredAffinity, PreferredAffinity, PreferredAntiAffinity} {
		s := newShelf[T]()
		d.terms[kind] = &s
	}
	return d
}

// Put says for which pods a thing stands, from now on.
func (d *Directory[T]) Put(thing T, pods []fwk.PodInfo) {
	d.Take(thing)
	d.pods[thing] = pods
	for _, pod := range pods {
		for t := range termsOf(pod) {
			if !canMatch(t.term) {
				continue
			}
			number, _ := d.terms[t.kind].choose(t.term)
			at := place{t.kind, labelsOf(t.term, number)}
			d.terms[t.kind].put(thing, at.under)
			d.filed[thing] = append(d.filed[thing], at)
		}
	}
	for key, byValue := range d.byKey {
		file(byValue, key, thing, pods)
	}
}

// Take takes a thing out.
func (d *Directory[T]) Take(thing T) {
	for _, at := range d.filed[thing] {
		d.terms[at.kind].take(thing, at.under)
	}
	for key, byValue := range d.byKey {
		for _, pod := range d.pods[thing] {
			value := pod.GetPod().Labels[key]
			if of := byValue[value]; of != nil {
				if delete(of, thing); len(of) == 0 {
					delete(byValue, value)
				}
			}
		}
	}
	delete(d.filed, thing)
	delete(d.pods, thing)
}

func file[T comparable](byValue map[string]map[T]struct{}, key string, thing T, pods []fwk.PodInfo) {
	for _, pod := range pods {
		value, ok := pod.GetPod().Labels[key]
		if !ok {
			continue
		}
		if byValue[value] == nil {
			byValue[value] = map[T]struct{}{}
		}
		byValue[value][thing] = struct{}{}
	}
}

// Matching calls f for all that stand for a pod which matches all terms, maybe for others, and maybe more than once.
func (d *Directory[T]) Matching(terms []fwk.AffinityTerm, f func(T)) {
	if len(d.pods) == 0 {
		return
	}
	d.mu.Lock()
	defer d.mu.Unlock()
	var best []map[T]struct{}
	fewest := len(d.pods)
	for i := range terms {
		for _, r := range equalities(terms[i].Selector) {
			byValue := d.values(r.Key())
			var sets []map[T]struct{}
			n := 0
			for _, value := range valuesOf(r) {
				if set := byValue[value]; set != nil {
					sets, n = append(sets, set), n+len(set)
				}
			}
			if n == 0 {
				return
			}
			if n < fewest {
				best, fewest = sets, n
			}
		}
	}
	if best == nil {
		for thing := range d.pods {
			f(thing)
		}
		return
	}
	for _, set := range best {
		for thing := range set {
			f(thing)
		}
	}
}

// values are who has which value of a key.
func (d *Directory[T]) values(key string) map[string]map[T]struct{} {
	if known, ok := d.byKey[key]; ok {
		return known
	}
	if len(d.byKey) >= d.maxKeys {
		clear(d.byKey)
	}
	byValue := map[string]map[T]struct{}{}
	for thing, pods := range d.pods {
		file(byValue, key, thing, pods)
	}
	d.byKey[key] = byValue
	return byValue
}

// Owning calls f for all that stand for a pod with a term of one of the kinds that matches the pod, maybe for others, and maybe more than
// once.
func (d *Directory[T]) Owning(pod *corev1.Pod, kinds Kinds, f func(T)) {
	for kind, s := range d.terms {
		if kind&kinds != 0 {
			s.each(pod, f)
		}
	}
}
