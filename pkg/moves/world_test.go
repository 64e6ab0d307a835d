// Copyright The virt-scheduler Authors.
// SPDX-License-Identifier: Apache-2.0

package moves

import (
	"context"
	"errors"
	"fmt"
	"maps"
	"slices"
	"strings"
	"time"

	corev1 "k8s.io/api/core/v1"
	apierrors "k8s.io/apimachinery/pkg/api/errors"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	"k8s.io/apimachinery/pkg/types"
	"k8s.io/client-go/util/workqueue"
	"k8s.io/klog/v2"
	"k8s.io/klog/v2/ktesting"
	testclock "k8s.io/utils/clock/testing"
	kubevirtv1 "kubevirt.io/api/core/v1"
	"pgregory.net/rapid"
)

// lister shows a preemptor's pod.
type lister struct {
	presence  presence
	nominated string
}

// world is a simulated cluster around a Tracker: an API server that loses answers and carries writes out late, KubeVirt, watches that lag, a scheduler
// that nominates, and a process that is started anew. One goroutine runs it.
type world struct {
	t       *rapid.T
	clock   *testclock.FakeClock
	tracker *Tracker
	queue   *stillQueue
	// webhook is true when KubeVirt's webhook refuses a second migration of a VM. Without it names alone have to do.
	webhook bool

	api     map[types.NamespacedName]*migrationObject // what is true
	made    int
	watch   []func()                   // what the watch of migrations has not shown yet
	late    []func()                   // writes that are carried out later
	pods    map[types.UID]lister       // what is true
	seen    map[types.UID]lister       // what the tracker sees
	plans   map[types.UID]*plannedRoom // the last one for each pod
	unsaid  map[types.UID]nomination   // nominations that are written soon
	said    map[types.UID]time.Time    // when one was written
	retried map[types.UID]bool         // started anew since the plan: the scheduler tries it, and nominates anew
}

// plannedRoom is a plan, and what was said of its moves.
type plannedRoom struct {
	plan   Plan
	failed bool
	at     time.Time
	uids   map[types.UID]types.NamespacedName // migrations that were made for it
}

// nomination is one that the scheduler is about to write.
type nomination struct {
	node string
	by   time.Time
}

// soon is how long it takes at most until a nomination is written, and then again until it is seen.
const soon = 4 * time.Second

// quiet is a context in which nothing is logged.
var quiet = klog.NewContext(context.Background(), ktesting.NewLogger(ktesting.NopTL{}, ktesting.NewConfig()))

var _ outside = &world{}

func conflictOf(name types.NamespacedName) error {
	return apierrors.NewConflict(kubevirtv1.Resource("m"), name.Name, errors.New("not as it was"))
}

// weighted returns one of some outcomes, the first one more often.
func (w *world) weighted(label string, outcomes ...string) string {
	if i := rapid.IntRange(0, 2*len(outcomes)).Draw(w.t, label); i < len(outcomes) {
		return outcomes[i]
	}
	return outcomes[0]
}

func (w *world) create(_ context.Context, m *migrationObject) (types.UID, error) {
	outcomes := []string{"done", "done, answer lost", "not done, answer lost", "refused", "webhook down"}
	if w.webhook {
		outcomes = append(outcomes, "late")
	}
	switch w.weighted("create", outcomes...) {
	case "done":
		return w.store(m)
	case "done, answer lost":
		_, _ = w.store(m)
		return "", context.DeadlineExceeded
	case "late":
		w.late = append(w.late, func() { _, _ = w.store(m) })
		return "", apierrors.NewTimeoutError("late", 1)
	case "refused":
		return "", apierrors.NewForbidden(kubevirtv1.Resource("m"), m.Name, errors.New("the webhook says no"))
	case "webhook down":
		return "", apierrors.NewInternalError(errors.New("failed calling webhook"))
	default:
		return "", context.DeadlineExceeded
	}
}

func (w *world) store(m *migrationObject) (types.UID, error) {
	name := types.NamespacedName{Namespace: m.Namespace, Name: m.Name}
	for _, there := range w.api {
		if w.webhook && there.Spec.VMIName == m.Spec.VMIName && !there.IsFinal() {
			return "", apierrors.NewForbidden(kubevirtv1.Resource("m"), m.Name, errors.New("in-flight migration detected"))
		}
	}
	if w.api[name] != nil {
		return "", apierrors.NewAlreadyExists(kubevirtv1.Resource("m"), m.Name)
	}
	w.made++
	m = m.DeepCopy()
	m.UID, m.CreationTimestamp = types.UID(fmt.Sprintf("made-%d", w.made)), metav1.Time{Time: w.clock.Now().Truncate(time.Second)}
	if p := w.plans[types.UID(m.Labels[PreemptorLabel])]; p != nil && p.plan.Node == m.Annotations[NodeAnnotation] {
		p.uids[m.UID] = name
	}
	w.set(m)
	return m.UID, nil
}

