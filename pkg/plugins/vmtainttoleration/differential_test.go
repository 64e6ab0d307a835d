// Copyright The virt-scheduler Authors.
// SPDX-License-Identifier: Apache-2.0

package vmtainttoleration

import (
	"fmt"
	"testing"

	"github.com/google/go-cmp/cmp"
	corev1 "k8s.io/api/core/v1"
	"pgregory.net/rapid"
)

// Few keys and values, so that tolerations meet taints often.
var (
	someKeys    = rapid.SampledFrom([]string{drain, "medik8s.io/remediation", "example.com/a", overused})
	someEffects = rapid.SampledFrom([]corev1.TaintEffect{noSchedule, noExecute, preferNot})
	someValues  = rapid.SampledFrom([]string{"", "x"})
)

func drawNodes(t *rapid.T) []*corev1.Node {
	var nodes []*corev1.Node
	for i := range rapid.IntRange(1, 6).Draw(t, "nodes") {
		node := makeNode(fmt.Sprintf("node-%d", i))
		for range rapid.IntRange(0, 3).Draw(t, "taints") {
			node.node.Spec.Taints = append(node.node.Spec.Taints, corev1.Taint{
				Key: someKeys.Draw(t, "key"), Value: someValues.Draw(t, "value"), Effect: someEffects.Draw(t, "effect"),
			})
		}
		for range rapid.IntRange(0, 2).Draw(t, "conditions") {
			node.Condition(
				rapid.SampledFrom([]corev1.NodeConditionType{corev1.NodeReady, corev1.NodeDiskPressure, "KernelDeadlock", "NTPProblem"}).Draw(t, "type"),
				rapid.SampledFrom([]corev1.ConditionStatus{"True", "False", "Unknown"}).Draw(t, "status"))
		}
		nodes = append(nodes, node.Obj())
	}
	return nodes
}

func drawTolerations(t *rapid.T) []corev1.Toleration {
	var tolerations []corev1.Toleration
	for range rapid.IntRange(0, 4).Draw(t, "tolerations") {
		toleration := corev1.Toleration{Operator: corev1.TolerationOpExists}
		if rapid.IntRange(0, 2).Draw(t, "named") > 0 {
			toleration.Key = someKeys.Draw(t, "key")
			if rapid.Bool().Draw(t, "equal") {
				toleration.Operator, toleration.Value = corev1.TolerationOpEqual, someValues.Draw(t, "value")
			}
		}
		if rapid.Bool().Draw(t, "of one effect") {
			toleration.Effect = someEffects.Draw(t, "effect")
		}
		if toleration.Effect == noExecute && rapid.Bool().Draw(t, "bounded") {
			seconds := rapid.SampledFrom([]int64{0, 300}).Draw(t, "seconds")
			toleration.TolerationSeconds = &seconds
		}
		tolerations = append(tolerations, toleration)
	}
	return tolerations
}

// For a pod that is no VM a profile with our plugin does what it does without: the same verdicts, reasons, scores and
// signatures.
func TestOtherPodsAsWithoutUs(t *testing.T) {
	args := defaultArgs(t)
	ctx := testContext(t)
	rapid.Check(t, func(rt *rapid.T) {
		nodes := drawNodes(rt)
		pod := makePod("pod")
		if rapid.Bool().Draw(rt, "attachment pod") {
			pod = pod.Attachment()
		}
		pod = pod.Tolerations(drawTolerations(rt)...)
		with, hosts, err := makeProfile(ctx, nodes, profileOptions{args: args})
		if err != nil {
			rt.Fatal(err)
		}
		without, _, err := makeProfile(ctx, nodes, profileOptions{})
		if err != nil {
			rt.Fatal(err)
		}
		if diff := cmp.Diff(cycle(ctx, t, without, pod.Obj(), hosts), cycle(ctx, t, with, pod.Obj(), hosts)); diff != "" {
			rt.Fatalf("with the plugin (-without +with):\n%s", diff)
		}
		if diff := cmp.Diff(string(without.SignPod(ctx, pod.Obj(), false)), string(with.SignPod(ctx, pod.Obj(), false))); diff != "" {
			rt.Fatalf("signature with the plugin (-without +with):\n%s", diff)
		}
	})
}

// A VM is never let in where upstream refuses it, and the reason remains upstream's.
func TestVMsNeverMoreThanUpstream(t *testing.T) {
	args := defaultArgs(t)
	ctx := testContext(t)
	rapid.Check(t, func(rt *rapid.T) {
		nodes := drawNodes(rt)
		pod := makeVM("vm").Tolerations(drawTolerations(rt)...).Obj()
		with, hosts, err := makeProfile(ctx, nodes, profileOptions{args: args})
		if err != nil {
			rt.Fatal(err)
		}
		without, _, err := makeProfile(ctx, nodes, profileOptions{})
		if err != nil {
			rt.Fatal(err)
		}
		got := cycle(ctx, t, with, pod, hosts)
		for host, reason := range cycle(ctx, t, without, pod, hosts).Refused {
			if got.Refused[host] != reason {
				rt.Fatalf("%s is refused by upstream for %q, with the plugin for %q", host, reason, got.Refused[host])
			}
		}
	})
}

// Pods of one signature get the same verdicts and scores from the profile.
func TestSameSignatureSameOutcome(t *testing.T) {
	args := defaultArgs(t)
	ctx := testContext(t)
	draw := func(rt *rapid.T, name string, tolerations []corev1.Toleration) *corev1.Pod {
		pod := makePod(name)
		switch rapid.SampledFrom([]string{"pod", "attachment pod", "VM", "VM", "migration target"}).Draw(rt, name) {
		case "attachment pod":
			pod = pod.Attachment()
		case "VM":
			pod = makeVM(name)
		case "migration target":
			pod = makeVM(name).Target()
		}
		return pod.Tolerations(tolerations...).Obj()
	}
	same := 0
	rapid.Check(t, func(rt *rapid.T) {
		tolerations := drawTolerations(rt)
		others := rapid.Permutation(tolerations).Draw(rt, "shuffled")
		if rapid.IntRange(0, 3).Draw(rt, "others") == 0 {
			others = drawTolerations(rt)
		}
		one, other := draw(rt, "one", tolerations), draw(rt, "other", others)
		f, hosts, err := makeProfile(ctx, drawNodes(rt), profileOptions{args: args})
		if err != nil {
			rt.Fatal(err)
		}
		if string(f.SignPod(ctx, one, false)) != string(f.SignPod(ctx, other, false)) {
			return
		}
		same++
		if diff := cmp.Diff(cycle(ctx, t, f, one, hosts), cycle(ctx, t, f, other, hosts)); diff != "" {
			rt.Fatalf("two pods of one signature (-one +other):\n%s", diff)
		}
	})
	if same < 10 {
		t.Errorf("only %d pairs had one signature: the test shows little", same)
	}
}
