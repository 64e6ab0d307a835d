// Copyright The virt-scheduler Authors.
// SPDX-License-Identifier: Apache-2.0

package moves

import (
	"maps"
	"slices"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"
	"github.com/google/go-cmp/cmp/cmpopts"
	"k8s.io/apimachinery/pkg/types"
	kubevirtv1 "kubevirt.io/api/core/v1"
)

var patient = patience{grace: 3 * time.Second, settle: 10 * time.Second, again: 5 * time.Second, late: 2 * time.Minute}

// scene is what is seen at some time, and what is to follow from it.
type scene struct {
	after     time.Duration // since start
	presence  presence      // waiting, if not said
	nominated string
	seen      []*migration
	want      []effect
	again     time.Duration // since start; 0: when something changes
	node      string        // of the plan afterwards
	excluded  []string
}

func (s scene) view() view {
	v := view{presence: s.presence, nominated: s.nominated, migrations: s.seen}
	if v.presence == unknown {
		v.presence = waiting
	}
	return v
}

var compare = []cmp.Option{cmp.AllowUnexported(remove{}, unnominate{}, tellPreemptor{}, tellVM{}, count{}, took{}, guest{}), cmpopts.EquateEmpty()}

func play(t *testing.T, r room, scenes []scene) room {
	t.Helper()
	for i, s := range scenes {
		var got []effect
		var again time.Time
		r, got, again = next(r, s.view(), start.Add(s.after), patient)
		if diff := cmp.Diff(s.want, got, compare...); diff != "" {
			t.Errorf("scene %d: effects (-want +got):\n%s", i, diff)
		}
		at := time.Duration(0)
		if !again.IsZero() {
			at = again.Sub(start)
		}
		if at != s.again {
			t.Errorf("scene %d: looks again %s after the start, want %s", i, at, s.again)
		}
		node := ""
		if r.plan != nil {
			node = r.plan.node
		}
		if node != s.node {
			t.Errorf("scene %d: a plan goes on for node %q, want %q", i, node, s.node)
		}
		if diff := cmp.Diff(s.excluded, slices.Sorted(maps.Keys(r.excluded)), cmpopts.EquateEmpty()); diff != "" {
			t.Errorf("scene %d: excluded (-want +got):\n%s", i, diff)
		}
	}
	return r
}

// asked returns a room with a plan of ours, all moves of which were written.
func asked(plan Plan) room {
	r := newRoom(plan.preemptor())
	for _, m := range plan.Moves {
		r = r.begun(plan, m, start)
		r, _ = r.at(plan.Node, m.UID, func(was *moving) {
			was.stage, was.name, was.uid = written, nameFor(m, 1), types.UID(m.VM.Name+"-1")
		})
	}
	return r
}

func removal(vm string) remove { return remove{nameFor(moveOf(vm), 1), types.UID(vm + "-1")} }

func told(vm, reason, note string) tellVM { return tellVM{moveOf(vm).guest(), reason, note} }

const (
	timeout    = 10 * time.Minute
	retryAfter = 5 * time.Minute
	succeeded  = kubevirtv1.MigrationSucceeded
	failed     = kubevirtv1.MigrationFailed
	running    = kubevirtv1.MigrationRunning
)