// set makes a migration what it is, and has the watch show it some time.
func (w *world) set(m *migrationObject) {
	w.api[types.NamespacedName{Namespace: m.Namespace, Name: m.Name}] = m
	w.watch = append(w.watch, func() { w.tracker.seen(stripped(m)) })
}

func (w *world) drop(m *migrationObject) {
	delete(w.api, types.NamespacedName{Namespace: m.Namespace, Name: m.Name})
	w.watch = append(w.watch, func() { w.tracker.gone(stripped(m)) })
}

func (w *world) get(_ context.Context, name types.NamespacedName) (*migration, error) {
	if w.weighted("get", "answered", "lost") == "lost" {
		return nil, context.DeadlineExceeded
	}
	if m := w.api[name]; m != nil {
		return stripped(m), nil
	}
	return nil, apierrors.NewNotFound(kubevirtv1.Resource("m"), name.Name)
}

func (w *world) remove(_ context.Context, name types.NamespacedName, uid types.UID) error {
	if w.weighted("remove", "done", "lost") == "lost" {
		return context.DeadlineExceeded
	}
	m := w.api[name]
	switch {
	case m == nil:
		return apierrors.NewNotFound(kubevirtv1.Resource("m"), name.Name)
	case m.UID != uid:
		return conflictOf(name)
	case m.Labels[PreemptorLabel] == "":
		w.t.Fatalf("deleted %s, which is not ours", name)
	}
	w.delete(m)
	return nil
}

// delete marks a migration as KubeVirt's finalizer makes it be; one that has ended has no finalizer any more.
func (w *world) delete(m *migrationObject) {
	if m.IsFinal() {
		w.drop(m)
		return
	}
	if m.DeletionTimestamp == nil {
		m = m.DeepCopy()
		m.DeletionTimestamp = &metav1.Time{Time: w.clock.Now()}
		w.set(m)
	}
}

func (w *world) look(p preemptor) (presence, string) {
	l, ok := w.seen[p.uid]
	if !ok {
		return gone, ""
	}
	return l.presence, l.nominated
}

func (w *world) unnominate(_ context.Context, p preemptor, node string) error {
	if w.seen[p.uid].nominated != node {
		return nil
	}
	if w.pods[p.uid] != w.seen[p.uid] || w.weighted("unnominate", "done", "lost") == "lost" {
		return conflictOf(p.NamespacedName)
	}
	w.nominate(p.uid, "")
	return nil
}

func (w *world) nominate(uid types.UID, node string) {
	if l, ok := w.pods[uid]; ok && l.presence == waiting {
		l.nominated = node
		w.pods[uid] = l
		w.said[uid] = w.clock.Now()
	}
}

// pass lets time pass.
func (w *world) pass(d time.Duration) {
	now := w.clock.Now().Add(d)
	for _, uid := range slices.Sorted(maps.Keys(w.unsaid)) {
		if n := w.unsaid[uid]; n.by.Before(now) {
			w.say(uid)
		}
	}
	for _, at := range w.said {
		if at.Add(soon).Before(now) {
			w.showPods()
			break
		}
	}
	for uid := range w.pods {
		if _, ok := w.seen[uid]; !ok {
			w.showPods() // a pod is out of sight for less than the grace
			break
		}
	}
	w.clock.SetTime(now)
}

// say writes a nomination.
func (w *world) say(uid types.UID) {
	if n, ok := w.unsaid[uid]; ok {
		delete(w.unsaid, uid)
		w.nominate(uid, n.node)
	}
}

// activate has the scheduler try the pod. Where the process was started anew in between, that is what makes an end of what is left of before.
func (w *world) activate(_ context.Context, p preemptor) {
	if _, going := w.tracker.Going(p.uid); w.retried[p.uid] && !going {
		w.nominate(p.uid, "")
	}
}

func (w *world) hostOf(types.NamespacedName) string { return "" }

func (w *world) tell(*corev1.ObjectReference, *corev1.ObjectReference, string, string, string) {}

