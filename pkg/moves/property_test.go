// Copyright The virt-scheduler Authors.
// SPDX-License-Identifier: Apache-2.0

package moves

import (
	"errors"
	"fmt"
	"maps"
	"slices"
	"testing"
	"time"

	"k8s.io/apimachinery/pkg/types"
	testclock "k8s.io/utils/clock/testing"
	kubevirtv1 "kubevirt.io/api/core/v1"
	"pgregory.net/rapid"
)

// Whatever happens, in whatever order, with lost answers, late writes, watches that lag and processes that start anew:
//   - there are never two migrations of ours for one VM at once;
//   - in the end none is left, as KubeVirt moves nothing any more here and so all plans come to their end;
//   - no pod is nominated to a node on which room was given up;
//   - nothing is remembered.
func TestWhateverHappens(t *testing.T) {
	rapid.Check(t, func(t *rapid.T) {
		w := &world{
			t: t, clock: testclock.NewFakeClock(start), webhook: rapid.Bool().Draw(t, "webhook"),
			api: map[types.NamespacedName]*migrationObject{}, pods: map[types.UID]lister{}, plans: map[types.UID]*plannedRoom{}, retried: map[types.UID]bool{},
		}
		for _, name := range []string{"p", "q"} {
			w.pods[pod(name).UID] = lister{presence: waiting}
		}
		w.boot()
		t.Repeat(map[string]func(*rapid.T){
			"plan":         w.plan,
			"say it again": w.repeat,
			"give up":      w.giveUp,
			"nominate":     func(t *rapid.T) { w.say(pod(rapid.SampledFrom([]string{"p", "q"}).Draw(t, "pod")).UID) },
			"KubeVirt":     w.kubeVirt,
			"somebody":     w.somebody,
			"pods":         w.podsChange,
			"watch": func(t *rapid.T) {
				for range rapid.IntRange(1, 3).Draw(t, "events") {
					if len(w.watch) > 0 {
						w.show()
					}
				}
			},
			"watch pods": func(*rapid.T) { w.showPods() },
			"work":       func(*rapid.T) { w.work() },
			"time": func(t *rapid.T) {
				w.pass(time.Duration(rapid.SampledFrom([]int{1, 3, 5, 10, 60, 300}).Draw(t, "seconds")) * time.Second)
			},
			"write late": func(*rapid.T) {
				for _, write := range w.late {
					write()
				}
				w.late = nil
			},
			"start anew": func(*rapid.T) { w.boot() },
			"":           func(*rapid.T) { w.checkOneEach() },
		})
		w.quiesce()
		w.checkEnd()
	})
}

// plan has a pod's room planned, as the scheduler would if the pod's turn came now.
func (w *world) plan(t *rapid.T) {
	name := rapid.SampledFrom([]string{"p", "q"}).Draw(t, "for")
	uid := pod(name).UID
	if _, going := w.tracker.Going(uid); going || w.seen[uid].presence != waiting {
		return
	}
	node := rapid.SampledFrom([]string{"n", "m"}).Draw(t, "node")
	// Most plans do not choose an excluded node; a plan that does must be refused.
	if e, ok := w.tracker.rooms[uid].excluded[node]; ok && w.clock.Now().Before(e.until) && rapid.IntRange(0, 4).Draw(t, "excluded all the same") > 0 {
		return
	}
	vms := rapid.SliceOfNDistinct(rapid.SampledFrom([]string{"a", "b", "c"}), 1, 3, rapid.ID).Draw(t, "VMs")
	planned := &plannedRoom{plan: planOf(name, node, vms...), at: w.clock.Now(), uids: map[types.UID]types.NamespacedName{}}
	w.plans[uid], w.retried[uid] = planned, false
	w.unsaid[uid] = nomination{node, w.clock.Now().Add(soon)}
	if rapid.Bool().Draw(t, "nominated before") {
		w.say(uid)
	}
	for _, m := range planned.plan.Moves {
		err := w.tracker.Create(quiet, planned.plan, m)
		planned.failed = planned.failed || err != nil
		if rapid.IntRange(0, 9).Draw(t, "no more is asked for") == 0 {
			break // the process may be started anew next
		}
	}
}

func (w *world) repeat(t *rapid.T) {
	uid := pod(rapid.SampledFrom([]string{"p", "q"}).Draw(t, "for")).UID
	if planned := w.plans[uid]; planned != nil && !w.retried[uid] && w.clock.Now().Sub(planned.at) < patient.settle {
		_ = w.tracker.Create(quiet, planned.plan, rapid.SampledFrom(planned.plan.Moves).Draw(t, "move"))
	}
}

