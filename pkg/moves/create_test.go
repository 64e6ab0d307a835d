// Copyright The virt-scheduler Authors.
// SPDX-License-Identifier: Apache-2.0

package moves

import (
	"context"
	"errors"
	"strings"
	"testing"

	"github.com/google/go-cmp/cmp"
	corev1 "k8s.io/api/core/v1"
	apierrors "k8s.io/apimachinery/pkg/api/errors"
	"k8s.io/apimachinery/pkg/types"
	testclock "k8s.io/utils/clock/testing"
	kubevirtv1 "kubevirt.io/api/core/v1"
)

// script is an outside that answers as it is told, and notes the names that were asked for.
type script struct {
	outside
	createErr error
	there     map[string]*migrationObject
	getErr    error
	before    func()   // an answer
	presence  presence // waiting, if not said
	unread    bool     // pods have not been read
	nominated string
	asked     []string
	removed   []types.NamespacedName
}

func (s *script) create(_ context.Context, m *migrationObject) (types.UID, error) {
	s.asked = append(s.asked, m.Name)
	if s.before != nil {
		s.before()
	}
	if s.there[m.Name] == nil {
		return "made", s.createErr
	}
	if s.createErr != nil {
		return "", s.createErr
	}
	return "", apierrors.NewAlreadyExists(kubevirtv1.Resource("m"), m.Name)
}

func (s *script) get(_ context.Context, name types.NamespacedName) (*migration, error) {
	if s.getErr != nil {
		return nil, s.getErr
	}
	if m := s.there[name.Name]; m != nil {
		return stripped(m), nil
	}
	return nil, apierrors.NewNotFound(kubevirtv1.Resource("m"), name.Name)
}

func (s *script) remove(_ context.Context, name types.NamespacedName, _ types.UID) error {
	s.removed = append(s.removed, name)
	return nil
}

func (s *script) activate(context.Context, preemptor) {}

func (s *script) look(preemptor) (presence, string) {
	if s.unread {
		return unknown, ""
	}
	if s.presence == unknown {
		return waiting, s.nominated
	}
	return s.presence, s.nominated
}

func (s *script) unnominate(context.Context, preemptor, string) error {
	s.nominated = ""
	return nil
}

func (s *script) tell(*corev1.ObjectReference, *corev1.ObjectReference, string, string, string) {}

// What an answer means depends on what is there, whether it is an error or not.
func TestCreateUnderstandsAnswers(t *testing.T) {
	first, second := nameOf("a-uid", 1), nameOf("a-uid", 2)
	lost, inFlight := context.DeadlineExceeded, apierrors.NewForbidden(kubevirtv1.Resource("m"), "m", errors.New("in-flight migration detected"))
	mine := newMigration("p", "n", "a")
	forQ, elsewhere := newMigration("q", "n", "a").Obj(), newMigration("p", "m", "a").Obj()
	ended, deleted := newMigration("p", "n", "a").Phase(failed).Obj(), newMigration("p", "n", "a").Deleting().Obj()
	tests := map[string]struct {
		script script
		asked  []string
		fails  string // a part of the error; "" if there is none
	}{
		"written":                            {script{}, []string{first}, ""},
		"refused, and not there":             {script{createErr: inFlight}, []string{first}, "in-flight"},
		"answer lost, and it is there":       {script{createErr: lost, there: map[string]*migrationObject{first: mine.Obj()}}, []string{first}, ""},
		"answer lost, and it is not there":   {script{createErr: lost}, []string{first}, "deadline"},
		"answer lost, and the reading":       {script{createErr: lost, getErr: errors.New("down")}, []string{first}, "whether it exists could not be read"},
		"it is there already":                {script{there: map[string]*migrationObject{first: mine.Obj()}}, []string{first}, ""},
		"it is there, says the webhook":      {script{createErr: inFlight, there: map[string]*migrationObject{first: mine.Obj()}}, []string{first}, ""},
		"another pod's is there":             {script{there: map[string]*migrationObject{first: forQ}}, []string{first}, "exists"},
		"one for another node is there":      {script{there: map[string]*migrationObject{first: elsewhere}}, []string{first}, "exists"},
		"one that is being deleted is there": {script{there: map[string]*migrationObject{first: deleted}}, []string{first}, "exists"},
		"one that has ended is there":        {script{there: map[string]*migrationObject{first: ended}}, []string{first, second}, ""},
		"refused, and one that has ended is there": {
			script{createErr: inFlight, there: map[string]*migrationObject{first: ended}}, []string{first}, "in-flight",
		},
	}
	for name, tc := range tests {
		t.Run(name, func(t *testing.T) {
			tracker := newTracker(&tc.script, testclock.NewFakeClock(start), patient)
			defer tracker.queue.ShutDown()
			tracker.ready.Store(true)
			err := tracker.Create(quiet, planOf("p", "n", "a"), moveOf("a"))
			if tc.fails == "" && err != nil || tc.fails != "" && (err == nil || !strings.Contains(err.Error(), tc.fails)) {
				t.Errorf("Create() = %v, want an error that says %q", err, tc.fails)
			}
			if diff := cmp.Diff(tc.asked, tc.script.asked); diff != "" {
				t.Errorf("asked for (-want +got):\n%s", diff)
			}
			if _, going := tracker.Going("p-uid"); going != (err == nil) {
				t.Errorf("going: %t after %v", going, err)
			}
		})
	}
}

