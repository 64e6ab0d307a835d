// Copyright The virt-scheduler Authors.
// SPDX-License-Identifier: Apache-2.0

package vmtainttoleration

import (
	"context"
	"slices"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"
	corev1 "k8s.io/api/core/v1"
	"k8s.io/apimachinery/pkg/runtime"
	fwk "k8s.io/kube-scheduler/framework"
	schedulerconfig "k8s.io/kubernetes/pkg/scheduler/apis/config"
	"k8s.io/kubernetes/pkg/scheduler/framework"

	"github.com/virt-scheduler/virt-scheduler/pkg/apis/config"
)

// outcome is what one cycle says of the hosts.
type outcome struct {
	Refused map[string]string // by host: the plugin and its reason
	Scores  map[string]int64  // of the hosts that are left: the total
	Ours    map[string]int64  // our plugin's part of it, weighted
}

// cycle runs the filtering and scoring of a cycle as the scheduler does.
func cycle(ctx context.Context, tb testing.TB, f framework.Framework, pod *corev1.Pod, hosts []fwk.NodeInfo) outcome {
	tb.Helper()
	state := framework.NewCycleState()
	if _, status, _ := f.RunPreFilterPlugins(ctx, state, pod); !status.IsSuccess() {
		tb.Fatalf("PreFilter: %v", status.AsError())
	}
	got := outcome{Refused: map[string]string{}, Scores: map[string]int64{}, Ours: map[string]int64{}}
	var left []fwk.NodeInfo
	for _, host := range hosts {
		status := f.RunFilterPlugins(ctx, state, pod, host)
		switch {
		case status.IsSuccess():
			left = append(left, host)
		case status.Code() == fwk.UnschedulableAndUnresolvable:
			got.Refused[host.Node().Name] = status.Plugin() + ": " + status.Message()
		default:
			tb.Fatalf("Filter: %v", status)
		}
	}
	if status := f.RunPreScorePlugins(ctx, state, pod, left); !status.IsSuccess() {
		tb.Fatalf("PreScore: %v", status.AsError())
	}
	results, status := f.RunScorePlugins(ctx, state, pod, left)
	if !status.IsSuccess() {
		tb.Fatalf("Score: %v", status.AsError())
	}
	for _, result := range results {
		got.Scores[result.Name] = result.TotalScore
		for _, score := range result.Scores {
			if score.Name == Name {
				got.Ours[result.Name] = score.Score
			}
		}
	}
	return got
}

const upstreamRefuses = "TaintToleration: node(s) had untolerated taint(s)"

func keylessReason(taint string) string {
	return "VMTaintToleration: node(s) had evacuation taint " + taint + ", which a toleration without a key does not admit a VM to; " +
		"to place it there all the same, name the key in a toleration"
}

