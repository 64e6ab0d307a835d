// Copyright The virt-scheduler Authors.
// SPDX-License-Identifier: Apache-2.0

package affinity

import (
	"fmt"
	"slices"
	"testing"

	"github.com/google/go-cmp/cmp"
	corev1 "k8s.io/api/core/v1"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	"k8s.io/apimachinery/pkg/labels"
	fwk "k8s.io/kube-scheduler/framework"
	"k8s.io/kubernetes/pkg/scheduler/framework"
	"pgregory.net/rapid"
)

// machine drives an index, and remembers all pods and the labels of their nodes.
type machine struct {
	x     *Index
	skip  func(*corev1.Pod, *fwk.AffinityTerm) bool
	pods  []*naive
	gone  []*naive
	nodes map[string]map[string]string
	asked [][]fwk.AffinityTerm
	made  int
	// looseOwned counts answers of terms without an equality requirement.
	looseOwned int
}

// naive is a pod as the index should remember it.
type naive struct {
	info fwk.PodInfo
	node string
	// labels are those of the node when the pod was added.
	labels map[string]string
}

var (
	someKeys       = []string{"a", "b", "c", "uid"}
	someValues     = []string{"x", "y", "z", ""}
	someNamespaces = []string{"default", "red", "blue"}
	someTopologies = []string{hostname, zone, "rack"}
	someNodes      = []string{"n0", "n1", "n2", "n3", "n4", "n5", "n6", "n7", "n8", "n9", "n10", "n11"}
	namespaceLabel = map[string]labels.Set{"default": {"team": "a"}, "red": {"team": "b", "env": "test"}, "blue": nil}
)

// The index says what one would say that looks at all pods.
func TestIndexEqualsNaive(t *testing.T) {
	// Several times over: what only many pods, or dropped counts, bring to light is rare.
	var taken paths
	looseOwned, topologiesDropped := 0, 0
	for range 4 {
		rapid.Check(t, func(t *rapid.T) {
			m := indexEqualsNaive(t)
			taken.add(m.x.taken)
			looseOwned += m.looseOwned
			topologiesDropped += m.x.hosts.dropped
		})
	}
	for path, n := range map[string]int{
		"looked at few candidates": taken.walks, "had a kept count": taken.hits, "counted candidates once": taken.fromPostings,
		"read all pods": taken.fullReads, "dropped a kept count": taken.keptDropped, "learned a key": taken.keysLearned,
		"dropped a key": taken.keysDropped, "had no room for a key": taken.keysRefused, "answered by a loose term": looseOwned,
		"made room for a topology key": topologiesDropped,
	} {
		if n < 5 {
			t.Errorf("%d questions %s, want more for the test to mean something", n, path)
		}
	}
	t.Logf("%+v, %d owned terms that are tried for each pod", taken, looseOwned)
}

func (p *paths) add(more paths) {
	p.walks += more.walks
	p.hits += more.hits
	p.fromPostings += more.fromPostings
	p.fullReads += more.fullReads
	p.keptDropped += more.keptDropped
	p.keysLearned += more.keysLearned
	p.keysDropped += more.keysDropped
	p.keysRefused += more.keysRefused
}

func indexEqualsNaive(t *rapid.T) *machine {
	m := newMachine(rapid.IntRange(0, 3).Draw(t, "maxKeys"), rapid.IntRange(0, 3).Draw(t, "maxCounts"))
	if rapid.Bool().Draw(t, "collisions") {
		m.x.hasher.mask = 1
	}
	m.x.hosts.spare = rapid.IntRange(1, 4).Draw(t, "spare")
	m.x.postings.rest = uint64(rapid.IntRange(0, 5).Draw(t, "rest"))
	t.Repeat(map[string]func(*rapid.T){
		"add":          m.add,
		"add many":     m.addMany,
		"remove":       m.remove,
		"remove many":  m.removeMany,
		"remove twice": m.removeGone,
		"move":         m.move,
		"relabel":      m.relabel,
		"renew":        m.renew,
		"count":        m.count,
		"count again":  m.countAgain,
		"owned":        m.owned,
		"skip":         m.setSkip,
	})
	for range 3 {
		m.count(t)
		m.owned(t)
	}
	m.removeAll(t)
	return m
}

