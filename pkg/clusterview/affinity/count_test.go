// Copyright The virt-scheduler Authors.
// SPDX-License-Identifier: Apache-2.0

package affinity

import (
	"fmt"
	"strings"
	"testing"

	"github.com/google/go-cmp/cmp"
	corev1 "k8s.io/api/core/v1"
	"k8s.io/apimachinery/pkg/labels"
	"k8s.io/apimachinery/pkg/util/sets"
	fwk "k8s.io/kube-scheduler/framework"
)

// placed is pods on nodes.
type placed struct {
	pod  podBuilder
	node *corev1.Node
}

func indexOf(pods ...placed) *Index {
	x := New(8, 8, createdBy)
	for _, p := range pods {
		x.Add(p.pod.Info(), p.node)
	}
	return x
}

func TestCount(t *testing.T) {
	east, west := makeNode("east", zone, "e"), makeNode("west", zone, "w")
	east2, nowhere := makeNode("east2", zone, "e"), makeNode("nowhere")
	pods := []placed{
		{makePod("db-0").Labels("app", "db", "tier", "back", "n", "5"), east},
		{makePod("db-1").Labels("app", "db", "tier", "back", "n", "2"), east2},
		{makePod("db-2").Labels("app", "db", "tier", "back", createdBy, "uid-2"), west},
		{makePod("db-3").Labels("app", "db", "tier", "back"), nowhere},
		{makePod("web-0").Labels("app", "web", "tier", "front"), west},
		{makePod("web-1").Labels("app", "web", "tier", "front").Namespace("red"), west},
		{makePod("bare"), east},
	}
	type counts = map[string]map[string]int64
	two := func(a, b termBuilder) []fwk.AffinityTerm { return []fwk.AffinityTerm{a.Obj(), b.Obj()} }
	one := func(a termBuilder) []fwk.AffinityTerm { return []fwk.AffinityTerm{a.Obj()} }
	larger := over(zone, "nil").Obj()
	larger.Selector = labels.SelectorFromSet(labels.Set{"app": "db"}) // Gt and Lt are not in a pod's selector
	number, err := labels.Parse("n>3")
	if err != nil {
		t.Fatal(err)
	}
	requirements, _ := number.Requirements()
	larger.Selector = larger.Selector.Add(requirements...)
	tests := map[string]struct {
		terms []fwk.AffinityTerm
		want  counts
	}{
		"no terms":                                {want: counts{}},
		"a label":                                 {one(over(zone, "app=db")), counts{zone: {"e": 2, "w": 1}}},
		"only nodes with the key":                 {one(over("rack", "app=db")), counts{}},
		"all nodes have the key":                  {one(over(hostname, "app=db")), counts{hostname: {"east": 1, "east2": 1, "west": 1, "nowhere": 1}}},
		"two labels":                              {one(over(zone, "app=db,tier=back")), counts{zone: {"e": 2, "w": 1}}},
		"two labels that no pod has":              {one(over(zone, "app=db,tier=front")), counts{}},
		"a value that no pod has":                 {one(over(zone, "app=cache")), counts{}},
		"one of some values":                      {one(over(zone, "app in (web,db,cache)")), counts{zone: {"e": 2, "w": 2}}},
		"the same value twice":                    {one(over(zone, "app in (web,web)")), counts{zone: {"w": 1}}},
		"not a value":                             {one(over(zone, "app notin (web)")), counts{zone: {"e": 3, "w": 1}}},
		"a label and not another":                 {one(over(zone, "app in (web,db),tier notin (front)")), counts{zone: {"e": 2, "w": 1}}},
		"a key":                                   {one(over(zone, "app")), counts{zone: {"e": 2, "w": 2}}},
		"no key":                                  {one(over(zone, "!app")), counts{zone: {"e": 1}}},
		"a label and no key":                      {one(over(zone, "tier=back,!"+createdBy)), counts{zone: {"e": 2}}},
		"a key that gets no posting":              {one(over(zone, createdBy+"=uid-2")), counts{zone: {"w": 1}}},
		"all pods":                                {one(over(zone, "")), counts{zone: {"e": 3, "w": 2}}},
		"no pods":                                 {one(over(zone, "nil")), counts{}},
		"all pods and none":                       {two(over(zone, ""), over(zone, "nil")), counts{}},
		"another namespace":                       {one(over(zone, "app=web").Namespaces("red")), counts{zone: {"w": 1}}},
		"two namespaces":                          {one(over(zone, "app=web").Namespaces("red", "default")), counts{zone: {"w": 2}}},
		"all namespaces":                          {one(over(zone, "app=web").NamespaceSelector("")), counts{zone: {"w": 2}}},
		"all pods of all namespaces":              {one(over(zone, "").NamespaceSelector("")), counts{zone: {"e": 3, "w": 3}}},
		"all pods of a namespace":                 {one(over(zone, "").Namespaces("red")), counts{zone: {"w": 1}}},
		"a namespace without pods":                {one(over(zone, "app=web").Namespaces("blue")), counts{}},
		"pods that match both terms":              {two(over(zone, "app=db"), over(hostname, "tier notin (front)")), counts{zone: {"e": 2, "w": 1}, hostname: {"east": 1, "east2": 1, "west": 1, "nowhere": 1}}},
		"no pod matches both terms":               {two(over(zone, "app=db"), over(hostname, "tier=front")), counts{}},
		"no pod is in both namespaces":            {two(over(zone, "app=web").Namespaces("red"), over(hostname, "app=web")), counts{}},
		"one key of two terms is counted once":    {two(over(zone, "app=db"), over(zone, "tier=back")), counts{zone: {"e": 2, "w": 1}}},
		"two requirements of a key that conflict": {one(over(zone, "app=db,app in (web,cache)")), counts{}},
		"two requirements of a key that agree":    {one(over(zone, "app=db,app in (web,db)")), counts{zone: {"e": 2, "w": 1}}},
		"two sets of values of a key":             {one(over(zone, "app in (cache,db),app in (web,db)")), counts{zone: {"e": 2, "w": 1}}},
		"a number":                                {[]fwk.AffinityTerm{larger}, counts{zone: {"e": 1}}},
	}
	for name, tc := range tests {
		t.Run(name, func(t *testing.T) {
			for what, x := range map[string]*Index{"": indexOf(pods...), "with nothing kept": New(0, 0)} {
				if x.Len() == 0 {
					for _, p := range pods {
						x.Add(p.pod.Info(), p.node)
					}
				}
				for _, again := range []string{"", " again"} {
					got := x.Count(tc.terms)
					if diff := cmp.Diff(tc.want, countsOf(got, zone, hostname, "rack")); diff != "" {
						t.Errorf("Count%s%s (-want +got):\n%s", what, again, diff)
					}
					if got.Any() != (len(tc.want) > 0) {
						t.Errorf("Any() is %v%s%s, want %v", got.Any(), what, again, len(tc.want) > 0)
					}
				}
			}
		})
	}
}

