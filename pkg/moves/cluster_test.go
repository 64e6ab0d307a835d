// Copyright The virt-scheduler Authors.
// SPDX-License-Identifier: Apache-2.0

package moves

import (
	"errors"
	"net/http"
	"net/http/httptest"
	"strings"
	"testing"

	"github.com/google/go-cmp/cmp"
	corev1 "k8s.io/api/core/v1"
	apierrors "k8s.io/apimachinery/pkg/api/errors"
	"k8s.io/component-base/metrics/legacyregistry"
	"k8s.io/component-base/metrics/testutil"
	fwk "k8s.io/kube-scheduler/framework"
)

// cacher is what takes the patches of pods where the scheduler writes asynchronously.
type cacher struct {
	fwk.APICacher
	patches []fwk.NominatingInfo
}

func (c *cacher) PatchPodStatus(_ *corev1.Pod, condition *corev1.PodCondition, info *fwk.NominatingInfo) (<-chan error, error) {
	if condition != nil {
		return nil, errors.New("a condition that nobody asked for")
	}
	c.patches = append(c.patches, *info)
	return nil, nil
}

type handleWithCacher struct {
	fwk.Handle
	cacher *cacher
}

func (h handleWithCacher) APICacher() fwk.APICacher { return h.cacher }

// Where the scheduler writes asynchronously its queue of writes takes this one, too, or it would be overtaken.
func TestNominationIsClearedThroughTheCacher(t *testing.T) {
	r := newRig(t, nominated("p", "n")).start()
	c := &cacher{}
	out, err := newCluster(handleWithCacher{r.handle, c}, func() bool { return true })
	if err != nil {
		t.Fatal(err)
	}
	p := planOf("p", "n").preemptor()
	another := p
	another.uid = "another"
	for _, err := range []error{out.unnominate(r.ctx, p, "m"), out.unnominate(r.ctx, another, "n"), out.unnominate(r.ctx, p, "n")} {
		if err != nil {
			t.Error(err)
		}
	}
	if diff := cmp.Diff([]fwk.NominatingInfo{{NominatingMode: fwk.ModeOverride}}, c.patches); diff != "" {
		t.Errorf("patches (-want +got):\n%s", diff)
	}
	if got := r.nomination("p"); got != "n" {
		t.Errorf("nominated to %q, want it left to the cacher", got)
	}
}

func TestLook(t *testing.T) {
	deleted, ended, bound := pod("deleted"), pod("ended"), pod("bound")
	deleted.DeletionTimestamp, deleted.Finalizers = &newMigration("p", "n", "a").Obj().CreationTimestamp, []string{"a.test/stays"}
	ended.Status.Phase = corev1.PodFailed
	bound.Spec.NodeName = "n"
	r := newRig(t, nominated("waits", "n"), deleted, ended, bound).start()
	synced := true
	out, err := newCluster(r.handle, func() bool { return synced })
	if err != nil {
		t.Fatal(err)
	}
	for name, want := range map[string]presence{"waits": waiting, "deleted": gone, "ended": gone, "bound": placed, "never": gone} {
		if got, _ := out.look(planOf(name, "n").preemptor()); got != want {
			t.Errorf("pod %s: %d, want %d", name, got, want)
		}
	}
	if _, node := out.look(planOf("waits", "n").preemptor()); node != "n" {
		t.Errorf("nominated to %q, want n", node)
	}
	another := planOf("waits", "n").preemptor()
	another.uid = "another"
	if got, _ := out.look(another); got != gone {
		t.Errorf("a pod of another UID: %d, want it taken for gone", got)
	}
	synced = false
	if got, _ := out.look(planOf("never", "n").preemptor()); got != unknown {
		t.Errorf("before pods have been read: %d, want nothing to be known", got)
	}
}

func TestRemoveOnlyTheOneThatIsMeant(t *testing.T) {
	r := newRig(t)
	r.api.Set(newMigration("p", "n", "a").Obj())
	out, err := newCluster(r.start().handle, func() bool { return true })
	if err != nil {
		t.Fatal(err)
	}
	name := nameFor(moveOf("a"), 1)
	if err := out.remove(r.ctx, name, "another"); !apierrors.IsConflict(err) || r.migration("a") == nil {
		t.Errorf("remove() of another UID: %v, want a conflict, and nothing deleted", err)
	}
	if err := out.remove(r.ctx, name, r.migration("a").UID); err != nil || r.migration("a") != nil {
		t.Errorf("remove(): %v, want it deleted", err)
	}
}

func TestShortened(t *testing.T) {
	for length, want := range map[int]int{10: 10, maxNote - 1: maxNote - 1, maxNote: maxNote - 1, 5 * maxNote: maxNote - 1} {
		if got := len(shortened(strings.Repeat("x", length))); got != want {
			t.Errorf("%d bytes become %d, want %d", length, got, want)
		}
	}
}

func TestMetrics(t *testing.T) {
	answer := httptest.NewRecorder()
	legacyregistry.Handler().ServeHTTP(answer, httptest.NewRequest(http.MethodGet, "/metrics", nil))
	var ours strings.Builder
	for line := range strings.Lines(answer.Body.String()) {
		if strings.Contains(line, "virt_scheduler_preemption_") {
			ours.WriteString(line)
		}
	}
	problems, err := testutil.NewPromLinter(strings.NewReader(ours.String())).Lint()
	if err != nil || len(problems) > 0 {
		t.Errorf("%v, %v", problems, err)
	}
	for _, want := range []string{
		`virt_scheduler_preemption_moves_total{result="succeeded"}`, `virt_scheduler_preemption_moves_total{result="failed"}`,
		`virt_scheduler_preemption_moves_total{result="refused"}`, `virt_scheduler_preemption_moves_total{result="timeout"}`,
		`virt_scheduler_preemption_moves_total{result="abandoned"}`, `virt_scheduler_preemption_room_seconds_count`,
	} {
		if !strings.Contains(ours.String(), want) {
			t.Errorf("no %s in:\n%s", want, ours.String())
		}
	}
}