func newMachine(maxKeys, maxCounts int) *machine {
	m := &machine{x: New(maxKeys, maxCounts, "uid"), nodes: map[string]map[string]string{}}
	for i, name := range someNodes {
		m.nodes[name] = map[string]string{hostname: name}
		if i%4 > 0 {
			m.nodes[name][zone] = fmt.Sprint("zone-", i%4)
		}
		if i%2 == 0 {
			m.nodes[name]["rack"] = fmt.Sprint("rack-", i)
		}
	}
	return m
}

func (m *machine) node(name string) *corev1.Node {
	return &corev1.Node{ObjectMeta: metav1.ObjectMeta{Name: name, Labels: m.nodes[name]}}
}

func drawLabels(t *rapid.T) map[string]string {
	of := map[string]string{}
	for _, key := range rapid.SliceOfDistinct(rapid.SampledFrom(someKeys), rapid.ID).Draw(t, "keys") {
		of[key] = rapid.SampledFrom(someValues).Draw(t, "value")
	}
	return of
}

func drawSelector(t *rapid.T, keys, values []string) *metav1.LabelSelector {
	if rapid.IntRange(0, 9).Draw(t, "selector") == 0 {
		return nil
	}
	s := &metav1.LabelSelector{}
	for range rapid.IntRange(0, 2).Draw(t, "requirements") {
		key := rapid.SampledFrom(keys).Draw(t, "key")
		op := rapid.SampledFrom([]metav1.LabelSelectorOperator{"=", "=", "In", "In", "NotIn", "Exists", "DoesNotExist"}).Draw(t, "operator")
		switch op {
		case "=":
			if s.MatchLabels == nil {
				s.MatchLabels = map[string]string{}
			}
			s.MatchLabels[key] = rapid.SampledFrom(values).Draw(t, "value")
			continue
		case metav1.LabelSelectorOpIn, metav1.LabelSelectorOpNotIn:
			// The same value may be there twice.
			in := rapid.SliceOfN(rapid.SampledFrom(values), 1, 3).Draw(t, "values")
			s.MatchExpressions = append(s.MatchExpressions, metav1.LabelSelectorRequirement{Key: key, Operator: op, Values: in})
		case metav1.LabelSelectorOpExists, metav1.LabelSelectorOpDoesNotExist:
			s.MatchExpressions = append(s.MatchExpressions, metav1.LabelSelectorRequirement{Key: key, Operator: op})
		}
	}
	return s
}

func drawTerm(t *rapid.T) corev1.PodAffinityTerm {
	term := corev1.PodAffinityTerm{
		TopologyKey:   rapid.SampledFrom(someTopologies).Draw(t, "topology"),
		LabelSelector: drawSelector(t, someKeys, someValues),
		Namespaces:    rapid.SliceOfNDistinct(rapid.SampledFrom(someNamespaces), 0, 2, rapid.ID).Draw(t, "namespaces"),
	}
	if rapid.Bool().Draw(t, "namespace selector") {
		term.NamespaceSelector = drawSelector(t, []string{"team", "env"}, []string{"a", "b", "test"})
	}
	return term
}

func (m *machine) newPod(t *rapid.T) *corev1.Pod {
	m.made++
	b := makePod(fmt.Sprint("pod-", m.made)).Namespace(rapid.SampledFrom(someNamespaces).Draw(t, "namespace"))
	for range rapid.IntRange(0, 2).Draw(t, "terms") {
		kind := rapid.SampledFrom([]Kind{RequiredAntiAffinity, RequiredAffinity, PreferredAffinity, PreferredAntiAffinity}).Draw(t, "kind")
		b = b.Term(kind, drawTerm(t), int32(rapid.IntRange(1, 100).Draw(t, "weight")))
	}
	pod := b.Obj()
	pod.Labels = drawLabels(t)
	return pod
}

func infoOf(pod *corev1.Pod) fwk.PodInfo {
	info, err := framework.NewPodInfo(pod)
	if err != nil {
		panic(err)
	}
	return info
}

func (m *machine) put(t *rapid.T, pod *corev1.Pod) {
	name := rapid.SampledFrom(someNodes).Draw(t, "node")
	p := &naive{info: infoOf(pod), node: name, labels: m.nodes[name]}
	m.x.Add(p.info, m.node(name))
	m.pods = append(m.pods, p)
}

