// Copyright The virt-scheduler Authors.
// SPDX-License-Identifier: Apache-2.0

package affinity

import fwk "k8s.io/kube-scheduler/framework"

// postings find pods by label value and namespace, for the keys that were asked for.
type postings struct {
	maxKeys int
	never   map[string]struct{}
	byKey   map[string]*followed
	// rest is for how many questions a key must have been of no use before another takes its place.
	rest uint64
}

// followed is a label key with its values.
type followed struct {
	place   int
	used    uint64
	byValue map[string]*posting
}

// noKey is one that every pod has, with no value: it finds pods by their namespace alone.
const noKey = ""

func newPostings(maxKeys int, never []string) postings {
	p := postings{maxKeys: maxKeys, never: map[string]struct{}{}, byKey: map[string]*followed{}, rest: 4096}
	for _, key := range never {
		p.never[key] = struct{}{}
	}
	return p
}

func valueOf(r *record, key string) (value string, ok bool) {
	if key == noKey {
		return "", true
	}
	value, ok = r.pod.Labels[key]
	return value, ok
}

func (p *postings) add(r *record) {
	if len(p.byKey) == 0 {
		return
	}
	r.values = make([]*posting, len(p.byKey))
	for key, of := range p.byKey {
		if value, ok := valueOf(r, key); ok {
			of.add(value, r)
		}
	}
}

func (p *postings) remove(r *record) {
	for key, of := range p.byKey {
		in := r.values[of.place]
		if in == nil {
			continue
		}
		in.remove(r)
		if in.pods == 0 {
			value, _ := valueOf(r, key)
			delete(of.byValue, value)
		}
	}
}

// room returns the place for one more key, if it may be followed at all; the key that was there is dropped.
func (p *postings) room(key string, now uint64) (place int, ok, dropped bool) {
	if _, never := p.never[key]; never || p.maxKeys < 1 {
		return 0, false, false
	}
	if len(p.byKey) < p.maxKeys {
		return len(p.byKey), true, false
	}
	oldest, found := "", false
	for other, of := range p.byKey {
		if !found || of.used < p.byKey[oldest].used {
			oldest, found = other, true
		}
	}
	if now-p.byKey[oldest].used <= p.rest {
		return 0, false, false
	}
	place = p.byKey[oldest].place
	delete(p.byKey, oldest)
	return place, true, true
}

func (p *postings) follow(key string, place int, now uint64, all map[fwk.PodInfo]*record) {
	of := &followed{place: place, used: now, byValue: map[string]*posting{}}
	p.byKey[key] = of
	for _, r := range all {
		if place == len(r.values) {
			r.values = append(r.values, nil)
		}
		r.values[place] = nil
		if value, ok := valueOf(r, key); ok {
			of.add(value, r)
		}
	}
}

func (f *followed) add(value string, r *record) {
	to := f.byValue[value]
	if to == nil {
		to = &posting{}
		f.byValue[value] = to
	}
	to.add(r)
	r.values[f.place] = to
}