func (w *world) giveUp(t *rapid.T) {
	uid := pod(rapid.SampledFrom([]string{"p", "q"}).Draw(t, "for")).UID
	if rapid.Bool().Draw(t, "by the pod") {
		w.tracker.GiveUp(quiet, uid, "somebody says so")
	} else if planned := w.plans[uid]; planned != nil && !w.retried[uid] && w.clock.Now().Sub(planned.at) < patient.settle {
		w.tracker.GiveUpPlan(quiet, planned.plan, errors.New("somebody says so"))
		planned.failed = true
	}
}

// kubeVirt lets a migration go on.
func (w *world) kubeVirt(t *rapid.T) {
	all := w.sorted()
	if len(all) == 0 {
		return
	}
	m := rapid.SampledFrom(all).Draw(t, "migration")
	if m.IsFinal() {
		if w.webhook && rapid.Bool().Draw(t, "clean up") || m.DeletionTimestamp != nil {
			w.drop(m)
		}
		return
	}
	m = m.DeepCopy()
	m.Status.Phase = rapid.SampledFrom([]kubevirtv1.VirtualMachineInstanceMigrationPhase{running, succeeded, failed}).Draw(t, "phase")
	w.set(m)
}

// somebody else deletes migrations, and has VMs migrated.
func (w *world) somebody(t *rapid.T) {
	if all := w.sorted(); len(all) > 0 && rapid.Bool().Draw(t, "delete") {
		w.delete(rapid.SampledFrom(all).Draw(t, "migration"))
		return
	}
	vm := rapid.SampledFrom([]string{"a", "b", "c"}).Draw(t, "VM")
	if w.webhook {
		_, _ = w.store(foreign(fmt.Sprintf("foreign-%d", w.made), vm).Obj())
	}
}

func (w *world) podsChange(t *rapid.T) {
	uid := pod(rapid.SampledFrom([]string{"p", "q"}).Draw(t, "pod")).UID
	switch rapid.SampledFrom([]string{"nomination cleared", "placed", "gone", "comes back"}).Draw(t, "change") {
	case "nomination cleared":
		w.nominate(uid, "")
	case "placed":
		if l, ok := w.pods[uid]; ok && rapid.IntRange(0, 3).Draw(t, "seldom") == 0 {
			w.pods[uid] = lister{presence: placed, nominated: l.nominated}
		}
	case "gone":
		if rapid.IntRange(0, 3).Draw(t, "seldom") == 0 {
			delete(w.pods, uid)
		}
	case "comes back": // to the eyes of a watch that was behind
		if rapid.IntRange(0, 3).Draw(t, "seldom") == 0 {
			delete(w.seen, uid)
			w.tracker.podChanged(pod("p"))
		}
	}
}

func (w *world) checkOneEach() {
	byVM := map[string]string{}
	for _, m := range w.live() {
		if other := byVM[m.Spec.VMIName]; other != "" {
			w.t.Fatalf("VM %s is moved by %s and by %s, both ours", m.Spec.VMIName, other, m.Name)
		}
		byVM[m.Spec.VMIName] = m.Name
	}
}

// quiesce lets everything come to its end: KubeVirt does nothing any more but to let go what is being deleted.
func (w *world) quiesce() {
	w.pass(soon + 1)
	for range 1000 {
		for _, write := range w.late {
			write()
		}
		w.late = nil
		w.showAll()
		w.work()
		w.checkOneEach()
		for _, m := range w.sorted() {
			if m.DeletionTimestamp != nil {
				w.drop(m)
			}
		}
		if len(w.watch) > 0 || len(w.queue.due) > 0 || !maps.Equal(w.pods, w.seen) {
			continue
		}
		at := w.queue.first()
		if at.IsZero() {
			return
		}
		w.clock.SetTime(slices.MaxFunc([]time.Time{at, w.clock.Now()}, time.Time.Compare))
	}
	w.t.Fatalf("it never comes to rest: waiting %v, rooms %+v", w.queue.waiting, w.tracker.rooms)
}

func (w *world) checkEnd() {
	for _, m := range w.live() {
		w.t.Errorf("migration %s is left, for pod %s: %+v", m.Name, m.Annotations[PreemptorAnnotation], w.pods[types.UID(m.Labels[PreemptorLabel])])
	}
	for uid, l := range w.pods {
		planned := w.plans[uid]
		if l.presence != waiting || l.nominated == "" || planned == nil {
			continue
		}
		if planned.failed || l.nominated != planned.plan.Node {
			w.t.Errorf("pod %s is nominated to node %s, on which room was given up", uid, l.nominated)
		}
	}
	if len(w.tracker.rooms)+len(w.tracker.due) > 0 {
		w.t.Errorf("remembered for ever: %+v, %v", w.tracker.rooms, w.tracker.due)
	}
	for key, m := range w.tracker.index.all {
		if w.api[key] == nil || w.api[key].UID != m.UID {
			w.t.Errorf("%s is taken to be there", key)
		}
	}
}