func TestNextOfOurOwn(t *testing.T) {
	a, b := newMigration("p", "n", "a"), newMigration("p", "n", "b")
	const because = "does not move to make room for pod default/p: "
	halfAsked := asked(planOf("p", "n", "a"))
	halfAsked.plan.moves = append(halfAsked.plan.moves, moving{guest: moveOf("b").guest()})
	tests := map[string]struct {
		room   room
		scenes []scene
	}{
		"all move": {asked(planOf("p", "n", "a", "b")), []scene{
			{again: timeout, node: "n"}, // not seen yet
			{after: time.Second, seen: []*migration{a.Kept(), newMigration("p", "n", "b").Phase(running).Kept()}, again: timeout, node: "n", nominated: "n"},
			{after: 2 * time.Second, seen: []*migration{a.Kept(), newMigration("p", "n", "b").Phase(succeeded).Kept()}, again: timeout, node: "n"},
			{
				after: 4 * time.Second, seen: []*migration{newMigration("p", "n", "a").Phase(succeeded).Kept()}, // KubeVirt has cleaned up b
				want: []effect{
					activate{},
					tellPreemptor{reason: reasonRoom, note: "there is room on node n: moved away: default/a, default/b"},
					told("a", reasonRoom, "has moved away from node n to make room for pod default/p"),
					told("b", reasonRoom, "has moved away from node n to make room for pod default/p"),
					count{resultSucceeded, 2},
					took{4 * time.Second},
				},
			},
			{after: time.Hour},
		}},
		"one fails": {asked(planOf("p", "n", "a", "b")), []scene{
			{
				after: time.Second, nominated: "n", seen: []*migration{newMigration("p", "n", "a").Phase(failed).Kept(), b.Kept()},
				want: []effect{
					removal("b"),
					unnominate{"n"},
					activate{},
					tellPreemptor{true, reasonGivenUp, "no room on node n: VM default/a could not be moved: its migration failed"},
					told("a", reasonGivenUp, because+"VM default/a could not be moved: its migration failed"),
					told("b", reasonGivenUp, because+"VM default/a could not be moved: its migration failed"),
					count{resultAbandoned, 1},
					count{resultFailed, 1},
				},
				again: 6 * time.Second, excluded: []string{"n"},
			},
			{after: 2 * time.Second, nominated: "n", seen: []*migration{b.Kept()}, again: 6 * time.Second, excluded: []string{"n"}},
			// Neither the deletion nor the patch has shown an effect: once more.
			{
				after: 6 * time.Second, nominated: "n", seen: []*migration{b.Kept()}, want: []effect{removal("b"), unnominate{"n"}},
				again: 11 * time.Second, excluded: []string{"n"},
			},
			{after: 7 * time.Second, seen: []*migration{newMigration("p", "n", "b").Deleting().Kept()}, again: 11 * time.Second, excluded: []string{"n"}},
			{after: 11 * time.Second, again: time.Second + retryAfter, excluded: []string{"n"}},
			{after: time.Second + retryAfter, want: []effect{activate{}}},
		}},
		"one is deleted by somebody": {asked(planOf("p", "n", "a")), []scene{
			{
				after: time.Second, seen: []*migration{newMigration("p", "n", "a").Deleting().Kept()},
				want: []effect{
					activate{},
					tellPreemptor{true, reasonGivenUp, "no room on node n: VM default/a could not be moved: its migration was deleted"},
					told("a", reasonGivenUp, because+"VM default/a could not be moved: its migration was deleted"),
					count{resultFailed, 1},
				},
				again: 11 * time.Second, excluded: []string{"n"},
			},
			// The nomination is written only now.
			{after: 2 * time.Second, nominated: "n", want: []effect{unnominate{"n"}}, again: 7 * time.Second, excluded: []string{"n"}},
			{after: 3 * time.Second, nominated: "m", again: 11 * time.Second, excluded: []string{"n"}},
			{after: 11 * time.Second, nominated: "m", again: time.Second + retryAfter, excluded: []string{"n"}},
			// Later it is a decision of somebody else.
			{after: 12 * time.Second, nominated: "n", again: time.Second + retryAfter, excluded: []string{"n"}},
		}},
		"the nomination is written while the preemptor cannot be seen": {asked(planOf("p", "n", "a")), []scene{
			{
				after: time.Second, seen: []*migration{newMigration("p", "n", "a").Phase(failed).Kept()},
				want: []effect{
					activate{},
					tellPreemptor{true, reasonGivenUp, "no room on node n: VM default/a could not be moved: its migration failed"},
					told("a", reasonGivenUp, because+"VM default/a could not be moved: its migration failed"),
					count{resultFailed, 1},
				},
				again: 11 * time.Second, excluded: []string{"n"},
			},
			{presence: gone, after: 11 * time.Second, again: 17 * time.Second, excluded: []string{"n"}},
			{after: 12 * time.Second, nominated: "n", want: []effect{unnominate{"n"}}, again: 17 * time.Second, excluded: []string{"n"}},
		}},
		"one vanishes after it was seen": {asked(planOf("p", "n", "a")), []scene{
			{seen: []*migration{a.Kept()}, again: timeout, node: "n"},
			{
				after: time.Second,
				want: []effect{
					activate{},
					tellPreemptor{true, reasonGivenUp, "no room on node n: VM default/a could not be moved: its migration is gone"},
					told("a", reasonGivenUp, because+"VM default/a could not be moved: its migration is gone"),
					count{resultFailed, 1},
				},
				again: 11 * time.Second, excluded: []string{"n"},
			},
		}},
		"an older one of the same name is seen still": {asked(planOf("p", "n", "a")), []scene{
			{seen: []*migration{newMigration("p", "n", "a").Attempt(1, "older").Deleting().Kept()}, again: timeout, node: "n"},
			{seen: []*migration{newMigration("p", "n", "a").Attempt(1, "older").Phase(failed).Kept()}, again: timeout, node: "n"},
			{seen: []*migration{a.Kept()}, again: timeout, node: "n"},
		}},
		"not in time": {asked(planOf("p", "n", "a", "b")), []scene{
			{after: timeout - 1, seen: []*migration{a.Kept(), newMigration("p", "n", "b").Phase(succeeded).Kept()}, again: timeout, node: "n"},
			{
				after: timeout, seen: []*migration{a.Kept(), newMigration("p", "n", "b").Phase(succeeded).Kept()},
				want: []effect{
					removal("a"),
					activate{},
					tellPreemptor{true, reasonGivenUp, "no room on node n: VMs have not moved within 10m0s"},
					told("a", reasonGivenUp, because+"VMs have not moved within 10m0s"),
					count{resultSucceeded, 1},
					count{resultTimeout, 1},
				},
				again: timeout + 5*time.Second, excluded: []string{"n"},
			},
		}},
		"the preemptor finds a host": {asked(planOf("p", "n", "a", "b")), []scene{
			{presence: placed, seen: []*migration{a.Kept(), b.Kept()}, again: 3 * time.Second, node: "n"},
			{
				presence: placed, after: 3 * time.Second, seen: []*migration{a.Kept(), newMigration("p", "n", "b").Phase(succeeded).Kept()},
				want: []effect{
					removal("a"), told("a", reasonGivenUp, "does not have to move any more: pod default/p has a host"),
					count{resultAbandoned, 1},
					count{resultSucceeded, 1},
				},
				again: 8 * time.Second,
			},
			{presence: placed, after: 4 * time.Second},
		}},
		"the preemptor goes, and a migration is seen only then": {asked(planOf("p", "n", "a")), []scene{
			{presence: gone, again: 3 * time.Second, node: "n"},
			{
				presence: gone, after: 3 * time.Second,
				want:  []effect{told("a", reasonGivenUp, "does not have to move any more: pod default/p is gone"), count{resultAbandoned, 1}},
				again: 123 * time.Second,
			},
			{presence: gone, after: 4 * time.Second, seen: []*migration{a.Kept()}, want: []effect{removal("a")}, again: 9 * time.Second},
		}},
		"the preemptor is away for a moment only": {asked(planOf("p", "n", "a")), []scene{
			{presence: gone, seen: []*migration{a.Kept()}, again: 3 * time.Second, node: "n"},
			{after: time.Second, seen: []*migration{a.Kept()}, again: timeout, node: "n"},
			{presence: gone, after: 4 * time.Second, seen: []*migration{a.Kept()}, again: 7 * time.Second, node: "n"},
		}},
		"another process makes room elsewhere for the same pod": {asked(planOf("p", "n", "a")), []scene{
			{seen: []*migration{a.Kept(), newMigration("p", "m", "c").Created(time.Minute).Kept()}, again: 6 * time.Second, node: "n"},
			{
				after: 6 * time.Second, seen: []*migration{a.Kept(), newMigration("p", "m", "c").Created(time.Minute).Kept()},
				want:  []effect{removal("c"), told("c", reasonGivenUp, because+"room is made on another node")},
				again: 11 * time.Second, node: "n",
			},
		}},
		"another process has asked for the next one already": {halfAsked, []scene{
			{seen: []*migration{newMigration("p", "n", "a").Phase(succeeded).Kept()}, again: timeout, node: "n"},
			{seen: []*migration{newMigration("p", "n", "a").Phase(succeeded).Kept(), b.Kept()}, again: timeout, node: "n"},
			{
				after: time.Second, seen: []*migration{newMigration("p", "n", "b").Phase(failed).Kept()},
				want: []effect{
					activate{},
					tellPreemptor{true, reasonGivenUp, "no room on node n: VM default/b could not be moved: its migration failed"},
					told("b", reasonGivenUp, because+"VM default/b could not be moved: its migration failed"),
					count{resultFailed, 1},
					count{resultSucceeded, 1},
				},
				again: 11 * time.Second, excluded: []string{"n"},
			},
		}},
		"given up, and asked for again by another process under the same name": {asked(planOf("p", "n", "a", "b")), []scene{
			{
				after: time.Second, seen: []*migration{a.Kept(), newMigration("p", "n", "b").Deleting().Kept()},
				want: []effect{
					removal("a"),
					activate{},
					tellPreemptor{true, reasonGivenUp, "no room on node n: VM default/b could not be moved: its migration was deleted"},
					told("a", reasonGivenUp, because+"VM default/b could not be moved: its migration was deleted"),
					told("b", reasonGivenUp, because+"VM default/b could not be moved: its migration was deleted"),
					count{resultAbandoned, 1},
					count{resultFailed, 1},
				},
				again: 6 * time.Second, excluded: []string{"n"},
			},
			{
				after: 2 * time.Second, seen: []*migration{newMigration("p", "n", "a").Attempt(1, "another").Kept()}, nominated: "n",
				again: time.Second + retryAfter, node: "n", excluded: []string{"n"},
			},
			{
				after: 20 * time.Second, seen: []*migration{newMigration("p", "n", "a").Attempt(1, "another").Kept()},
				again: time.Second + retryAfter, node: "n", excluded: []string{"n"},
			},
		}},
		"another process moves one more VM away from the same node": {asked(planOf("p", "n", "a")), []scene{
			{seen: []*migration{a.Kept(), newMigration("p", "n", "c").Kept()}, again: timeout, node: "n"},
			{seen: []*migration{newMigration("p", "n", "a").Phase(succeeded).Kept(), newMigration("p", "n", "c").Kept()}, again: timeout, node: "n"},
		}},
	}
	for name, tc := range tests {
		t.Run(name, func(t *testing.T) { play(t, tc.room, tc.scenes) })
	}
}