// Each case has one host.
func TestFilter(t *testing.T) {
	const notReady = corev1.TaintNodeNotReady
	shortest := func(d time.Duration) func(*config.VMTaintTolerationArgs) {
		return func(a *config.VMTaintTolerationArgs) { a.ShortestToleration = &d }
	}
	host := makeNode("host")
	tests := map[string]struct {
		pod    *corev1.Pod
		node   *corev1.Node
		change func(*config.VMTaintTolerationArgs)
		want   string // empty: admitted
	}{
		"a clean host": {pod: makeVM("vm").Tolerates("").Obj(), node: host.Obj()},
		"keyless": {
			pod: makeVM("vm").Tolerates("").Obj(), node: makeNode("host").Taint(drain, noSchedule).Obj(),
			want: keylessReason("{kubevirt.io/drain: NoSchedule}"),
		},
		"keyless, a migration target": {
			pod: makeVM("vm").Target().Tolerates("").Obj(), node: makeNode("host").Taint(drain, noSchedule).Obj(),
			want: keylessReason("{kubevirt.io/drain: NoSchedule}"),
		},
		"keyless, medik8s of today": {
			pod: makeVM("vm").Tolerates("").Obj(), node: makeNode("host").Taint("remediation.medik8s.io/self-node-remediation", noSchedule).Obj(),
			want: keylessReason("{remediation.medik8s.io/self-node-remediation: NoSchedule}"),
		},
		"keyless, medik8s of yesterday": {
			pod: makeVM("vm").Tolerates("").Obj(), node: makeNode("host").Taint("medik8s.io/remediation", noExecute).Obj(),
			want: keylessReason("{medik8s.io/remediation: NoExecute}"),
		},
		"keyless, out of service": {
			pod: makeVM("vm").Tolerates("").Obj(), node: makeNode("host").Taint("node.kubernetes.io/out-of-service", noExecute).Obj(),
			want: keylessReason("{node.kubernetes.io/out-of-service: NoExecute}"),
		},
		"keyless, shut down": {
			pod: makeVM("vm").Tolerates("").Obj(), node: makeNode("host").Taint("node.cloudprovider.kubernetes.io/shutdown", noSchedule).Obj(),
			want: keylessReason("{node.cloudprovider.kubernetes.io/shutdown: NoSchedule}"),
		},
		"keyless, our own taint: the incident is not in the reason": {
			pod:  makeVM("vm").Tolerates("").Obj(),
			node: makeNode("host").Taints([]corev1.Taint{{Key: "virt-scheduler.io/node-failure", Value: "incident-4711", Effect: noSchedule}}).Obj(),
			want: keylessReason("{virt-scheduler.io/node-failure: NoSchedule}"),
		},
		"named": {pod: makeVM("vm").Tolerates("").Tolerates(drain).Obj(), node: makeNode("host").Taint(drain, noSchedule).Obj()},
		"not tolerated at all is upstream's": {
			pod: makeVM("vm").Obj(), node: makeNode("host").Taint(drain, noSchedule).Obj(), want: upstreamRefuses,
		},
		"no evacuation taint": {pod: makeVM("vm").Tolerates("").Obj(), node: makeNode("host").Taint("example.com/dedicated", noSchedule).Obj()},
		"another list of evacuation taints": {
			pod: makeVM("vm").Tolerates("").Obj(), node: makeNode("host").Taint("node.kubernetes.io/unschedulable", noSchedule).Obj(),
			change: func(a *config.VMTaintTolerationArgs) {
				a.EvacuationTaints = []string{"node.kubernetes.io/unschedulable"}
			},
			want: keylessReason("{node.kubernetes.io/unschedulable: NoSchedule}"),
		},
		"the list switched off": {
			pod: makeVM("vm").Tolerates("").Obj(), node: makeNode("host").Taint(drain, noSchedule).Obj(),
			change: func(a *config.VMTaintTolerationArgs) { a.EvacuationTaints = nil },
		},
		"300 s as every pod has them, the NoExecute twin alone": {
			pod: makeVM("vm").ToleratesFor(notReady, 300).Obj(), node: makeNode("host").Taint(notReady, noExecute).Obj(),
			want: "VMTaintToleration: node(s) had taint {node.kubernetes.io/not-ready: NoExecute}, which the VM tolerates for 300 s only, " +
				"to be evicted then; to place it there all the same, tolerate the taint without tolerationSeconds",
		},
		"both twins": {
			pod:  makeVM("vm").ToleratesFor(notReady, 300).Obj(),
			node: makeNode("host").Taint(notReady, noSchedule).Taint(notReady, noExecute).Obj(), want: upstreamRefuses,
		},
		"shorter than the argument": {
			pod: makeVM("vm").ToleratesFor(notReady, 300).Obj(), node: makeNode("host").Taint(notReady, noExecute).Obj(), change: shortest(time.Hour),
			want: "VMTaintToleration: node(s) had taint {node.kubernetes.io/not-ready: NoExecute}, which the VM tolerates for 300 s only, " +
				"to be evicted then; to place it there all the same, tolerate the taint for 1h0m0s or longer",
		},
		"as long as the argument": {
			pod: makeVM("vm").ToleratesFor(notReady, 3600).Obj(), node: makeNode("host").Taint(notReady, noExecute).Obj(), change: shortest(time.Hour),
		},
		"a pod that is no VM, keyless":        {pod: makePod("pod").Tolerates("").Obj(), node: makeNode("host").Taint(drain, noExecute).Obj()},
		"a pod that is no VM, for a while":    {pod: makePod("pod").ToleratesFor(notReady, 1).Obj(), node: makeNode("host").Taint(notReady, noExecute).Obj()},
		"an attachment pod follows its VM":    {pod: makePod("pod").Attachment().Tolerates("").Obj(), node: makeNode("host").Taint(drain, noSchedule).Obj()},
		"a taint that nobody is kept off for": {pod: makeVM("vm").Tolerates("").Obj(), node: makeNode("host").Taint(drain, preferNot).Obj()},
	}
	for name, tc := range tests {
		for _, off := range []string{"", "PreFilter"} { // the verdict is the same when a profile switches PreFilter off
			t.Run(name+off, func(t *testing.T) {
				ctx := testContext(t)
				options := profileOptions{args: defaultArgs(t, noChangeIfNil(tc.change))}
				if off != "" {
					options.disabled.PreFilter.Disabled = []schedulerconfig.Plugin{{Name: Name}}
				}
				f, hosts, err := makeProfile(ctx, []*corev1.Node{tc.node}, options)
				if err != nil {
					t.Fatal(err)
				}
				if got := cycle(ctx, t, f, tc.pod, hosts).Refused["host"]; got != tc.want {
					t.Errorf("got  %q\nwant %q", got, tc.want)
				}
			})
		}
	}
}