// Each way to an answer is taken when it should be, and only then.
func TestCountPaths(t *testing.T) {
	east := makeNode("east", zone, "e")
	x := New(2, 2, createdBy)
	for i := range walkLimit + 1 {
		x.Add(makePod(fmt.Sprint("pod-", i)).Labels("app", "db", "half", fmt.Sprint(i%2), "n", fmt.Sprint(i)).Info(), east)
	}
	steps := []struct {
		selector string
		want     paths // in addition
		n        int64
	}{
		{"half=0", paths{keysLearned: 1, walks: 1}, 33},
		{"half=0", paths{walks: 1}, 33},
		{"half=1,!n", paths{walks: 1}, 0},
		{"app=db", paths{keysLearned: 1, fromPostings: 1}, 65},
		{"app=db", paths{hits: 1}, 65},
		{"n=3", paths{keysRefused: 2, fullReads: 1}, 1},
		{"n=3", paths{hits: 1}, 1},
		{"n=4", paths{keysRefused: 2, fullReads: 1, keptDropped: 1}, 1}, // app=db was asked for least recently
		{"n=3", paths{hits: 1}, 1},
		{"app=db", paths{fromPostings: 1, keptDropped: 1}, 65},
		{"n=3", paths{hits: 1}, 1},
		{createdBy + "=uid", paths{keysRefused: 2, fullReads: 1, keptDropped: 1}, 0},
		{"half in (0,1)", paths{fromPostings: 1, keptDropped: 1}, 65},
		{"half in (0,1),app=db", paths{fromPostings: 1, keptDropped: 1}, 65},
	}
	for _, step := range steps {
		before := x.taken
		got := x.Count([]fwk.AffinityTerm{over(zone, step.selector).Obj()})
		want := before
		want.add(step.want)
		if diff := cmp.Diff(want, x.taken, cmp.AllowUnexported(paths{})); diff != "" {
			t.Errorf("Count(%s) went another way (-want +got):\n%s", step.selector, diff)
		}
		if got.At(zone, "e") != step.n {
			t.Errorf("Count(%s) is %d, want %d", step.selector, got.At(zone, "e"), step.n)
		}
	}
}