// live returns the migrations of ours that have not ended, in a fixed order.
func (w *world) live() (live []*migrationObject) {
	for _, m := range w.sorted() {
		if m.Labels[PreemptorLabel] != "" && !m.IsFinal() {
			live = append(live, m)
		}
	}
	return live
}

func (w *world) sorted() []*migrationObject {
	return slices.SortedFunc(maps.Values(w.api), func(a, b *migrationObject) int { return strings.Compare(a.Name, b.Name) })
}

// boot starts the process, or starts it anew: with nothing in its memory but what it reads.
func (w *world) boot() {
	w.queue = &stillQueue{now: w.clock.Now, waiting: map[types.UID]time.Time{}}
	w.tracker = newTracker(w, w.clock, patient)
	w.tracker.queue.ShutDown()
	w.tracker.queue = w.queue
	w.watch, w.unsaid, w.said = nil, map[types.UID]nomination{}, map[types.UID]time.Time{}
	if !w.webhook {
		w.late = nil
	}
	for _, m := range w.sorted() {
		w.tracker.seen(stripped(m))
	}
	w.seen = maps.Clone(w.pods)
	w.tracker.ready.Store(true)
	for uid := range w.pods {
		w.retried[uid] = true
	}
	w.work()
	for uid := range w.pods {
		w.activate(quiet, preemptor{uid: uid})
	}
}

// work deals with all that is due.
func (w *world) work() {
	for {
		uid, ok := w.queue.take()
		if !ok {
			return
		}
		w.tracker.process(quiet, uid)
		w.checkTimeliness(uid)
	}
}

// checkTimeliness: until the time at which it is looked again nothing would come of it.
func (w *world) checkTimeliness(uid types.UID) {
	r, ok := w.tracker.rooms[uid]
	if !ok {
		return
	}
	v := view{migrations: slices.Collect(maps.Values(w.tracker.index.ours[uid]))}
	v.presence, v.nominated = w.look(r.preemptor)
	now := w.clock.Now()
	at, again := w.queue.waiting[uid]
	until := time.Hour
	if again {
		until = at.Sub(now) - 1
	}
	if _, _, next := next(r, v, now, patient); !next.IsZero() && !next.After(now) {
		w.t.Fatalf("looks again at %s, which is not later than now", next)
	}
	if until <= 0 {
		return
	}
	after := time.Duration(rapid.Int64Range(1, int64(until)).Draw(w.t, "early"))
	if _, effects, _ := next(r, v, now.Add(after), patient); len(effects) > 0 {
		w.t.Fatalf("%s from now %v would follow, but nobody looks before %s (%t)", after, effects, until, again)
	}
}

// showAll has all watches catch up.
func (w *world) showAll() {
	for len(w.watch) > 0 {
		w.show()
	}
	w.showPods()
}

func (w *world) show() {
	event := w.watch[0]
	w.watch = w.watch[1:]
	event()
}

func (w *world) showPods() {
	all := slices.Sorted(maps.Keys(w.pods))
	for uid := range w.seen {
		if _, ok := w.pods[uid]; !ok {
			all = append(all, uid)
		}
	}
	before := w.seen
	w.seen = maps.Clone(w.pods)
	clear(w.said)
	for _, uid := range all {
		if before[uid] != w.seen[uid] {
			w.tracker.podChanged(&corev1.Pod{ObjectMeta: metav1.ObjectMeta{UID: uid}})
		}
	}
}

// stillQueue is a queue that nobody works on but when told to.
type stillQueue struct {
	workqueue.TypedDelayingInterface[types.UID]
	now     func() time.Time
	due     []types.UID
	waiting map[types.UID]time.Time
}

func (q *stillQueue) Add(uid types.UID) {
	if !slices.Contains(q.due, uid) {
		q.due = append(q.due, uid)
	}
}

func (q *stillQueue) AddAfter(uid types.UID, after time.Duration) {
	at := q.now().Add(after)
	if before, ok := q.waiting[uid]; !ok || at.Before(before) {
		q.waiting[uid] = at
	}
}

func (q *stillQueue) take() (types.UID, bool) {
	for _, uid := range slices.Sorted(maps.Keys(q.waiting)) {
		if !q.waiting[uid].After(q.now()) {
			delete(q.waiting, uid)
			q.Add(uid)
		}
	}
	if len(q.due) == 0 {
		return "", false
	}
	uid := q.due[0]
	q.due = q.due[1:]
	return uid, true
}

// first returns when something that waits is due.
func (q *stillQueue) first() (at time.Time) {
	for _, t := range q.waiting {
		if at.IsZero() || t.Before(at) {
			at = t
		}
	}
	return at
}