func TestNextOfWhatWasFound(t *testing.T) {
	a, b := newMigration("p", "n", "a").Kept(), newMigration("p", "n", "b").Kept()
	newer := newMigration("p", "m", "c").Created(time.Minute).Kept()
	const because = "does not move to make room for pod default/p: "
	none := newRoom(planOf("p", "n").preemptor())
	tests := map[string]struct {
		room   room
		scenes []scene
	}{
		"it succeeds, and its beginner says so": {none, []scene{
			{seen: []*migration{a}, again: timeout, node: "n"},
			{after: time.Second, seen: []*migration{a, b}, again: timeout, node: "n"},
			{
				after: time.Minute, seen: []*migration{newMigration("p", "n", "a").Phase(succeeded).Kept(), newMigration("p", "n", "b").Phase(succeeded).Kept()},
				want: []effect{activate{}},
			},
		}},
		"what has ended is no plan": {none, []scene{
			{seen: []*migration{newMigration("p", "n", "a").Phase(succeeded).Kept(), newMigration("p", "n", "b").Phase(failed).Kept()}},
		}},
		"it fails, and its beginner gives it up": {none, []scene{
			{seen: []*migration{a, b}, nominated: "n", again: timeout, node: "n"},
			{after: time.Second, seen: []*migration{newMigration("p", "n", "a").Phase(failed).Kept(), b}, nominated: "n", again: 7 * time.Second, node: "n"},
			{after: 2 * time.Second, seen: []*migration{newMigration("p", "n", "b").Deleting().Kept()}, again: 7 * time.Second, node: "n"},
			{after: 7 * time.Second, again: 7*time.Second + retryAfter, excluded: []string{"n"}},
		}},
		"it fails, and nobody else gives it up": {none, []scene{
			{seen: []*migration{a, b}, nominated: "n", again: timeout, node: "n"},
			{after: time.Second, seen: []*migration{newMigration("p", "n", "a").Phase(failed).Kept(), b}, nominated: "n", again: 7 * time.Second, node: "n"},
			{
				after: 7 * time.Second, seen: []*migration{b}, nominated: "n",
				want: []effect{
					removal("b"),
					unnominate{"n"},
					activate{},
					tellPreemptor{true, reasonGivenUp, "no room on node n: VM default/a could not be moved: its migration failed"},
					told("a", reasonGivenUp, because+"VM default/a could not be moved: its migration failed"),
					told("b", reasonGivenUp, because+"VM default/a could not be moved: its migration failed"),
				},
				again: 12 * time.Second, excluded: []string{"n"},
			},
		}},
		"it fails, and nobody else clears the nomination": {none, []scene{
			{seen: []*migration{a}, nominated: "n", again: timeout, node: "n"},
			{after: time.Second, seen: []*migration{newMigration("p", "n", "a").Phase(failed).Kept()}, nominated: "n", again: 7 * time.Second, node: "n"},
			{
				after: 7 * time.Second, nominated: "n",
				want: []effect{
					unnominate{"n"},
					activate{},
					tellPreemptor{true, reasonGivenUp, "no room on node n: VM default/a could not be moved: its migration failed"},
					told("a", reasonGivenUp, because+"VM default/a could not be moved: its migration failed"),
				},
				again: 12 * time.Second, excluded: []string{"n"},
			},
		}},
		"it fails, and its beginner begins anew on the same node": {none, []scene{
			{seen: []*migration{a}, nominated: "n", again: timeout, node: "n"},
			{after: time.Second, seen: []*migration{newMigration("p", "n", "a").Phase(failed).Kept()}, again: 7 * time.Second, node: "n"},
			{
				after: 2 * time.Second, nominated: "n",
				seen:  []*migration{newMigration("p", "n", "a").Phase(failed).Kept(), newMigration("p", "n", "a").Attempt(2, "a-2").Kept(), b},
				again: 7 * time.Second, node: "n",
			},
			{
				after: 7 * time.Second, nominated: "n", seen: []*migration{newMigration("p", "n", "a").Attempt(2, "a-2").Kept(), b},
				again: 7*time.Second + retryAfter, node: "n", excluded: []string{"n"},
			},
		}},
		"it takes too long, counted from when it was found": {none, []scene{
			{after: time.Hour, seen: []*migration{a}, again: time.Hour + timeout, node: "n"},
			{after: time.Hour + timeout, seen: []*migration{a}, nominated: "n", again: time.Hour + timeout + 6*time.Second, node: "n"},
			{
				after: time.Hour + timeout + 6*time.Second, seen: []*migration{a}, nominated: "n",
				want: []effect{
					removal("a"),
					unnominate{"n"},
					activate{},
					tellPreemptor{true, reasonGivenUp, "no room on node n: VMs have not moved within 10m0s"},
					told("a", reasonGivenUp, because+"VMs have not moved within 10m0s"),
				},
				again: time.Hour + timeout + 11*time.Second, excluded: []string{"n"},
			},
		}},
		"its preemptor is gone": {none, []scene{
			{presence: gone, seen: []*migration{a}, again: 6 * time.Second},
			{
				presence: gone, after: 6 * time.Second, seen: []*migration{a},
				want: []effect{removal("a"), told("a", reasonGivenUp, "does not have to move any more: pod default/p is gone")}, again: 11 * time.Second,
			},
			{presence: gone, after: 11 * time.Second, seen: []*migration{a}, want: []effect{removal("a")}, again: 16 * time.Second},
			{presence: gone, after: 12 * time.Second, seen: []*migration{newMigration("p", "n", "a").Deleting().Kept()}},
		}},
		"of two the newer counts": {none, []scene{
			{seen: []*migration{a, newer}, again: 6 * time.Second, node: "m"},
			{
				after: 6 * time.Second, seen: []*migration{a, newer},
				want: []effect{removal("a"), told("a", reasonGivenUp, because+"room is made on another node")}, again: 11 * time.Second, node: "m",
			},
		}},
		"a newer one takes the place of the first": {none, []scene{
			{seen: []*migration{a}, again: timeout, node: "n"},
			{after: time.Second, seen: []*migration{a, newer}, again: 7 * time.Second, node: "m"},
			{after: 2 * time.Second, seen: []*migration{newMigration("p", "n", "a").Deleting().Kept(), newer}, again: time.Second + timeout, node: "m"},
		}},
		"an older one does not": {none, []scene{
			{seen: []*migration{newer}, again: timeout, node: "m"},
			{after: time.Second, seen: []*migration{a, newer}, again: 7 * time.Second, node: "m"},
		}},
	}
	for name, tc := range tests {
		t.Run(name, func(t *testing.T) { play(t, tc.room, tc.scenes) })
	}
}

