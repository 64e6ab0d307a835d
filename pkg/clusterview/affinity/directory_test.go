// Copyright The virt-scheduler Authors.
// SPDX-License-Identifier: Apache-2.0

package affinity

import (
	"fmt"
	"slices"
	"testing"

	"github.com/google/go-cmp/cmp"
	corev1 "k8s.io/api/core/v1"
	fwk "k8s.io/kube-scheduler/framework"
	"pgregory.net/rapid"
)

var allKinds = []Kind{RequiredAntiAffinity, RequiredAffinity, PreferredAffinity, PreferredAntiAffinity}

// The directory finds all that one would find who looks at all pods, and never what is gone.
func TestDirectoryMissesNothing(t *testing.T) {
	touched := 0
	rapid.Check(t, func(t *rapid.T) {
		d, pods := NewDirectory[int](rapid.IntRange(1, 3).Draw(t, "maxKeys")), map[int][]fwk.PodInfo{}
		source := &machine{}
		check := func(t *rapid.T, what string, found map[int]bool, is func(fwk.PodInfo) bool) {
			for thing := range found {
				if pods[thing] == nil {
					t.Errorf("%s: %d is found, which is gone", what, thing)
				}
			}
			for thing, of := range pods {
				if slices.ContainsFunc(of, is) {
					touched++
					if !found[thing] {
						t.Errorf("%s: %d is not found", what, thing)
					}
				}
			}
		}
		t.Repeat(map[string]func(*rapid.T){
			"put": func(t *rapid.T) {
				thing := rapid.IntRange(0, 9).Draw(t, "thing")
				pods[thing] = nil
				for range rapid.IntRange(1, 3).Draw(t, "pods") {
					pods[thing] = append(pods[thing], infoOf(source.newPod(t)))
				}
				d.Put(thing, pods[thing])
			},
			"take": func(t *rapid.T) {
				thing := rapid.IntRange(0, 9).Draw(t, "thing")
				delete(pods, thing)
				d.Take(thing)
			},
			"matching": func(t *rapid.T) {
				var terms []fwk.AffinityTerm
				for range rapid.IntRange(1, 2).Draw(t, "terms") {
					of, err := fwk.GetAffinityTerms(makePod("incoming").Namespace("red").Obj(), []corev1.PodAffinityTerm{drawTerm(t)})
					if err != nil {
						t.Fatal(err)
					}
					terms = append(terms, of...)
				}
				found := map[int]bool{}
				d.Matching(terms, func(thing int) { found[thing] = true })
				check(t, fmt.Sprint("matching ", terms), found, func(pod fwk.PodInfo) bool {
					return !slices.ContainsFunc(terms, func(term fwk.AffinityTerm) bool { return !term.Matches(pod.GetPod(), nil) })
				})
			},
			"owning": func(t *rapid.T) {
				pod := source.newPod(t)
				kinds := rapid.SampledFrom(allKinds).Draw(t, "kind") | rapid.SampledFrom(allKinds).Draw(t, "another")
				found := map[int]bool{}
				d.Owning(pod, kinds, func(thing int) { found[thing] = true })
				check(t, fmt.Sprint("owning ", kinds), found, func(of fwk.PodInfo) bool {
					for term := range termsOf(of) {
						if term.kind&kinds != 0 && term.term.Matches(pod, namespaceLabel[pod.Namespace]) {
							return true
						}
					}
					return false
				})
			},
		})
		for thing := range pods {
			d.Take(thing)
		}
		left := 0
		for _, byValue := range d.byKey {
			left += len(byValue)
		}
		for _, s := range d.terms {
			left += len(s.under) + len(s.keys)
		}
		if left += len(d.filed); left != 0 {
			t.Errorf("%d entries are left of an empty directory", left)
		}
	})
	if touched < 100 {
		t.Errorf("%d were to be found in all, too few for the test to mean something", touched)
	}
}

// Of many, those are found whose label or term is asked for, and not those that have in common with them what all have.
func TestDirectoryFindsFew(t *testing.T) {
	d := NewDirectory[string](8)
	term := func(group string) corev1.PodAffinityTerm { return over(hostname, "app=db,group="+group).Spec() }
	for i := range 999 {
		group := fmt.Sprint(i / 3)
		d.Put(fmt.Sprint(i), []fwk.PodInfo{makePod(fmt.Sprint("pod-", i)).Labels("app", "db", "group", group).Term(RequiredAntiAffinity, term(group), 0).Info()})
	}
	var matching, owning, loose []string
	d.Matching([]fwk.AffinityTerm{over(hostname, "app=db,group=7").Obj()}, func(thing string) { matching = append(matching, thing) })
	d.Owning(makePod("p").Labels("app", "db", "group", "7").Obj(), RequiredAntiAffinity, func(thing string) { owning = append(owning, thing) })
	d.Owning(makePod("p").Labels("app", "db", "group", "7").Obj(), RequiredAffinity, func(thing string) { loose = append(loose, thing) })
	want := []string{"21", "22", "23"}
	if diff := cmp.Diff(want, slices.Sorted(slices.Values(matching))); diff != "" {
		t.Errorf("those of a group (-want +got):\n%s", diff)
	}
	// A few are filed under what all have, because nothing else was there when they came.
	for _, thing := range want {
		if !slices.Contains(owning, thing) {
			t.Errorf("%s is not found by its term", thing)
		}
	}
	if len(owning) > 8 {
		t.Errorf("%d are found by their terms, want hardly more than 3", len(owning))
	}
	if len(loose) > 0 {
		t.Errorf("found by a term of another kind: %v", loose)
	}
}