func (m *machine) add(t *rapid.T) { m.put(t, m.newPod(t)) }

// addMany brings one value of a label over the limit of what is looked at one by one.
func (m *machine) addMany(t *rapid.T) {
	like := m.newPod(t)
	for range rapid.IntRange(40, walkLimit+20).Draw(t, "many") {
		m.put(t, like)
	}
}

func (m *machine) take(t *rapid.T) *naive {
	if len(m.pods) == 0 {
		t.Skip("there is no pod") // rapid draws another action
	}
	i := rapid.IntRange(0, len(m.pods)-1).Draw(t, "pod")
	p := m.pods[i]
	m.pods = slices.Delete(m.pods, i, i+1)
	return p
}

func (m *machine) remove(t *rapid.T) {
	p := m.take(t)
	m.x.Remove(p.info, m.node(p.node))
	m.gone = append(m.gone, p)
}

func (m *machine) removeMany(t *rapid.T) {
	for range rapid.IntRange(0, len(m.pods)).Draw(t, "many") {
		m.remove(t)
	}
}

func (m *machine) removeGone(t *rapid.T) {
	if len(m.gone) == 0 {
		t.Skip("there was no pod")
	}
	p := rapid.SampledFrom(m.gone).Draw(t, "gone")
	m.x.Remove(p.info, m.node(p.node))
}

// move adds a pod that is there.
func (m *machine) move(t *rapid.T) {
	p := m.take(t)
	p.node = rapid.SampledFrom(someNodes).Draw(t, "node")
	p.labels = m.nodes[p.node]
	m.x.Add(p.info, m.node(p.node))
	m.pods = append(m.pods, p)
}

// relabel gives a node other labels. Its pods follow all, or not yet all.
func (m *machine) relabel(t *rapid.T) {
	name := rapid.SampledFrom(someNodes).Draw(t, "node")
	before := m.node(name)
	m.nodes[name] = map[string]string{}
	for _, key := range someTopologies {
		if rapid.Bool().Draw(t, "has") {
			m.nodes[name][key] = rapid.SampledFrom([]string{"", "u", "v"}).Draw(t, "value")
		}
	}
	some := rapid.Bool().Draw(t, "only some")
	for _, p := range m.pods {
		if p.node != name || some && rapid.Bool().Draw(t, "not this") {
			continue
		}
		m.x.Remove(p.info, before)
		m.x.Add(p.info, m.node(name))
		p.labels = m.nodes[name]
	}
}

// renew hands in another object of a node, of which the index need not know.
func (m *machine) renew(t *rapid.T) {
	m.x.Renew(m.node(rapid.SampledFrom(someNodes).Draw(t, "node")).DeepCopy())
}

func (m *machine) setSkip(t *rapid.T) {
	if rapid.IntRange(0, 9).Draw(t, "rarely") > 0 {
		return
	}
	m.skip = func(pod *corev1.Pod, term *fwk.AffinityTerm) bool {
		return pod.Namespace == "red" && term.TopologyKey == hostname
	}
	m.x.SetSkip(m.skip)
}

func (m *machine) count(t *rapid.T) {
	var terms []fwk.AffinityTerm
	for range rapid.SampledFrom([]int{0, 1, 1, 1, 1, 2, 2}).Draw(t, "terms") {
		of, err := fwk.GetAffinityTerms(makePod("incoming").Namespace("red").Obj(), []corev1.PodAffinityTerm{drawTerm(t)})
		if err != nil {
			t.Fatal(err)
		}
		// As upstream: names in place of a selector, unless that selects all.
		if s := of[0].NamespaceSelector; !s.Empty() {
			for name, set := range namespaceLabel {
				if s.Matches(set) {
					of[0].Namespaces.Insert(name)
				}
			}
			of[0].NamespaceSelector = labels.Nothing()
		}
		terms = append(terms, of...)
	}
	m.asked = append(m.asked, terms)
	m.checkCount(t, terms)
}

func (m *machine) countAgain(t *rapid.T) {
	if len(m.asked) == 0 {
		t.Skip("nothing was asked")
	}
	m.checkCount(t, m.asked[rapid.IntRange(max(0, len(m.asked)-4), len(m.asked)-1).Draw(t, "question")])
}