// There is an end to trying.
func TestCreateTriesSomeNames(t *testing.T) {
	s := &script{there: map[string]*migrationObject{}}
	for attempt := range 2 * maxTries {
		s.there[nameOf("a-uid", attempt+1)] = newMigration("p", "n", "a").Phase(failed).Obj()
	}
	tracker := newTracker(s, testclock.NewFakeClock(start), patient)
	defer tracker.queue.ShutDown()
	tracker.ready.Store(true)
	if err := tracker.Create(quiet, planOf("p", "n", "a"), moveOf("a")); err == nil || len(s.asked) != maxTries {
		t.Errorf("Create() = %v after %d tries, want an error after %d", err, len(s.asked), maxTries)
	}
}

func TestCreateRefusesByItself(t *testing.T) {
	nameless := moveOf("a")
	nameless.HomeHostname = ""
	ended, cancel := context.WithCancelCause(quiet)
	cancel(errors.New("another victim was refused"))
	tests := map[string]struct {
		ctx   context.Context //nolint:containedctx // one is ended
		move  Move
		known *migration
		other bool // a plan for another pod moves the same VM, and the watch has not shown it
		fails string
	}{
		"a home without a hostname": {ctx: quiet, move: nameless, fails: "has no label kubernetes.io/hostname"},
		"not wanted any more":       {ctx: ended, move: moveOf("a"), fails: "another victim was refused"},
		"moved by somebody":         {ctx: quiet, move: moveOf("a"), known: foreign("by-hand", "a").Kept(), fails: "moved by migration by-hand"},
		"moved for another pod":     {ctx: quiet, move: moveOf("a"), other: true, fails: "to make room for pod default/q"},
	}
	for name, tc := range tests {
		t.Run(name, func(t *testing.T) {
			s := &script{}
			tracker := newTracker(s, testclock.NewFakeClock(start), patient)
			defer tracker.queue.ShutDown()
			tracker.ready.Store(true)
			if tc.known != nil {
				tracker.seen(tc.known)
			}
			if tc.other {
				if err := tracker.Create(quiet, planOf("q", "n", "a"), moveOf("a")); err != nil {
					t.Fatal(err)
				}
				s.asked = nil
			}
			if err := tracker.Create(tc.ctx, planOf("p", "n", "a"), tc.move); err == nil || !strings.Contains(err.Error(), tc.fails) {
				t.Errorf("Create() = %v, want an error that says %q", err, tc.fails)
			}
			if len(s.asked) > 0 {
				t.Errorf("asked for %v, want nothing", s.asked)
			}
			if !tracker.Excluded("p-uid", hostWith("n")) {
				t.Error("the node is not excluded")
			}
		})
	}
}