func noChangeIfNil(change func(*config.VMTaintTolerationArgs)) func(*config.VMTaintTolerationArgs) {
	if change == nil {
		return func(*config.VMTaintTolerationArgs) {}
	}
	return change
}

func TestScore(t *testing.T) {
	nodes := []*corev1.Node{
		makeNode("clean").Condition("Ready", "True").Condition("DiskPressure", "False").Obj(),
		makeNode("dedicated").Taint("example.com/dedicated", noSchedule).Obj(),
		makeNode("overused").Taint(overused, preferNot).Obj(),
		makeNode("ill").Condition("ReadonlyFilesystem", "True").Obj(),
		makeNode("restless").Condition("FrequentKubeletRestart", "True").Obj(),
		makeNode("all of it").Taint("example.com/dedicated", noSchedule).Taint(overused, preferNot).Condition("ReadonlyFilesystem", "True").Obj(),
	}
	pod := makeVM("vm").Tolerates("example.com/dedicated").ToleratesFor(corev1.TaintNodeNotReady, 300).Obj()
	tests := map[string]struct {
		change func(*config.VMTaintTolerationArgs)
		pod    *corev1.Pod
		off    bool
		want   map[string]int64 // times our weight, 2
	}{
		"defaults": {
			pod:  pod,
			want: map[string]int64{"clean": 200, "dedicated": 160, "overused": 132, "ill": 100, "restless": 132, "all of it": 72},
		},
		"a pool that is for VMs": {
			pod:    pod,
			change: func(a *config.VMTaintTolerationArgs) { a.IgnoredTaints = []string{"example.com/*"} },
			want:   map[string]int64{"clean": 200, "dedicated": 200, "overused": 132, "ill": 100, "restless": 132, "all of it": 80},
		},
		"PreScore switched off": {
			pod: pod, off: true,
			want: map[string]int64{"clean": 200, "dedicated": 160, "overused": 132, "ill": 100, "restless": 132, "all of it": 72},
		},
		"a pod that is no VM": {
			pod: makePod("pod").Tolerates("example.com/dedicated").Obj(), want: map[string]int64{},
		},
		"a pod that is no VM, PreScore switched off": {
			pod: makePod("pod").Tolerates("example.com/dedicated").Obj(), off: true,
			want: map[string]int64{"clean": 200, "dedicated": 200, "overused": 200, "ill": 200, "restless": 200, "all of it": 200},
		},
	}
	for name, tc := range tests {
		t.Run(name, func(t *testing.T) {
			ctx := testContext(t)
			options := profileOptions{args: defaultArgs(t, noChangeIfNil(tc.change))}
			if tc.off {
				options.disabled.PreScore.Disabled = []schedulerconfig.Plugin{{Name: Name}}
			}
			f, hosts, err := makeProfile(ctx, nodes, options)
			if err != nil {
				t.Fatal(err)
			}
			if diff := cmp.Diff(tc.want, cycle(ctx, t, f, tc.pod, hosts).Ours); diff != "" {
				t.Errorf("scores (-want +got):\n%s", diff)
			}
		})
	}
}

func TestSkips(t *testing.T) {
	tests := map[string]struct {
		pod                    *corev1.Pod
		wantFilter, wantScored bool
	}{
		"a pod that is no VM":            {pod: makePod("pod").Tolerates("").ToleratesFor("a", 1).Obj()},
		"an attachment pod":              {pod: makePod("pod").Attachment().Tolerates("").Obj()},
		"a VM that tolerates everything": {pod: makeVM("vm").Tolerates("").Obj(), wantFilter: true, wantScored: true},
		"a VM as admission leaves it":    {pod: makeVM("vm").ToleratesFor(corev1.TaintNodeNotReady, 300).Obj(), wantFilter: true, wantScored: true},
		"a VM that tolerates nothing":    {pod: makeVM("vm").Obj(), wantScored: true},
		"a VM that names what it bears":  {pod: makeVM("vm").Tolerates(drain).Obj(), wantScored: true},
	}
	for name, tc := range tests {
		t.Run(name, func(t *testing.T) {
			ctx := testContext(t)
			f, hosts, err := makeProfile(ctx, []*corev1.Node{makeNode("host").Obj()}, profileOptions{args: defaultArgs(t)})
			if err != nil {
				t.Fatal(err)
			}
			state := framework.NewCycleState()
			f.RunPreFilterPlugins(ctx, state, tc.pod)
			f.RunPreScorePlugins(ctx, state, tc.pod, hosts)
			filter, scored := !state.GetSkipFilterPlugins().Has(Name), !state.GetSkipScorePlugins().Has(Name)
			if filter != tc.wantFilter || scored != tc.wantScored {
				t.Errorf("filter %t, scored %t, want %t, %t", filter, scored, tc.wantFilter, tc.wantScored)
			}
		})
	}
}

