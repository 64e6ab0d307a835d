// Copyright The virt-scheduler Authors.
// SPDX-License-Identifier: Apache-2.0

package vmaffinity

import (
	"testing"

	corev1 "k8s.io/api/core/v1"
	"k8s.io/klog/v2/ktesting"
	fwk "k8s.io/kube-scheduler/framework"
	kubevirtv1 "kubevirt.io/api/core/v1"

	"github.com/virt-scheduler/virt-scheduler/pkg/adapt"
	"github.com/virt-scheduler/virt-scheduler/pkg/apis/config"
)

func TestPodHint(t *testing.T) {
	web := func() podBuilder { return makePod("other").Label("app", "web").On("a") }
	db := func() podBuilder { return makePod("other").Label("app", "db").On("a") }
	near, anti := makePod("p").Near(term(zone, "app=web")), makePod("p").Anti(term(zone, "app=web"))
	tests := map[string]struct {
		pod           podBuilder
		before, after podBuilder
		want          fwk.QueueingHint
		more          bool // upstream's does not wake it
	}{
		"one comes to whom the pod has to go":              {pod: near, after: web(), want: fwk.Queue},
		"another comes":                                    {pod: near, after: db()},
		"one comes that is on no host":                     {pod: near, after: web().On("")},
		"one comes that matches one of two terms":          {pod: makePod("p").Near(term(zone, "app=web")).Near(term(zone, "tier=1")), after: web()},
		"one comes in another namespace":                   {pod: near, after: web().Namespace("shop")},
		"one comes in a namespace that is selected":        {pod: makePod("p").Near(term(zone, "app=web").InThose("team=shop")), after: web().Namespace("shop"), want: fwk.Queue, more: true},
		"one becomes so":                                   {pod: near, before: db(), after: web(), want: fwk.Queue},
		"one stays so":                                     {pod: near, before: web(), after: web().Label("more", "1")},
		"one is so no more":                                {pod: near, before: web(), after: db()},
		"one is so no more, and the pod may be the first":  {pod: makePod("p").Label("app", "web").Near(term(zone, "app=web")), before: web(), after: db(), want: fwk.Queue, more: true},
		"the last one goes, and the pod may be the first":  {pod: makePod("p").Label("app", "web").Near(term(zone, "app=web")), before: web(), want: fwk.Queue, more: true},
		"one goes to whom the pod has to go":               {pod: near, before: web()},
		"one goes that the pod kept away from":             {pod: anti, before: web(), want: fwk.Queue},
		"another goes":                                     {pod: anti, before: db()},
		"one goes that matches one of two":                 {pod: makePod("p").Anti(term(zone, "tier=1")).Anti(term(zone, "app=web")), before: web(), want: fwk.Queue, more: true},
		"one comes that the pod keeps away from":           {pod: anti, after: web()},
		"one is no longer such":                            {pod: anti, before: web(), after: db(), want: fwk.Queue},
		"one is no longer such for one of two terms":       {pod: makePod("p").Anti(term(zone, "tier=1")).Anti(term(zone, "app=web")), before: web(), after: db(), want: fwk.Queue, more: true},
		"one becomes such":                                 {pod: anti, before: db(), after: web()},
		"one goes that kept the pod away":                  {pod: makePod("p").Label("app", "p"), before: web().Anti(term(hostname, "app=p")), want: fwk.Queue, more: true},
		"one goes that kept the pod's namespace away":      {pod: makePod("p").Label("app", "p").Namespace("shop"), before: web().Anti(term(hostname, "app=p").InThose("team=shop")), want: fwk.Queue, more: true},
		"one goes that kept others away":                   {pod: makePod("p").Label("app", "q"), before: web().Anti(term(hostname, "app=p"))},
		"the pod itself gets other labels":                 {pod: makePod("p"), before: makePod("p"), after: makePod("p").Label("app", "web"), want: fwk.Queue, more: true},
		"another that waits gets other labels":             {pod: near, before: makePod("q"), after: makePod("q").Label("app", "web")},
		"the source of a VM goes that a VM has to go to":   {pod: makeVM("p").Near(term(zone, "app=web")), before: makeVM("q").Label("app", "web").On("a"), want: fwk.Queue},
		"a pod goes that a VM has to go to":                {pod: makeVM("p").Near(term(zone, "app=web")), before: web()},
		"the source of a VM goes that a pod has to go to":  {pod: near, before: makeVM("q").Label("app", "web").On("a")},
		"the VM's own source goes, to its target's relief": {pod: makeTarget("vm", 9), before: makeVM("vm").On("a"), want: fwk.Queue},
		"one goes to whom the pod has to go, and that kept it away": {
			pod: makePod("p").Label("app", "p").Near(term(zone, "app=web")), before: web().Anti(term(hostname, "app=p")), want: fwk.Queue, more: true,
		},
		"one becomes so for one of two terms": {pod: makePod("p").Near(term(zone, "app")).Near(term(zone, "tier")), before: db(), after: web()},
		"one becomes so for both":             {pod: makePod("p").Near(term(zone, "app")).Near(term(zone, "tier")), before: db(), after: db().Label("tier", "1"), want: fwk.Queue},
		"one that waits is such":              {pod: near, before: web().On(""), after: web().On("")},
	}
	ctx := testContext(t)
	pl := cluster{namespaces: []*corev1.Namespace{makeNamespace("shop", map[string]string{"team": "shop"})}}.profile(ctx, t).plugin
	upstream := upstreamHint(t, fwk.Pod)
	for name, tc := range tests {
		t.Run(name, func(t *testing.T) {
			logger, _ := ktesting.NewTestContext(t)
			got, err := pl.isSchedulableAfterPodChange(logger, tc.pod.Obj(), object(tc.before.pod), object(tc.after.pod))
			if err != nil || got != tc.want {
				t.Errorf("hint %v, %v; want %v", got, err, tc.want)
			}
			if adapt.IsVM(tc.pod.pod) {
				return // our rules are about these
			}
			checkUpstreamHint(t, upstream, tc.more, tc.want, func(hint fwk.QueueingHintFn) (fwk.QueueingHint, error) {
				return hint(logger, tc.pod.Obj(), object(tc.before.pod), object(tc.after.pod))
			})
		})
	}
}