// The watch may be faster than the answer.
func TestCreateIsOvertakenByTheWatch(t *testing.T) {
	tests := map[string]struct {
		shown migrationBuilder
		err   error
		node  string // on which the plan goes on
	}{
		"it is there":                         {newMigration("p", "n", "a"), nil, "n"},
		"it is there, though the answer says": {newMigration("p", "n", "a"), apierrors.NewInternalError(errors.New("lost")), "n"},
		"it has succeeded":                    {newMigration("p", "n", "a").Phase(succeeded), nil, ""},
	}
	for name, tc := range tests {
		t.Run(name, func(t *testing.T) {
			s := &script{createErr: tc.err}
			tracker := newTracker(s, testclock.NewFakeClock(start), patient)
			defer tracker.queue.ShutDown()
			tracker.ready.Store(true)
			s.before = func() {
				tracker.seen(tc.shown.Kept())
				tracker.process(quiet, "p-uid")
			}
			err := tracker.Create(quiet, planOf("p", "n", "a"), moveOf("a"))
			tracker.process(quiet, "p-uid")
			if node, _ := tracker.Going("p-uid"); err != nil && tc.node != "" || node != tc.node || len(s.removed) > 0 {
				t.Errorf("Create() = %v, going on %q, removed %v; want it to go on on %q", err, node, s.removed, tc.node)
			}
		})
	}
}

// What was given up without knowing whether it was written is deleted when it is seen. The same move, planned again, takes its name over, and is not.
func TestCreateAfterALostAnswer(t *testing.T) {
	s := &script{createErr: context.DeadlineExceeded}
	tracker := newTracker(s, testclock.NewFakeClock(start), patient)
	defer tracker.queue.ShutDown()
	tracker.ready.Store(true)
	if err := tracker.Create(quiet, planOf("p", "n", "a"), moveOf("a")); err == nil {
		t.Fatal("no error")
	}
	written := newMigration("p", "n", "a").Attempt(1, "written late").Kept()
	tracker.seen(written)
	tracker.process(quiet, "p-uid")
	if node, going := tracker.Going("p-uid"); going || len(s.removed) != 1 {
		t.Errorf("going on %q, removed %v; want what was written late to be deleted", node, s.removed)
	}
	tracker.gone(written)
	s.removed = nil
	if err := tracker.Create(quiet, planOf("q", "m", "a"), moveOf("a")); err == nil {
		t.Fatal("no error")
	}
	// The node changes, so that it is not excluded any more.
	tracker.Excluded("q-uid", hostWith("m"))
	tracker.Excluded("q-uid", hostWith("m", "another"))
	s.createErr = nil
	if err := tracker.Create(quiet, planOf("q", "m", "a"), moveOf("a")); err != nil {
		t.Fatal(err)
	}
	tracker.seen(newMigration("q", "m", "a").Attempt(1, "made").Kept())
	tracker.process(quiet, "q-uid")
	if node, _ := tracker.Going("q-uid"); node != "m" || len(s.removed) > 0 {
		t.Errorf("going on %q, removed %v; want it to go on", node, s.removed)
	}
}

// A write that was given up may be there without our having seen it. The next one for the same VM must not pass it by under another name, not even
// when the first name has become free.
func TestCreateUsesTheNameOfWhatWasGivenUp(t *testing.T) {
	clock := testclock.NewFakeClock(start)
	tests := map[string]func(*script, *Tracker){
		"given up": func(_ *script, tracker *Tracker) { tracker.GiveUp(quiet, "p-uid", "enough") },
		"its pod has gone": func(s *script, tracker *Tracker) {
			s.presence = gone
			tracker.process(quiet, "p-uid")
			clock.Step(patient.grace)
			tracker.process(quiet, "p-uid")
			tracker.process(quiet, "p-uid")
			s.presence = waiting
		},
	}
	for name, end := range tests {
		t.Run(name, func(t *testing.T) {
			s := &script{}
			tracker := newTracker(s, clock, patient)
			defer tracker.queue.ShutDown()
			tracker.ready.Store(true)
			older := newMigration("p", "n", "a").Phase(succeeded).Attempt(1, "older").Kept()
			tracker.seen(older)
			if err := tracker.Create(quiet, planOf("p", "n", "a"), moveOf("a")); err != nil {
				t.Fatal(err)
			}
			end(s, tracker)
			tracker.gone(older)
			if err := tracker.Create(quiet, planOf("q", "n", "a"), moveOf("a")); err != nil {
				t.Fatal(err)
			}
			if diff := cmp.Diff([]string{nameOf("a-uid", 2), nameOf("a-uid", 2)}, s.asked); diff != "" {
				t.Errorf("asked for (-want +got):\n%s", diff)
			}
		})
	}
}

