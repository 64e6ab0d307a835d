// Copyright The virt-scheduler Authors.
// SPDX-License-Identifier: Apache-2.0

package taint

import (
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"
	corev1 "k8s.io/api/core/v1"
)

const (
	drain    = "kubevirt.io/drain"
	notReady = corev1.TaintNodeNotReady
)

func taint(key string, effect corev1.TaintEffect) corev1.Taint {
	return corev1.Taint{Key: key, Effect: effect}
}

// exists makes a toleration of a key, "" for all, in all effects.
func exists(key string) corev1.Toleration {
	return corev1.Toleration{Key: key, Operator: corev1.TolerationOpExists}
}

// existsFor makes a toleration of a key with effect NoExecute and for some seconds.
func existsFor(key string, seconds int64) corev1.Toleration {
	return corev1.Toleration{Key: key, Operator: corev1.TolerationOpExists, Effect: corev1.TaintEffectNoExecute, TolerationSeconds: &seconds}
}

func TestJudge(t *testing.T) {
	const schedule, execute, prefer = corev1.TaintEffectNoSchedule, corev1.TaintEffectNoExecute, corev1.TaintEffectPreferNoSchedule
	all := []corev1.Toleration{exists("")}
	keyless := func(key string, effect corev1.TaintEffect) Verdict {
		return Verdict{Rule: Keyless, Key: key, Effect: effect}
	}
	tooShort := func(key string, seconds int64) Verdict {
		return Verdict{Rule: TooShort, Key: key, Effect: execute, Seconds: seconds}
	}
	tests := map[string]struct {
		tolerations []corev1.Toleration
		taints      []corev1.Taint
		shortest    time.Duration
		want        Verdict
	}{
		"no taints":                                {tolerations: all},
		"an evacuation taint and no toleration":    {taints: []corev1.Taint{taint(drain, schedule)}}, // upstream's
		"keyless":                                  {tolerations: all, taints: []corev1.Taint{taint(drain, schedule)}, want: keyless(drain, schedule)},
		"keyless, NoExecute":                       {tolerations: all, taints: []corev1.Taint{taint(drain, execute)}, want: keyless(drain, execute)},
		"keyless, PreferNoSchedule":                {tolerations: all, taints: []corev1.Taint{taint(drain, prefer)}},
		"keyless, a taint that is no evacuation":   {tolerations: all, taints: []corev1.Taint{taint("example.com/dedicated", schedule)}},
		"keyless, of another effect":               {tolerations: []corev1.Toleration{{Operator: corev1.TolerationOpExists, Effect: execute}}, taints: []corev1.Taint{taint(drain, schedule)}},
		"keyless, of that effect":                  {tolerations: []corev1.Toleration{{Operator: corev1.TolerationOpExists, Effect: schedule}}, taints: []corev1.Taint{taint(drain, schedule)}, want: keyless(drain, schedule)},
		"keyless, a domain":                        {tolerations: all, taints: []corev1.Taint{taint("medik8s.io/remediation", execute)}, want: keyless("medik8s.io/remediation", execute)},
		"keyless, another domain of like name":     {tolerations: all, taints: []corev1.Taint{taint("not-medik8s.io/remediation", execute)}},
		"keyless, a domain below":                  {tolerations: all, taints: []corev1.Taint{taint("a.medik8s.io/remediation", execute)}},
		"keyless, our own taint with its incident": {tolerations: all, taints: []corev1.Taint{{Key: "virt-scheduler.io/node-failure", Value: "i-1", Effect: schedule}}, want: keyless("virt-scheduler.io/node-failure", schedule)},
		"named":                                     {tolerations: []corev1.Toleration{exists(drain)}, taints: []corev1.Taint{taint(drain, schedule)}},
		"named and keyless":                         {tolerations: []corev1.Toleration{exists(""), exists(drain)}, taints: []corev1.Taint{taint(drain, schedule)}},
		"named, then keyless":                       {tolerations: []corev1.Toleration{exists(drain), exists("")}, taints: []corev1.Taint{taint(drain, schedule)}},
		"named, another value; keyless":             {tolerations: []corev1.Toleration{{Key: drain, Value: "x"}, exists("")}, taints: []corev1.Taint{taint(drain, schedule)}, want: keyless(drain, schedule)},
		"named, another effect; keyless":            {tolerations: []corev1.Toleration{{Key: drain, Operator: corev1.TolerationOpExists, Effect: execute}, exists("")}, taints: []corev1.Taint{taint(drain, schedule)}, want: keyless(drain, schedule)},
		"one of two evacuation taints is named":     {tolerations: []corev1.Toleration{exists(""), exists(drain)}, taints: []corev1.Taint{taint(drain, schedule), taint("medik8s.io/drain", schedule)}, want: keyless("medik8s.io/drain", schedule)},
		"the default 300 s at a host not ready":     {tolerations: []corev1.Toleration{existsFor(notReady, 300)}, taints: []corev1.Taint{taint(notReady, execute)}, want: tooShort(notReady, 300)},
		"and its NoSchedule twin is upstream's":     {tolerations: []corev1.Toleration{existsFor(notReady, 300)}, taints: []corev1.Taint{taint(notReady, schedule)}},
		"tolerated without end":                     {tolerations: []corev1.Toleration{exists(notReady)}, taints: []corev1.Taint{taint(notReady, execute)}},
		"tolerated without end by a keyless one":    {tolerations: all, taints: []corev1.Taint{taint(notReady, execute)}},
		"the shortest of several counts":            {tolerations: []corev1.Toleration{existsFor(notReady, 300), existsFor("", 60), exists(notReady)}, taints: []corev1.Taint{taint(notReady, execute)}, want: tooShort(notReady, 60)},
		"and not the last":                          {tolerations: []corev1.Toleration{existsFor("", 60), existsFor(notReady, 300)}, taints: []corev1.Taint{taint(notReady, execute)}, want: tooShort(notReady, 60)},
		"a time below zero is none":                 {tolerations: []corev1.Toleration{existsFor(notReady, -5)}, taints: []corev1.Taint{taint(notReady, execute)}, want: tooShort(notReady, 0)},
		"a bounded toleration of another taint":     {tolerations: []corev1.Toleration{existsFor("example.com/other", 1), exists(notReady)}, taints: []corev1.Taint{taint(notReady, execute)}},
		"time does not matter to NoSchedule":        {tolerations: []corev1.Toleration{existsFor(drain, 1), exists(drain)}, taints: []corev1.Taint{taint(drain, schedule)}},
		"even where the API did not see to that":    {tolerations: []corev1.Toleration{{Key: drain, Operator: corev1.TolerationOpExists, TolerationSeconds: new(int64)}}, taints: []corev1.Taint{taint(drain, schedule)}},
		"a named evacuation, for a time":            {tolerations: []corev1.Toleration{existsFor(drain, 600)}, taints: []corev1.Taint{taint(drain, execute)}, want: tooShort(drain, 600)},
		"long enough":                               {shortest: 5 * time.Minute, tolerations: []corev1.Toleration{existsFor(notReady, 300)}, taints: []corev1.Taint{taint(notReady, execute)}},
		"not quite long enough":                     {shortest: 5*time.Minute + time.Millisecond, tolerations: []corev1.Toleration{existsFor(notReady, 300)}, taints: []corev1.Taint{taint(notReady, execute)}, want: tooShort(notReady, 300)},
		"the second taint refuses":                  {tolerations: []corev1.Toleration{exists("example.com/dedicated"), existsFor(notReady, 300)}, taints: []corev1.Taint{taint("example.com/dedicated", schedule), taint(notReady, execute)}, want: tooShort(notReady, 300)},
		"comparison, which is off: keyless remains": {tolerations: []corev1.Toleration{{Key: drain, Operator: corev1.TolerationOpGt, Value: "1"}, exists("")}, taints: []corev1.Taint{{Key: drain, Value: "2", Effect: schedule}}, want: keyless(drain, schedule)},
	}
	for name, tc := range tests {
		t.Run(name, func(t *testing.T) {
			admission := Admission{Evacuation: KeysOf([]string{drain, "virt-scheduler.io/node-failure", "medik8s.io/*"}), Shortest: tc.shortest}
			got := admission.Judge(tc.tolerations, tc.taints)
			if diff := cmp.Diff(tc.want, got); diff != "" {
				t.Errorf("Judge() (-want +got):\n%s", diff)
			}
			if got.OK() != (tc.want.Rule == Admitted) {
				t.Errorf("OK() = %t", got.OK())
			}
			if !got.OK() && !admission.Concerns(tc.tolerations) {
				t.Error("Concerns() = false, but Judge refuses")
			}
		})
	}
}