// upstreamHint is that of kube-scheduler's InterPodAffinity about one resource.
func upstreamHint(t *testing.T, resource fwk.EventResource) fwk.QueueingHintFn {
	t.Helper()
	events, err := scene{namespaces: shops()}.twins(t).upstream.EventsToRegister(t.Context())
	noError(t, err)
	for _, event := range events {
		if event.Event.Resource == resource {
			return event.QueueingHintFn
		}
	}
	t.Fatalf("upstream's plugin has no hint for %s", resource)
	return nil
}

// checkUpstreamHint: what wakes a pod with upstream's plugin wakes it with ours; more is true where ours alone does.
func checkUpstreamHint(t *testing.T, upstream fwk.QueueingHintFn, more bool, ours fwk.QueueingHint, ask func(fwk.QueueingHintFn) (fwk.QueueingHint, error)) {
	t.Helper()
	want := ours
	if more {
		want = fwk.QueueSkip
	}
	if got, err := ask(upstream); err != nil || got != want || more && ours != fwk.Queue {
		t.Errorf("upstream's hint %v, %v; want %v", got, err, want)
	}
}

// object makes an untyped nil of one with a type, as informers do.
func object(pod *corev1.Pod) any {
	if pod == nil {
		return nil
	}
	return pod
}

func TestNodeHint(t *testing.T) {
	near, anti := makePod("p").Near(term(zone, "app=web")), makePod("p").Anti(term(zone, "app=web"))
	plain := func() nodeBuilder { return makeNode("a") }
	tests := map[string]struct {
		pod           podBuilder
		before, after nodeBuilder
		want          fwk.QueueingHint
		more          bool // upstream's does not wake it
	}{
		"one comes":                     {pod: near, after: plain().Zone("1"), want: fwk.Queue},
		"one comes without the key":     {pod: near, after: plain()},
		"one comes with one key of two": {pod: makePod("p").Near(term(zone, "app=web")).Near(term("rack", "app=web")), after: plain().Zone("1"), want: fwk.Queue},
		"one comes without the key, and the pod keeps away from others": {pod: makePod("p").Near(term(zone, "app=web")).Anti(term(zone, "app=db")), after: plain(), want: fwk.Queue},
		"one comes, for anti-affinity":                                  {pod: anti, after: plain(), want: fwk.Queue},
		"one comes with the key, for anti-affinity":                     {pod: anti, after: plain().Zone("1"), want: fwk.Queue},
		"one comes, for no terms":                                       {pod: makePod("p"), after: plain(), want: fwk.Queue, more: true},
		"one comes, for a VM that must go":                              {pod: makeVM("leaving").Near(term(zone, "app=web")), after: plain(), want: fwk.Queue},
		"one comes, for a VM that stays":                                {pod: makeVM("staying").Near(term(zone, "app=web")), after: plain()},
		"it gets the key":                                               {pod: near, before: plain(), after: plain().Zone("1"), want: fwk.Queue},
		"it gets another value":                                         {pod: near, before: plain().Zone("1"), after: plain().Zone("2"), want: fwk.Queue},
		"it loses the key":                                              {pod: near, before: plain().Zone("1"), after: plain()},
		"it loses the key, and the pod may be the first": {
			pod: makePod("p").Label("app", "web").Near(term(zone, "app=web")), before: plain().Zone("1"), after: plain(), want: fwk.Queue, more: true,
		},
		"another label":                                  {pod: near, before: plain().Zone("1"), after: plain().Zone("1").Label("x", "y")},
		"it gets the key, for anti-affinity":             {pod: anti, before: plain(), after: plain().Zone("1")},
		"it gets another value, for anti-affinity":       {pod: anti, before: plain().Zone("1"), after: plain().Zone("2"), want: fwk.Queue},
		"it loses the key, for anti-affinity":            {pod: anti, before: plain().Zone("1"), after: plain(), want: fwk.Queue},
		"another label, for anti-affinity":               {pod: anti, before: plain().Zone("1"), after: plain().Zone("1").Label("x", "y")},
		"it leaves where pods kept others away":          {pod: makePod("p"), before: plain().Label("rack", "1"), after: plain().Label("rack", "2"), want: fwk.Queue, more: true},
		"it is no more in such a place":                  {pod: makePod("p"), before: plain().Label("rack", "1"), after: plain(), want: fwk.Queue, more: true},
		"it comes to such a place":                       {pod: makePod("p"), before: plain(), after: plain().Label("rack", "1")},
		"it stays there":                                 {pod: makePod("p"), before: plain().Label("rack", "1"), after: plain().Label("rack", "1").Label("x", "y")},
		"it leaves a place where nobody was kept away":   {pod: makePod("p"), before: plain().Zone("1"), after: plain().Zone("2")},
		"it leaves where pods kept away one with terms":  {pod: anti, before: plain().Label("rack", "1"), after: plain().Label("rack", "2"), want: fwk.Queue, more: true},
		"it gets the key of the second of two affinites": {pod: makePod("p").Near(term(zone, "a=b")).Near(term("rack", "a=b")), before: plain(), after: plain().Label("rack", "1"), want: fwk.Queue},
	}
	ctx := testContext(t)
	pl := cluster{vmis: []*kubevirtv1.VirtualMachineInstance{makeVMI("leaving", "a").Evacuating("a").Obj(), makeVMI("staying", "a").Obj()}}.profile(ctx, t).plugin
	pl.repelled.add("rack")
	upstream := upstreamHint(t, fwk.Node)
	for name, tc := range tests {
		t.Run(name, func(t *testing.T) {
			logger, _ := ktesting.NewTestContext(t)
			var before any
			if tc.before.node != nil {
				before = tc.before.Obj()
			}
			got, err := pl.isSchedulableAfterNodeChange(logger, tc.pod.Obj(), before, tc.after.Obj())
			if err != nil || got != tc.want {
				t.Errorf("hint %v, %v; want %v", got, err, tc.want)
			}
			if adapt.IsVM(tc.pod.pod) {
				return // our rules are about these
			}
			checkUpstreamHint(t, upstream, tc.more, tc.want, func(hint fwk.QueueingHintFn) (fwk.QueueingHint, error) {
				return hint(logger, tc.pod.Obj(), before, tc.after.Obj())
			})
		})
	}
}