// Pods are not read yet: nothing is known of the preemptor, and nothing is given up for it.
func TestNextWithoutPods(t *testing.T) {
	a := newMigration("p", "n", "a").Kept()
	for name, r := range map[string]room{"found": newRoom(planOf("p", "n").preemptor()), "our own": asked(planOf("p", "n", "a"))} {
		t.Run(name, func(t *testing.T) {
			_, effects, again := next(r, view{migrations: []*migration{a}}, start.Add(time.Hour), patient)
			if len(effects) > 0 || !again.Equal(start.Add(time.Hour+3*time.Second)) {
				t.Errorf("effects %v, again at %s; want none, and a look a little later", effects, again)
			}
		})
	}
}

func TestGiveUp(t *testing.T) {
	ours := asked(planOf("p", "n", "a"))
	foundRoom, _, _ := next(newRoom(ours.preemptor), view{presence: waiting, migrations: []*migration{newMigration("p", "n", "a").Kept()}}, start, patient)
	tests := map[string]struct {
		room room
		node string
		want []effect // at once
		then scene
	}{
		"a plan": {
			ours, "n",
			[]effect{
				activate{},
				tellPreemptor{true, reasonGivenUp, "no room on node n: because"},
				told("a", reasonGivenUp, "does not move to make room for pod default/p: because"),
				count{resultAbandoned, 1},
			},
			scene{nominated: "n", seen: []*migration{newMigration("p", "n", "a").Kept()}, want: []effect{removal("a"), unnominate{"n"}}, again: 5 * time.Second, excluded: []string{"n"}},
		},
		"a plan that was found": {
			foundRoom, "n",
			[]effect{
				activate{},
				tellPreemptor{true, reasonGivenUp, "no room on node n: because"},
				told("a", reasonGivenUp, "does not move to make room for pod default/p: because"),
			},
			scene{nominated: "n", seen: []*migration{newMigration("p", "n", "a").Kept()}, want: []effect{removal("a"), unnominate{"n"}}, again: 5 * time.Second, excluded: []string{"n"}},
		},
		"a node that nothing was asked for on": {
			newRoom(ours.preemptor), "n",
			[]effect{activate{}, tellPreemptor{true, reasonGivenUp, "no room on node n: because"}},
			scene{nominated: "n", want: []effect{unnominate{"n"}}, again: 5 * time.Second, excluded: []string{"n"}},
		},
		"another node than that of the plan": {
			ours, "m",
			[]effect{activate{}, tellPreemptor{true, reasonGivenUp, "no room on node m: because"}},
			scene{nominated: "m", seen: []*migration{newMigration("p", "n", "a").Kept()}, want: []effect{unnominate{"m"}}, again: 5 * time.Second, node: "n", excluded: []string{"m"}},
		},
	}
	for name, tc := range tests {
		t.Run(name, func(t *testing.T) {
			r, got := giveUp(tc.room, tc.node, "because", retryAfter, start, patient)
			if diff := cmp.Diff(tc.want, got, compare...); diff != "" {
				t.Errorf("effects (-want +got):\n%s", diff)
			}
			again, got := giveUp(r, tc.node, "because of something else", retryAfter, start.Add(time.Second), patient)
			if len(got) > 0 {
				t.Errorf("a second time: %v, want nothing more to be done", got)
			}
			if e := again.excluded[tc.node]; !e.until.Equal(start.Add(retryAfter)) {
				t.Errorf("a second time: excluded until %s, want it as it was", e.until)
			}
			play(t, r, []scene{tc.then})
		})
	}
}
