// Copyright The virt-scheduler Authors.
// SPDX-License-Identifier: Apache-2.0

package taint

import (
	"slices"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"
	corev1 "k8s.io/api/core/v1"
	schedulinghelper "k8s.io/component-helpers/scheduling/corev1"
	"k8s.io/klog/v2"
	corev1helper "k8s.io/kubernetes/pkg/apis/core/v1/helper"
	"pgregory.net/rapid"
)

// Few values, so that tolerations meet taints often.
var (
	someKeys   = rapid.SampledFrom([]string{drain, "b"})
	someValues = rapid.SampledFrom([]string{"", "5"})
	numbers    = rapid.SampledFrom([]string{"", "x", "1", "10", "010", "+1", "-0", "99999999999999999999"})
	effects    = rapid.SampledFrom([]corev1.TaintEffect{
		corev1.TaintEffectNoSchedule, corev1.TaintEffectNoExecute, corev1.TaintEffectPreferNoSchedule,
	})
	someTaints = rapid.SliceOfN(rapid.Custom(drawTaint), 1, 3)

	someTolerations = rapid.SliceOfN(rapid.Custom(drawToleration), 1, 5)
	someConditions  = rapid.SliceOfN(rapid.Custom(func(t *rapid.T) corev1.NodeCondition {
		return corev1.NodeCondition{
			Type:   rapid.SampledFrom([]corev1.NodeConditionType{"Ready", "DiskPressure", "NTPProblem"}).Draw(t, "type"),
			Status: rapid.SampledFrom([]corev1.ConditionStatus{"True", "False", "Unknown"}).Draw(t, "status"),
		}
	}), 0, 3)
)

func drawTaint(t *rapid.T) corev1.Taint {
	return corev1.Taint{Key: someKeys.Draw(t, "key"), Value: someValues.Draw(t, "value"), Effect: effects.Draw(t, "effect")}
}

// drawToleration draws also what the API refuses: nothing is to depend on that it does.
func drawToleration(t *rapid.T) corev1.Toleration {
	toleration := corev1.Toleration{
		Operator: rapid.SampledFrom([]corev1.TolerationOperator{
			corev1.TolerationOpExists, corev1.TolerationOpExists, corev1.TolerationOpExists, corev1.TolerationOpEqual, "",
			corev1.TolerationOpLt, corev1.TolerationOpGt, "Other",
		}).Draw(t, "operator"),
	}
	if rapid.Bool().Draw(t, "named") {
		toleration.Key = someKeys.Draw(t, "key")
	}
	if rapid.Bool().Draw(t, "valued") {
		toleration.Value = someValues.Draw(t, "value")
	}
	if rapid.Bool().Draw(t, "of one effect") {
		toleration.Effect = effects.Draw(t, "effect")
	}
	if rapid.Bool().Draw(t, "bounded") {
		seconds := rapid.Int64Range(-1, 400).Draw(t, "seconds")
		toleration.TolerationSeconds = &seconds
	}
	return toleration
}

func drawAdmission(t *rapid.T) Admission {
	return Admission{
		Evacuation: KeysOf(rapid.SliceOfN(rapid.SampledFrom([]string{drain, "b"}), 0, 2).Draw(t, "evacuation")),
		Shortest:   time.Duration(rapid.Int64Range(0, 300_000).Draw(t, "shortest, ms")) * time.Millisecond,
		Compare:    rapid.Bool().Draw(t, "compare"),
	}
}

// Tolerations mean to us what they mean to Kubernetes.
func TestToleratesIsUpstreams(t *testing.T) {
	rapid.Check(t, func(t *rapid.T) {
		toleration, taint, compare := drawToleration(t), drawTaint(t), rapid.Bool().Draw(t, "compare")
		if rapid.Bool().Draw(t, "numbers") {
			toleration.Key, toleration.Effect = taint.Key, ""
			toleration.Operator = rapid.SampledFrom([]corev1.TolerationOperator{corev1.TolerationOpLt, corev1.TolerationOpGt}).Draw(t, "comparison")
			toleration.Value, taint.Value = numbers.Draw(t, "bound"), numbers.Draw(t, "value")
		}
		want := toleration.ToleratesTaint(klog.Logger{}, &taint, compare)
		if got := Tolerates(&toleration, &taint, compare); got != want {
			t.Fatalf("Tolerates() = %t, upstream says %t", got, want)
		}
	})
}

// What lets a VM in, lets it in upstream as well.
func TestNeverMoreThanUpstream(t *testing.T) {
	rapid.Check(t, func(t *rapid.T) {
		admission, tolerations, taints := drawAdmission(t), someTolerations.Draw(t, "tolerations"), someTaints.Draw(t, "taints")
		_, refused := schedulinghelper.FindMatchingUntoleratedTaint(klog.Logger{}, taints, tolerations, repels, admission.Compare)
		if got, want := admission.LetsIn(tolerations, taints), !refused && admission.Judge(tolerations, taints).OK(); got != want {
			t.Fatalf("LetsIn() = %t, want %t; upstream refuses: %t", got, want, refused)
		}
	})
}