func TestConcerns(t *testing.T) {
	tests := map[string]struct {
		tolerations []corev1.Toleration
		want        bool
	}{
		"none":                         {},
		"named, without end":           {tolerations: []corev1.Toleration{exists(drain)}},
		"keyless":                      {tolerations: []corev1.Toleration{exists(drain), exists("")}, want: true},
		"keyless for PreferNoSchedule": {tolerations: []corev1.Toleration{{Operator: corev1.TolerationOpExists, Effect: corev1.TaintEffectPreferNoSchedule}}},
		"for a time":                   {tolerations: []corev1.Toleration{existsFor(notReady, 300)}, want: true},
	}
	for name, tc := range tests {
		t.Run(name, func(t *testing.T) {
			if got := (&Admission{}).Concerns(tc.tolerations); got != tc.want {
				t.Errorf("Concerns() = %t, want %t", got, tc.want)
			}
		})
	}
}

func TestDirt(t *testing.T) {
	const schedule, execute, prefer = corev1.TaintEffectNoSchedule, corev1.TaintEffectNoExecute, corev1.TaintEffectPreferNoSchedule
	all := []corev1.Toleration{exists("")}
	condition := func(t corev1.NodeConditionType, s corev1.ConditionStatus) corev1.NodeCondition {
		return corev1.NodeCondition{Type: t, Status: s}
	}
	tests := map[string]struct {
		tolerations []corev1.Toleration
		taints      []corev1.Taint
		conditions  []corev1.NodeCondition
		want        int64
		wantScore   int64
	}{
		"clean":                          {wantScore: 100},
		"tolerated NoSchedule":           {tolerations: all, taints: []corev1.Taint{taint("a", schedule)}, want: 25, wantScore: 80},
		"tolerated NoExecute":            {tolerations: all, taints: []corev1.Taint{taint("a", execute)}, want: 25, wantScore: 80},
		"both effects of one key":        {tolerations: all, taints: []corev1.Taint{taint("a", execute), taint("a", schedule)}, want: 50, wantScore: 66},
		"untolerated PreferNoSchedule":   {taints: []corev1.Taint{taint("nodeutilization.descheduler.kubernetes.io/overutilized", prefer)}, want: 50, wantScore: 66},
		"tolerated PreferNoSchedule":     {tolerations: all, taints: []corev1.Taint{taint("a", prefer)}, wantScore: 100},
		"a taint that is ignored":        {tolerations: all, taints: []corev1.Taint{taint("ignored.io/x", schedule), taint("ignored.io/y", prefer)}, wantScore: 100},
		"an adverse condition":           {conditions: []corev1.NodeCondition{condition("DiskPressure", "True")}, want: 100, wantScore: 50},
		"a condition that is not met":    {conditions: []corev1.NodeCondition{condition("DiskPressure", "False")}, wantScore: 100},
		"a condition nobody has heard":   {conditions: []corev1.NodeCondition{condition("DiskPressure", "Unknown")}, want: 7, wantScore: 93},
		"a condition that is not listed": {conditions: []corev1.NodeCondition{condition("Ready", "True"), condition("Other", "True")}, wantScore: 100},
		"a bit of everything": {
			tolerations: []corev1.Toleration{exists("a")}, taints: []corev1.Taint{taint("a", schedule), taint("b", prefer)},
			conditions: []corev1.NodeCondition{condition("DiskPressure", "True"), condition("Healthy", "False")}, want: 185, wantScore: 35,
		},
	}
	for name, tc := range tests {
		t.Run(name, func(t *testing.T) {
			c := Cleanliness{Tolerated: 25, Prefer: 50, Ignored: KeysOf([]string{"ignored.io/*"}), Conditions: Conditions{}}
			c.Conditions.Add("DiskPressure", "True", 100)
			c.Conditions.Add("DiskPressure", "Unknown", 7)
			c.Conditions.Add("Healthy", "False", 10)
			got := c.Dirt(tc.tolerations, tc.taints, tc.conditions)
			if got != tc.want || Score(got) != tc.wantScore {
				t.Errorf("dirt %d, score %d, want %d, %d", got, Score(got), tc.want, tc.wantScore)
			}
		})
	}
}

