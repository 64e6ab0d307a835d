// Copyright The virt-scheduler Authors.
// SPDX-License-Identifier: Apache-2.0

package affinity

import (
	"fmt"
	"testing"

	"github.com/google/go-cmp/cmp"
	corev1 "k8s.io/api/core/v1"
	"k8s.io/apimachinery/pkg/labels"
	fwk "k8s.io/kube-scheduler/framework"
)

func TestOwned(t *testing.T) {
	east, west := makeNode("east", zone, "e"), makeNode("west", zone, "w")
	east2, nowhere := makeNode("east2", zone, "e"), makeNode("nowhere")
	db := over(zone, "app=db")
	tests := map[string]struct {
		pods  []placed
		pod   podBuilder
		kinds Kinds
		// namespace is the labels of the pod's.
		namespace labels.Set
		want      map[string]map[string]int64
	}{
		"equal terms of some pods are one": {
			pods: []placed{
				{makePod("a").Term(RequiredAntiAffinity, db.Spec(), 0), east},
				{makePod("b").Term(RequiredAntiAffinity, over(zone, "app in (db)").Spec(), 0), east2},
				{makePod("c").Term(RequiredAntiAffinity, over(zone, "app in (db,db)").Namespaces("default").Spec(), 0), west},
			},
			pod: makePod("p").Labels("app", "db"), kinds: RequiredAntiAffinity,
			want: map[string]map[string]int64{textOf(RequiredAntiAffinity, ptr(db.Obj())): {"e": 2, "w": 1}},
		},
		"values in another order are the same": {
			pods: []placed{
				{makePod("a").Term(RequiredAffinity, over(zone, "app in (db,web,x)").Spec(), 0), east},
				{makePod("b").Term(RequiredAffinity, over(zone, "app in (x,web,db)").Spec(), 0), east},
			},
			pod: makePod("p").Labels("app", "web"), kinds: RequiredAffinity,
			want: map[string]map[string]int64{textOf(RequiredAffinity, ptr(over(zone, "app in (db,web,x)").Obj())): {"e": 2}},
		},
		"weights add up": {
			pods: []placed{
				{makePod("a").Term(PreferredAffinity, db.Spec(), 10), east},
				{makePod("b").Term(PreferredAffinity, db.Spec(), 7), east},
				{makePod("c").Term(PreferredAffinity, db.Spec(), 1).Term(PreferredAffinity, db.Spec(), 2), west},
			},
			pod: makePod("p").Labels("app", "db"), kinds: PreferredAffinity,
			want: map[string]map[string]int64{textOf(PreferredAffinity, ptr(db.Obj())): {"e": 17, "w": 3}},
		},
		"only the kinds that are asked for": {
			pods: []placed{{
				makePod("a").Term(PreferredAffinity, db.Spec(), 1).Term(PreferredAntiAffinity, db.Spec(), 2).
					Term(RequiredAffinity, db.Spec(), 0).Term(RequiredAntiAffinity, db.Spec(), 0), east,
			}},
			pod: makePod("p").Labels("app", "db"), kinds: RequiredAffinity | PreferredAntiAffinity,
			want: map[string]map[string]int64{
				textOf(RequiredAffinity, ptr(db.Obj())):      {"e": 1},
				textOf(PreferredAntiAffinity, ptr(db.Obj())): {"e": 2},
			},
		},
		"none of a pod on a node without the topology key": {
			pods: []placed{{makePod("a").Term(RequiredAntiAffinity, db.Spec(), 0), nowhere}},
			pod:  makePod("p").Labels("app", "db"), kinds: RequiredAntiAffinity,
			want: map[string]map[string]int64{},
		},
		"not of another label": {
			pods: []placed{{makePod("a").Term(RequiredAntiAffinity, db.Spec(), 0), east}},
			pod:  makePod("p").Labels("app", "web"), kinds: RequiredAntiAffinity,
			want: map[string]map[string]int64{},
		},
		"not of another namespace": {
			pods: []placed{{makePod("a").Term(RequiredAntiAffinity, db.Spec(), 0), east}},
			pod:  makePod("p").Labels("app", "db").Namespace("red"), kinds: RequiredAntiAffinity,
			want: map[string]map[string]int64{},
		},
		"by the labels of the namespace": {
			pods: []placed{
				{makePod("a").Term(RequiredAntiAffinity, db.NamespaceSelector("team=a").Spec(), 0), east},
				{makePod("b").Term(RequiredAntiAffinity, db.NamespaceSelector("team=b").Spec(), 0), east},
				{makePod("c").Term(RequiredAntiAffinity, db.NamespaceSelector("").Spec(), 0), east},
				{makePod("d").Term(RequiredAntiAffinity, db.NamespaceSelector("team=b").Namespaces("red").Spec(), 0), west},
			},
			pod: makePod("p").Labels("app", "db").Namespace("red"), kinds: RequiredAntiAffinity, namespace: labels.Set{"team": "a"},
			want: map[string]map[string]int64{
				textOf(RequiredAntiAffinity, ptr(db.NamespaceSelector("team=a").Obj())):                   {"e": 1},
				textOf(RequiredAntiAffinity, ptr(db.NamespaceSelector("").Obj())):                         {"e": 1},
				textOf(RequiredAntiAffinity, ptr(db.NamespaceSelector("team=b").Namespaces("red").Obj())): {"w": 1},
			},
		},
		"selectors without an equality": {
			pods: []placed{
				{makePod("a").Term(RequiredAntiAffinity, over(zone, "!app").Spec(), 0), east},
				{makePod("b").Term(RequiredAntiAffinity, over(zone, "").Spec(), 0), east},
				{makePod("c").Term(RequiredAntiAffinity, over(zone, "tier notin (x)").Spec(), 0), east},
				{makePod("d").Term(RequiredAntiAffinity, over(zone, "tier").Spec(), 0), east},
				{makePod("e").Term(RequiredAntiAffinity, over(zone, "nil").Spec(), 0), east},
			},
			pod: makePod("p").Labels("tier", "x"), kinds: RequiredAntiAffinity,
			want: map[string]map[string]int64{
				textOf(RequiredAntiAffinity, ptr(over(zone, "!app").Obj())): {"e": 1},
				textOf(RequiredAntiAffinity, ptr(over(zone, "").Obj())):     {"e": 1},
				textOf(RequiredAntiAffinity, ptr(over(zone, "tier").Obj())): {"e": 1},
			},
		},
		"a pod without labels or namespace": {
			pods: []placed{
				{makePod("a").Namespace("").Term(RequiredAntiAffinity, over(zone, "").Namespaces("").Spec(), 0), east},
				{makePod("b").Namespace("").Term(RequiredAntiAffinity, over(zone, "").NamespaceSelector("").Spec(), 0), east},
			},
			pod: makePod("p").Namespace(""), kinds: RequiredAntiAffinity,
			want: map[string]map[string]int64{
				textOf(RequiredAntiAffinity, ptr(over(zone, "").Namespaces("").Obj())):        {"e": 1},
				textOf(RequiredAntiAffinity, ptr(over(zone, "").NamespaceSelector("").Obj())): {"e": 1},
			},
		},
		"more namespaces than it is filed under": {
			pods: []placed{{makePod("a").Term(RequiredAntiAffinity, db.Namespaces("0", "1", "2", "3", "4", "5", "6", "7", "8").Spec(), 0), east}},
			pod:  makePod("p").Labels("app", "db").Namespace("5"), kinds: RequiredAntiAffinity,
			want: map[string]map[string]int64{
				textOf(RequiredAntiAffinity, ptr(db.Namespaces("0", "1", "2", "3", "4", "5", "6", "7", "8").Obj())): {"e": 1},
			},
		},
	}
	for name, tc := range tests {
		t.Run(name, func(t *testing.T) {
			x := indexOf(tc.pods...)
			if diff := cmp.Diff(tc.want, ownedOf(x, tc.pod.Obj(), tc.namespace, tc.kinds)); diff != "" {
				t.Errorf("Owned (-want +got):\n%s", diff)
			}
		})
	}
}

