// Copyright The virt-scheduler Authors.
// SPDX-License-Identifier: Apache-2.0

package vmaffinity

import (
	"context"
	"slices"
	"testing"

	"github.com/google/go-cmp/cmp"
	"github.com/google/go-cmp/cmp/cmpopts"
	corev1 "k8s.io/api/core/v1"
	"k8s.io/klog/v2"
	fwk "k8s.io/kube-scheduler/framework"
	"k8s.io/kubernetes/pkg/scheduler/framework"

	"github.com/virt-scheduler/virt-scheduler/pkg/apis/config"
)

// evacuationCase is a ruleCase of a pod whose required affinity may be conceded. want and scores are those of the last try;
// when near, roomy and narrow are empty, those of every try.
type evacuationCase struct {
	pod    podBuilder
	pods   []podBuilder
	vmis   []vmiBuilder
	nodes  []nodeBuilder
	change func(*config.VMAffinityArgs)
	want   map[string]string
	scores map[string]int64
	// near are the hosts that the first try accepts, roomy those that come when members are conceded, narrow those that come when
	// room is. What accepts no more than the one before is not tried.
	near, roomy, narrow []string
}

// tries are the hosts that each try accepts, but for the last, which accepts all that want does not refuse.
func (tc *evacuationCase) tries() (tries [][]string) {
	if len(tc.near)+len(tc.roomy)+len(tc.narrow) == 0 {
		return nil
	}
	tries = [][]string{tc.near}
	for _, more := range [][]string{tc.roomy, tc.narrow} {
		if len(more) > 0 {
			tries = append(tries, slices.Concat(tries[len(tries)-1], more))
		}
	}
	if last := tries[len(tries)-1]; len(last)+len(tc.want) == len(zones()) {
		tries = tries[:len(tries)-1] // it is the last one
	}
	return tries
}

// activated are the pods that a profile has asked to be tried again.
type activated struct{ pods []string }

func (a *activated) Activate(_ klog.Logger, pods map[string]*corev1.Pod) {
	for _, pod := range pods {
		a.pods = append(a.pods, pod.Name)
	}
}

// attempt is a cycle in which no host would do, whatever Filter says: PostFilter comes.
func (p *profile) attempt(ctx context.Context, t *testing.T, pod *corev1.Pod) (result, *fwk.Status) {
	t.Helper()
	var state fwk.CycleState
	got := p.cycle(ctx, t, pod, func(s fwk.CycleState) { state = s })
	statuses := framework.NewDefaultNodeToStatus()
	for _, host := range p.hosts {
		status := p.RunFilterPlugins(ctx, state, pod, host)
		if status.IsSuccess() {
			status = fwk.NewStatus(fwk.Unschedulable, "it is full")
			status.SetPlugin("another")
		}
		statuses.Set(host.Node().Name, status)
	}
	_, status := p.plugin.PostFilter(ctx, state, pod, statuses)
	return got, status
}

// accepted are the hosts that are not refused, in order.
func (p *profile) accepted(r result) []string {
	var names []string
	for _, host := range p.hosts {
		if _, refused := r.Refused[host.Node().Name]; !refused {
			names = append(names, host.Node().Name)
		}
	}
	slices.Sort(names)
	return names
}

func checkConcessions(t *testing.T, tests map[string]evacuationCase) {
	t.Helper()
	for name, tc := range tests {
		t.Run(name, func(t *testing.T) {
			ctx := testContext(t)
			p := ruleCase{pods: tc.pods, vmis: tc.vmis, nodes: tc.nodes, change: tc.change}.cluster(t).profile(ctx, t)
			pod := tc.pod.Obj()
			tries := tc.tries()
			for round := range 2 { // each round begins anew
				var got result
				for try := range len(tries) + 1 {
					last := try == len(tries)
					asked := len(p.again.pods)
					var status *fwk.Status
					got, status = p.attempt(ctx, t, pod)
					want := fwk.UnschedulableAndUnresolvable
					if last {
						want = fwk.Unschedulable
					}
					if again := len(p.again.pods) > asked; status.Code() != want || again == last {
						t.Errorf("round %d, try %d: PostFilter says %v, tried again: %t", round, try, status, again)
					}
					if last {
						break
					}
					if diff := cmp.Diff(tries[try], p.accepted(got), cmpopts.EquateEmpty(), cmpopts.SortSlices(func(a, b string) bool { return a < b })); diff != "" {
						t.Errorf("round %d, try %d: accepted (-want +got):\n%s", round, try, diff)
					}
				}
				if diff := cmp.Diff(tc.want, got.Refused, cmpopts.EquateEmpty()); diff != "" {
					t.Errorf("round %d: refused in the end (-want +got):\n%s", round, diff)
				}
				if diff := cmp.Diff(tc.scores, nonzero(got.Scores)); diff != "" {
					t.Errorf("round %d: scores (-want +got):\n%s", round, diff)
				}
			}
		})
	}
}