func TestTaintHint(t *testing.T) {
	near := makeTarget("leaving", 2).Near(term(zone, "app=web"))
	noSchedule := corev1.TaintEffectNoSchedule
	tests := map[string]struct {
		pod  podBuilder
		node nodeBuilder
		want fwk.QueueingHint
	}{
		"its host is tainted":                      {pod: near, node: makeNode("a").Taint("kubevirt.io/drain", noSchedule), want: fwk.Queue},
		"its host is to be left at once":           {pod: near, node: makeNode("a").Taint("medik8s.io/drain", corev1.TaintEffectNoExecute), want: fwk.Queue},
		"its host is cordoned":                     {pod: near, node: makeNode("a").Cordoned(), want: fwk.Queue},
		"its host bears the taint of a cordon":     {pod: near, node: makeNode("a").Taint(corev1.TaintNodeUnschedulable, noSchedule), want: fwk.Queue},
		"its host has another taint":               {pod: near, node: makeNode("a").Taint("example.com/pool", noSchedule)},
		"its host is rather not to be used":        {pod: near, node: makeNode("a").Taint("kubevirt.io/drain", corev1.TaintEffectPreferNoSchedule)},
		"another host":                             {pod: near, node: makeNode("b").Cordoned()},
		"a VM without required affinity":           {pod: makeTarget("leaving", 2), node: makeNode("a").Cordoned()},
		"a VM that is not to leave":                {pod: makeTarget("staying", 2).Near(term(zone, "app=web")), node: makeNode("a").Cordoned()},
		"a pod that is no VM, whatever its labels": {pod: makePod("p").Near(term(zone, "app=web")), node: makeNode("a").Cordoned()},
	}
	ctx := testContext(t)
	pl := cluster{vmis: []*kubevirtv1.VirtualMachineInstance{makeVMI("leaving", "a").Evacuating("a").Obj(), makeVMI("staying", "a").Obj()}}.profile(ctx, t).plugin
	for name, tc := range tests {
		t.Run(name, func(t *testing.T) {
			logger, _ := ktesting.NewTestContext(t)
			got, err := pl.isSchedulableAfterTaintChange(logger, tc.pod.Obj(), makeNode(tc.node.node.Name).Obj(), tc.node.Obj())
			if err != nil || got != tc.want {
				t.Errorf("hint %v, %v; want %v", got, err, tc.want)
			}
		})
	}
}