func ptr[T any](v T) *T { return &v }

// A term is known as long as a pod has it.
func TestTermsEndWithTheirOwners(t *testing.T) {
	east, west := makeNode("east", zone, "e"), makeNode("west", zone, "w")
	a := makePod("a").Term(PreferredAffinity, over(zone, "app in (db,web)").Spec(), 3).Info()
	b := makePod("b").Term(PreferredAffinity, over(zone, "app in (web,db)").Spec(), 4).Info()
	x := New(4, 4)
	asked := makePod("p").Labels("app", "web").Obj()
	text := textOf(PreferredAffinity, &a.GetPreferredAffinityTerms()[0].AffinityTerm)
	x.Add(a, east)
	x.Add(b, west)
	if diff := cmp.Diff(map[string]map[string]int64{text: {"e": 3, "w": 4}}, ownedOf(x, asked, nil, PreferredAffinity)); diff != "" {
		t.Errorf("of two pods (-want +got):\n%s", diff)
	}
	x.Remove(b, west)
	if diff := cmp.Diff(map[string]map[string]int64{text: {"e": 3}}, ownedOf(x, asked, nil, PreferredAffinity)); diff != "" {
		t.Errorf("of one pod (-want +got):\n%s", diff)
	}
	x.Remove(a, east)
	if n := len(x.terms.byHash) + len(x.terms.filed.under) + len(x.terms.filed.keys); n != 0 {
		t.Errorf("%d entries remain of terms that nobody has", n)
	}
}