// A key that was of use lately keeps its posting; another gives its place to a new key.
func TestKeysMakeRoom(t *testing.T) {
	x := indexOf(placed{makePod("p").Labels("a", "x", "b", "x", "c", "x"), makeNode("n")})
	x.postings.maxKeys, x.postings.rest = 2, 10
	ask := func(selector string) {
		if n := x.Count([]fwk.AffinityTerm{over(hostname, selector).Obj()}).At(hostname, "n"); n != 1 {
			t.Errorf("Count(%s) is %d, want 1", selector, n)
		}
	}
	ask("a=x")
	for range 10 {
		ask("b=x")
	}
	ask("c=x")
	if diff := cmp.Diff([]string{"b", "c"}, sortedKeys(x.postings.byKey)); diff != "" {
		t.Errorf("keys (-want +got):\n%s", diff)
	}
	ask("a=x")
	if diff := cmp.Diff([]string{"b", "c"}, sortedKeys(x.postings.byKey)); diff != "" {
		t.Errorf("keys after one that found no room (-want +got):\n%s", diff)
	}
}

// Without a label to go by, pods are found by their namespace.
func TestCountByNamespace(t *testing.T) {
	x := New(2, 0)
	for i := range 10 * walkLimit {
		x.Add(makePod(fmt.Sprint("pod-", i)).Namespace(fmt.Sprint("tenant-", i%20)).Labels("app", "db").Info(), makeNode("n"))
	}
	for _, selector := range []string{"", "app", "app=db", "app notin (web)"} {
		before := x.taken
		got := x.Count([]fwk.AffinityTerm{over(hostname, selector).Namespaces("tenant-3", "tenant-4").Obj()})
		if n := got.At(hostname, "n"); n != walkLimit {
			t.Errorf("Count(%q) is %d, want %d", selector, n, walkLimit)
		}
		if x.taken.walks != before.walks+1 {
			t.Errorf("Count(%q) looked at more pods than those of the namespaces", selector)
		}
	}
}