func TestHintsOfSomethingElse(t *testing.T) {
	ctx := testContext(t)
	logger, _ := ktesting.NewTestContext(t)
	pl := cluster{}.profile(ctx, t).plugin
	pod, node := makePod("p").Obj(), makeNode("a").Obj()
	for name, hint := range map[string]func() (fwk.QueueingHint, error){
		"pod":   func() (fwk.QueueingHint, error) { return pl.isSchedulableAfterPodChange(logger, pod, node, node) },
		"node":  func() (fwk.QueueingHint, error) { return pl.isSchedulableAfterNodeChange(logger, pod, pod, pod) },
		"taint": func() (fwk.QueueingHint, error) { return pl.isSchedulableAfterTaintChange(logger, pod, pod, pod) },
	} {
		if got, err := hint(); got != fwk.Queue || err == nil {
			t.Errorf("%s: hint %v, %v; want Queue and an error", name, got, err)
		}
	}
}

// Taints concern the plugin only when it relaxes required affinity.
func TestEventsToRegister(t *testing.T) {
	for policy, want := range map[config.RequiredAffinityPolicy]fwk.ActionType{
		config.AffinityPreferredOnEvacuation: fwk.Add | fwk.UpdateNodeLabel | fwk.UpdateNodeTaint,
		config.AffinityRequired:              fwk.Add | fwk.UpdateNodeLabel,
	} {
		pl := newPlugin(defaultArgs(t, func(a *config.VMAffinityArgs) { a.RequiredAffinityDuringMigration = policy }), nil, nil, nil)
		events, err := pl.EventsToRegister(t.Context())
		if err != nil {
			t.Fatal(err)
		}
		got := map[fwk.EventResource]fwk.ActionType{}
		for _, e := range events {
			got[e.Event.Resource] |= e.Event.ActionType
		}
		if got[fwk.Node] != want || got[fwk.Pod] != fwk.Add|fwk.UpdatePodLabel|fwk.Delete {
			t.Errorf("policy %s: %v, want %v of nodes", policy, got, want)
		}
	}
}

// Which keys are remembered is bounded; what is forgotten counts as remembered.
func TestKeys(t *testing.T) {
	var k keys
	names := make([]string, 0, maxKeys+1)
	for i := range maxKeys + 1 {
		names = append(names, string(rune('A'+i)))
	}
	for i, name := range names[:maxKeys] {
		if k.has(name) {
			t.Fatalf("key %d is known before it was seen", i)
		}
		k.add(name)
		k.add(name)
		if !k.has(name) || k.has("other") {
			t.Fatalf("after %d keys: knows the last %t, another %t", i+1, k.has(name), k.has("other"))
		}
	}
	k.add(names[maxKeys])
	if !k.has("other") || !k.has(names[0]) {
		t.Error("with too many keys, not all count as known")
	}
}