// A VM that is let in stays for the shortest time at least: asked of what the taint manager itself goes by.
func TestTheTaintManagerLetsItStay(t *testing.T) {
	rapid.Check(t, func(t *rapid.T) {
		admission, tolerations, taints := drawAdmission(t), someTolerations.Draw(t, "tolerations"), someTaints.Draw(t, "taints")
		admission.Compare = false // as the feature gate, by default
		if !admission.LetsIn(tolerations, taints) {
			return
		}
		executing := slices.DeleteFunc(slices.Clone(taints), func(taint corev1.Taint) bool { return taint.Effect != corev1.TaintEffectNoExecute })
		tolerated, used := corev1helper.GetMatchingTolerations(klog.Logger{}, executing, tolerations)
		if !tolerated {
			t.Fatal("the taint manager would evict the VM at once")
		}
		for _, toleration := range used {
			if toleration.TolerationSeconds == nil {
				continue
			}
			if admission.Shortest == 0 || time.Duration(*toleration.TolerationSeconds)*time.Second < admission.Shortest {
				t.Fatalf("the taint manager would evict the VM after %d s", *toleration.TolerationSeconds)
			}
		}
	})
}

func TestOrderOfTolerationsDoesNotMatter(t *testing.T) {
	rapid.Check(t, func(t *rapid.T) {
		admission, tolerations, taints := drawAdmission(t), someTolerations.Draw(t, "tolerations"), someTaints.Draw(t, "taints")
		shuffled := rapid.Permutation(tolerations).Draw(t, "shuffled")
		if diff := cmp.Diff(admission.Judge(tolerations, taints), admission.Judge(shuffled, taints)); diff != "" {
			t.Fatalf("Judge() in another order (-first +second):\n%s", diff)
		}
		c := cleanliness(admission.Compare)
		if one, two := c.Dirt(tolerations, taints, nil), c.Dirt(shuffled, taints, nil); one != two {
			t.Fatalf("dirt %d, in another order %d", one, two)
		}
	})
}

func cleanliness(compare bool) *Cleanliness {
	return &Cleanliness{
		Tolerated: 25, Prefer: 50, Ignored: KeysOf([]string{"b"}), Compare: compare,
		Conditions: Conditions{corev1.ConditionTrue: {"DiskPressure": 100, "NTPProblem": 1}},
	}
}

func TestAnotherTaintNeverMakesAHostBetter(t *testing.T) {
	rapid.Check(t, func(t *rapid.T) {
		admission, tolerations := drawAdmission(t), someTolerations.Draw(t, "tolerations")
		taints, conditions := someTaints.Draw(t, "taints"), someConditions.Draw(t, "conditions")
		more := slices.Insert(slices.Clone(taints), rapid.IntRange(0, len(taints)).Draw(t, "at"), drawTaint(t))
		if !admission.Judge(tolerations, taints).OK() && admission.Judge(tolerations, more).OK() {
			t.Fatal("a host becomes a home by another taint")
		}
		if !admission.LetsIn(tolerations, taints) && admission.LetsIn(tolerations, more) {
			t.Fatal("a host lets the VM in by another taint")
		}
		c := cleanliness(admission.Compare)
		before, after := Score(c.Dirt(tolerations, taints, conditions)), Score(c.Dirt(tolerations, more, conditions))
		if after > before || before > Clean || after < 0 {
			t.Fatalf("score %d, with another taint %d", before, after)
		}
	})
}

// Concerns is false only for VMs that no taint at all can be refused for.
func TestConcernsWhoeverIsRefused(t *testing.T) {
	rapid.Check(t, func(t *rapid.T) {
		admission, tolerations, taints := drawAdmission(t), someTolerations.Draw(t, "tolerations"), someTaints.Draw(t, "taints")
		if !admission.Concerns(tolerations) && !admission.Judge(tolerations, taints).OK() {
			t.Fatal("a VM is refused that the plugin would not have looked at")
		}
	})
}

// Keys with patterns say what a comparison of strings says.
func TestKeys(t *testing.T) {
	keys := KeysOf([]string{"a.io/x", "plain", "b.io/*"})
	for key, want := range map[string]bool{
		"a.io/x": true, "a.io/y": false, "plain": true, "b.io/x": true, "b.io/": true, "b.io": false, "c.b.io/x": false, "": false, "xb.io/x": false,
	} {
		if got := keys.Has(key); got != want {
			t.Errorf("Has(%q) = %t, want %t", key, got, want)
		}
	}
	if (Keys{}).Has("a") {
		t.Error("the zero value has a key")
	}
}