func TestTolerates(t *testing.T) {
	tests := map[string]struct {
		operator   corev1.TolerationOperator
		bound, has string
		off        bool
		want       bool
	}{
		"greater":                 {operator: corev1.TolerationOpGt, bound: "5", has: "6", want: true},
		"greater, equal":          {operator: corev1.TolerationOpGt, bound: "5", has: "5"},
		"less":                    {operator: corev1.TolerationOpLt, bound: "5", has: "-6", want: true},
		"less, equal":             {operator: corev1.TolerationOpLt, bound: "5", has: "5"},
		"less, switched off":      {operator: corev1.TolerationOpLt, bound: "5", has: "4", off: true},
		"a leading zero":          {operator: corev1.TolerationOpLt, bound: "5", has: "04"},
		"a plus sign":             {operator: corev1.TolerationOpLt, bound: "+5", has: "4"},
		"no number":               {operator: corev1.TolerationOpLt, bound: "x", has: "4"},
		"equal":                   {operator: corev1.TolerationOpEqual, bound: "5", has: "5", want: true},
		"equal, by default":       {bound: "5", has: "5", want: true},
		"not equal":               {bound: "5", has: "6"},
		"an operator of tomorrow": {operator: "Near", bound: "5", has: "5"},
	}
	for name, tc := range tests {
		t.Run(name, func(t *testing.T) {
			toleration := corev1.Toleration{Key: "k", Operator: tc.operator, Value: tc.bound}
			taint := corev1.Taint{Key: "k", Value: tc.has, Effect: corev1.TaintEffectNoSchedule}
			if got := Tolerates(&toleration, &taint, !tc.off); got != tc.want {
				t.Errorf("Tolerates() = %t, want %t", got, tc.want)
			}
		})
	}
}