// As long as pods have not been read nothing is given up, but what was refused is not taken for done either.
func TestCreateAgainAfterARefusal(t *testing.T) {
	s := &script{createErr: apierrors.NewForbidden(kubevirtv1.Resource("m"), "m", errors.New("the webhook says no")), unread: true}
	tracker := newTracker(s, testclock.NewFakeClock(start), patient)
	defer tracker.queue.ShutDown()
	tracker.ready.Store(true)
	for range 2 {
		if err := tracker.Create(quiet, planOf("p", "n", "a"), moveOf("a")); err == nil || !strings.Contains(err.Error(), "the webhook says no") {
			t.Errorf("Create() = %v, want the refusal", err)
		}
	}
	if len(s.asked) != 1 {
		t.Errorf("asked for %v, want it asked for once", s.asked)
	}
}

// A plan that was found, and of which a move has failed, is not gone on with.
func TestCreateAfterAFailure(t *testing.T) {
	s := &script{}
	tracker := newTracker(s, testclock.NewFakeClock(start), patient)
	defer tracker.queue.ShutDown()
	tracker.ready.Store(true)
	for _, m := range []migrationBuilder{newMigration("p", "n", "a"), newMigration("p", "n", "b")} {
		tracker.seen(m.Kept())
	}
	tracker.process(quiet, "p-uid")
	tracker.seen(newMigration("p", "n", "a").Phase(failed).Kept())
	if err := tracker.Create(quiet, planOf("p", "n", "c"), moveOf("c")); err == nil || !strings.Contains(err.Error(), "VM default/a could not be moved") {
		t.Errorf("Create() = %v, want what has failed", err)
	}
	tracker.process(quiet, "p-uid")
	if _, going := tracker.Going("p-uid"); going || len(s.asked) > 0 || len(s.removed) != 1 {
		t.Errorf("going %t, asked for %v, removed %v; want the other migration to be removed", going, s.asked, s.removed)
	}
}

// When the node has changed the pod may be nominated to it again, also by a plan without moves.
func TestNominatedAgainWhenTheNodeHasChanged(t *testing.T) {
	s := &script{nominated: "n"}
	clock := testclock.NewFakeClock(start)
	tracker := newTracker(s, clock, patient)
	defer tracker.queue.ShutDown()
	tracker.GiveUpPlan(quiet, planOf("p", "n"), errors.New("no"))
	tracker.process(quiet, "p-uid")
	if s.nominated != "" {
		t.Error("the nomination is not cleared")
	}
	tracker.Excluded("p-uid", hostWith("n"))
	tracker.Excluded("p-uid", hostWith("n", "another"))
	s.nominated = "n"
	clock.Step(patient.again)
	tracker.process(quiet, "p-uid")
	if s.nominated != "n" {
		t.Error("a nomination that was made after the node had changed is cleared")
	}
}

// What the watch shows before anybody has looked counts once.
func TestUnderWayCountsOnce(t *testing.T) {
	tracker := newTracker(&script{}, testclock.NewFakeClock(start), patient)
	defer tracker.queue.ShutDown()
	tracker.ready.Store(true)
	if err := tracker.Create(quiet, planOf("p", "n", "a"), moveOf("a")); err != nil {
		t.Fatal(err)
	}
	for _, what := range []string{"not shown", "shown"} {
		if inCluster, onNode := tracker.UnderWay("n"); inCluster != 1 || onNode != 1 {
			t.Errorf("%s: %d in the cluster, %d away from the node, want 1 each", what, inCluster, onNode)
		}
		tracker.seen(newMigration("p", "n", "a").Attempt(1, "made").Kept())
	}
}