// Terms are filed under the label that tells them apart, whichever comes first in their selector.
func TestTermsAreFiledApart(t *testing.T) {
	for _, own := range []string{"a-group", "z-group"} {
		x := New(4, 4)
		for i := range 1000 {
			term := over(zone, fmt.Sprintf("kubevirt.io=virt-launcher,%s=g%d,n in (1,2,3)", own, i)).Spec()
			x.Add(makePod(fmt.Sprint("p", i)).Term(RequiredAntiAffinity, term, 0).Info(), makeNode("n", zone, "z"))
		}
		tried := 0
		pod := makePod("p").Labels("kubevirt.io", "virt-launcher", own, "g500", "n", "2").Obj()
		x.terms.filed.each(pod, func(*entry) { tried++ })
		if tried > 4 {
			t.Errorf("%d of 1000 terms are tried for a pod that one matches, want few", tried)
		}
	}
}

func TestSkip(t *testing.T) {
	own := func(pod *corev1.Pod, term *fwk.AffinityTerm) bool {
		uid, ok := term.Selector.RequiresExactMatch(createdBy)
		return ok && uid == pod.Labels[createdBy]
	}
	term := over(hostname, createdBy+"=uid").Spec()
	mine := makePod("mine").Labels(createdBy, "uid").Term(RequiredAntiAffinity, term, 0).Term(RequiredAffinity, term, 0).Info()
	other := makePod("other").Term(RequiredAntiAffinity, term, 0).Info()
	asked := makePod("p").Labels(createdBy, "uid").Obj()
	anti, affinity := textOf(RequiredAntiAffinity, ptr(over(hostname, createdBy+"=uid").Obj())), textOf(RequiredAffinity, ptr(over(hostname, createdBy+"=uid").Obj()))
	for _, first := range []bool{true, false} {
		x := New(4, 4)
		if first {
			x.SetSkip(own)
		}
		x.Add(mine, makeNode("a"))
		x.Add(other, makeNode("b"))
		if !first {
			x.SetSkip(own)
		}
		want := map[string]map[string]int64{anti: {"b": 1}, affinity: {"a": 1}}
		if diff := cmp.Diff(want, ownedOf(x, asked, nil, RequiredAntiAffinity|RequiredAffinity)); diff != "" {
			t.Errorf("with pods added after it %v (-want +got):\n%s", first, diff)
		}
		x.SetSkip(nil)
		want[anti]["a"] = 1
		if diff := cmp.Diff(want, ownedOf(x, asked, nil, RequiredAntiAffinity|RequiredAffinity)); diff != "" {
			t.Errorf("without it (-want +got):\n%s", diff)
		}
	}
}