func (m *machine) checkCount(t *rapid.T, terms []fwk.AffinityTerm) {
	t.Helper()
	want := map[string]map[string]int64{}
	keys := map[string]struct{}{}
	for i := range terms {
		keys[terms[i].TopologyKey] = struct{}{}
	}
	for _, p := range m.pods {
		if len(terms) == 0 || slices.ContainsFunc(terms, func(of fwk.AffinityTerm) bool { return !of.Matches(p.info.GetPod(), nil) }) {
			continue
		}
		for key := range keys {
			if value, ok := p.labels[key]; ok {
				if want[key] == nil {
					want[key] = map[string]int64{}
				}
				want[key][value]++
			}
		}
	}
	got := m.x.Count(terms)
	if diff := cmp.Diff(want, countsOf(got, someTopologies...)); diff != "" {
		t.Fatalf("Count(%v) (-want +got):\n%s", terms, diff)
	}
	if got.Any() != (len(want) > 0) {
		t.Fatalf("Any() is %v of %v", got.Any(), want)
	}
	for key, values := range want {
		for value, n := range values {
			if got.At(key, value) != n {
				t.Fatalf("At(%q, %q) is %d, want %d", key, value, got.At(key, value), n)
			}
		}
	}
	if n := got.At(zone, "nowhere") + got.At("nothing", ""); n != 0 {
		t.Fatalf("At() is %d of what is not there", n)
	}
}

func (m *machine) owned(t *rapid.T) {
	pod := m.newPod(t)
	kinds := Kinds(rapid.IntRange(0, 15).Draw(t, "kinds"))
	set := namespaceLabel[pod.Namespace]
	want := map[string]map[string]int64{}
	for _, p := range m.pods {
		for of := range termsOf(p.info) {
			value, ok := p.labels[of.term.TopologyKey]
			skipped := m.skip != nil && of.kind == RequiredAntiAffinity && m.skip(p.info.GetPod(), of.term)
			if !ok || skipped || of.kind&kinds == 0 || !of.term.Matches(pod, set) {
				continue
			}
			text := textOf(of.kind, of.term)
			if want[text] == nil {
				want[text] = map[string]int64{}
			}
			want[text][value] += of.weight
		}
	}
	m.x.terms.filed.at(pod.Namespace, "", "", func(e *entry) {
		if e.term.Matches(pod, set) {
			m.looseOwned++
		}
	})
	if diff := cmp.Diff(want, ownedOf(m.x, pod, set, kinds)); diff != "" {
		t.Fatalf("Owned(%v, %d) (-want +got):\n%s", pod.Labels, kinds, diff)
	}
}

// removeAll leaves nothing behind.
func (m *machine) removeAll(t *rapid.T) {
	for _, p := range m.pods {
		m.x.Remove(p.info, m.node(p.node))
	}
	m.pods = nil
	m.checkEmpty(t)
	for _, terms := range m.asked {
		m.checkCount(t, terms)
	}
}

func (m *machine) checkEmpty(t *rapid.T) {
	t.Helper()
	x := m.x
	got := map[string]int{
		"pods": x.Len(), "namespaces": len(x.namespaces), "hosts": len(x.hosts.byName) + len(x.hosts.former),
		"terms": len(x.terms.byHash), "labels of terms": len(x.terms.filed.under), "keys of terms": len(x.terms.filed.keys),
	}
	for _, of := range x.hosts.places {
		got["topology values"] += len(of.values)
		got["uses of topology keys"] += of.uses
	}
	filed := map[*keptCount]struct{}{}
	for _, all := range x.kept.filed.under {
		for _, c := range all {
			filed[c] = struct{}{}
		}
	}
	got["kept counts to follow"] = len(filed) - len(x.kept.byHash)
	for c := range filed {
		got["uses of topology keys"] -= len(c.byKey)
	}
	for _, of := range x.postings.byKey {
		got["label values"] += len(of.byValue)
	}
	for what, n := range got {
		if n != 0 {
			t.Fatalf("%d %s remain, want none", n, what)
		}
	}
	if n := len(x.kept.byHash); n > max(0, x.kept.max) {
		t.Fatalf("%d counts are kept, want at most %d", n, x.kept.max)
	}
	if n := len(x.postings.byKey); n > x.postings.maxKeys {
		t.Fatalf("%d keys are followed, want at most %d", n, x.postings.maxKeys)
	}
}