func TestSignPod(t *testing.T) {
	reversed := makeVM("vm").Tolerates("b").Tolerates("a").Obj()
	tests := map[string]struct {
		one, other *corev1.Pod
		want       bool // the same signature
	}{
		"two VMs":                            {makeVM("a").Obj(), makeVM("b").Obj(), true},
		"a VM and its migration target":      {makeVM("a").Obj(), makeVM("a").Target().Obj(), true},
		"a VM and a pod":                     {makeVM("a").Obj(), makePod("b").Obj(), false},
		"a pod and an attachment pod":        {makePod("a").Obj(), makePod("b").Attachment().Obj(), true},
		"tolerations in another order":       {makeVM("a").Tolerates("a").Tolerates("b").Obj(), reversed, true},
		"another toleration":                 {makeVM("a").Tolerates("a").Obj(), makeVM("b").Tolerates("b").Obj(), false},
		"another time":                       {makeVM("a").ToleratesFor("a", 1).Obj(), makeVM("b").ToleratesFor("a", 2).Obj(), false},
		"for a time and without end":         {makeVM("a").ToleratesFor("a", 1).Obj(), makeVM("b").Tolerations(corev1.Toleration{Key: "a", Operator: "Exists", Effect: noExecute}).Obj(), false},
		"all keys and none":                  {makeVM("a").Tolerates("").Obj(), makeVM("b").Obj(), false},
		"pods that are no VMs, another time": {makePod("a").ToleratesFor("a", 1).Obj(), makePod("b").ToleratesFor("a", 2).Obj(), false},
	}
	for name, tc := range tests {
		t.Run(name, func(t *testing.T) {
			ctx := testContext(t)
			f, _, err := makeProfile(ctx, nil, profileOptions{args: defaultArgs(t)})
			if err != nil {
				t.Fatal(err)
			}
			one, other := f.SignPod(ctx, tc.one, false), f.SignPod(ctx, tc.other, false)
			if one == nil || other == nil {
				t.Fatalf("not signed: %q, %q", one, other)
			}
			if got := slices.Equal(one, other); got != tc.want {
				t.Errorf("the same signature: %t, want %t\n%s\n%s", got, tc.want, one, other)
			}
		})
	}
}

// The plugin signs what it goes by itself: whether upstream's signs the same is not its business.
func TestSignPodAlone(t *testing.T) {
	seconds := int64(300)
	notReady := corev1.Toleration{Key: corev1.TaintNodeNotReady, Operator: corev1.TolerationOpExists, Effect: noExecute, TolerationSeconds: &seconds}
	all := corev1.Toleration{Operator: corev1.TolerationOpExists}
	tests := map[string]struct {
		pod  *corev1.Pod
		want []fwk.SignFragment
	}{
		"VM": {
			pod: makeVM("vm").Tolerations(notReady, all).Obj(),
			want: []fwk.SignFragment{
				{Key: "v1.Pod.Labels.IsVirtualMachine()", Value: true},
				{Key: fwk.TolerationsSignerName, Value: []corev1.Toleration{all, notReady}},
			},
		},
		"a pod that is no VM": {pod: makePod("pod").Tolerations(notReady, all).Obj()},
	}
	for name, tc := range tests {
		t.Run(name, func(t *testing.T) {
			got, status := newPlugin(defaultArgs(t), false).SignPod(testContext(t), tc.pod)
			if !status.IsSuccess() {
				t.Fatal(status.AsError())
			}
			if diff := cmp.Diff(tc.want, got); diff != "" {
				t.Errorf("fragments (-want +got):\n%s", diff)
			}
		})
	}
}

func TestNewRefuses(t *testing.T) {
	tests := map[string]struct {
		args runtime.Object
		want string
	}{
		"bad values": {
			args: defaultArgs(t, func(a *config.VMTaintTolerationArgs) { a.ToleratedTaintWeight, a.PreferNoScheduleTaintWeight = -1, 101 }),
			want: `initializing plugin "VMTaintToleration": [args.toleratedTaintWeight: Invalid value: -1: must be in the range [0, 100], ` +
				`args.preferNoScheduleTaintWeight: Invalid value: 101: must be in the range [0, 100]]`,
		},
		"another plugin's arguments": {
			args: &schedulerconfig.NodeAffinityArgs{},
			want: `initializing plugin "VMTaintToleration": want args to be of type VMTaintTolerationArgs, got *config.NodeAffinityArgs`,
		},
	}
	for name, tc := range tests {
		t.Run(name, func(t *testing.T) {
			_, _, err := makeProfile(testContext(t), nil, profileOptions{args: tc.args})
			if err == nil || err.Error() != tc.want {
				t.Errorf("error %v, want %s", err, tc.want)
			}
		})
	}
}