// What is kept is current, and of the terms as they were asked for.
func TestKeptCountFollows(t *testing.T) {
	east, west := makeNode("east", zone, "e"), makeNode("west", zone, "w")
	x := New(0, 2)
	term := over(zone, "app=db").Obj()
	term.Namespaces = sets.New("default")
	count := func() string {
		m := x.Count([]fwk.AffinityTerm{term})
		return fmt.Sprint(m.At(zone, "e"), m.At(zone, "w"), m.Any())
	}
	a, b := makePod("a").Labels("app", "db").Info(), makePod("b").Labels("app", "db").Info()
	other := makePod("c").Labels("app", "db").Namespace("red").Info()
	third := makePod("d").Labels("app", "db").Namespace("red").Info()
	x.Add(other, west)
	x.Add(a, east)
	for _, step := range []struct {
		change func()
		want   string
	}{
		{func() {}, "1 0 true"},
		{func() { x.Add(b, west) }, "1 1 true"},
		{func() { x.Add(a, west) }, "0 2 true"},
		{func() { x.Remove(b, west) }, "0 1 true"},
		{func() { x.Remove(a, west) }, "0 0 false"},
		{func() { x.Add(a, east) }, "1 0 true"},
		{func() { term.Namespaces.Insert("red") }, "1 1 true"},
		{func() { term.Namespaces.Delete("red") }, "1 0 true"},
		{func() { term.Namespaces.Insert("red"); x.Add(third, east); term.Namespaces.Delete("red") }, "1 0 true"},
	} {
		step.change()
		if got := count(); got != step.want {
			t.Errorf("counts are %s, want %s", got, step.want)
		}
	}
	if x.taken.hits < 3 {
		t.Errorf("only %d answers were kept ones: %+v", x.taken.hits, x.taken)
	}
}

// A pod's walk stays within what is like it: others' terms and pods of the same labels in other namespaces cost nothing.
func TestNamespacesDoNotMeet(t *testing.T) {
	x := New(4, 4)
	for i := range 500 {
		b := makePod("db").Namespace(fmt.Sprint("tenant-", i)).Labels("app", "db", "kubevirt.io", "virt-launcher")
		b = b.Term(RequiredAntiAffinity, over(hostname, "app=db").Spec(), 0)
		b = b.Term(RequiredAntiAffinity, over(hostname, "!app").Spec(), 0)
		x.Add(b.Info(), makeNode(fmt.Sprint("node-", i)))
	}
	tried := 0
	x.terms.filed.each(makePod("q").Namespace("tenant-7").Labels("app", "db", "other", "label").Obj(), func(*entry) { tried++ })
	if tried != 2 {
		t.Errorf("%d terms are tried for a pod, want the 2 of its namespace", tried)
	}
	x.Count([]fwk.AffinityTerm{over(hostname, "app=db").Namespaces("tenant-7").Obj()})
	if x.taken.walks != 1 {
		t.Errorf("the pods of other namespaces are looked at: %+v", x.taken)
	}
}

// More topology keys than there are places for.
func TestTopologiesMakeRoom(t *testing.T) {
	var pairs []string
	for i := range 40 {
		pairs = append(pairs, fmt.Sprint("key-", i), strings.Repeat("v", i))
	}
	b := makePod("p").Labels("app", "db")
	for i := range 20 {
		b = b.Term(RequiredAffinity, over(fmt.Sprint("key-", i), "app=db").Spec(), 0)
	}
	p := b.Info()
	x := New(4, 4)
	node := makeNode("n", pairs...)
	x.Add(p, node)
	for i := range 40 {
		key := fmt.Sprint("key-", i)
		m := x.Count([]fwk.AffinityTerm{over(key, "app=db").Obj(), over(fmt.Sprint("key-", 39-i), "app=db").Obj()})
		if n := m.At(key, strings.Repeat("v", i)); n != 1 {
			t.Errorf("%s: %d, want 1", key, n)
		}
		if n := m.At(fmt.Sprint("key-", 39-i), strings.Repeat("v", 39-i)); n != 1 {
			t.Errorf("%s as second: %d, want 1", key, n)
		}
	}
	// 20 are needed by terms, two by the last question; places that came free are not given back.
	if n := len(x.hosts.places); n > 23 {
		t.Errorf("hosts have %d topology values, want at most 23", n)
	}
	if got := len(ownedOf(x, makePod("q").Labels("app", "db").Obj(), nil, RequiredAffinity)); got != 20 {
		t.Errorf("%d terms match, want 20", got)
	}
}
