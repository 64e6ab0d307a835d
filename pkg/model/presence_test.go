// Copyright The virt-scheduler Authors.
// SPDX-License-Identifier: Apache-2.0

package model

import (
	"math/rand"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"
	"k8s.io/apimachinery/pkg/types"
	"pgregory.net/rapid"
)

type placeBuilder struct{ Place }

// at is a launcher on a host, made at a second.
func at(host string, second int64) *placeBuilder {
	return &placeBuilder{Place{Host: host, Launcher: Launcher{Pod: types.UID("pod-on-" + host), VM: "vm", Created: time.Unix(second, 0)}}}
}

func (b *placeBuilder) Target() *placeBuilder { b.MigrationTarget = true; return b }
func (b *placeBuilder) Ended() *placeBuilder  { b.Ending = true; return b }
func (b *placeBuilder) Dead() *placeBuilder   { b.Off = true; return b }
func (b *placeBuilder) Obj() Place            { return b.Place }

func TestPresences(t *testing.T) {
	both, ahead, none := Presence{Anti: true, Affinity: true}, Presence{Anti: true, Ahead: true}, Presence{}
	tests := map[string]struct {
		host   string
		places []Place
		want   []Presence
	}{
		"no launcher":                         {"a", nil, []Presence{}},
		"one":                                 {"a", []Place{at("a", 1).Obj()}, []Presence{both}},
		"one, nothing said":                   {"", []Place{at("a", 1).Obj()}, []Presence{both}},
		"one, said to be elsewhere":           {"b", []Place{at("a", 1).Obj()}, []Presence{both}},
		"migrating":                           {"a", []Place{at("a", 1).Obj(), at("b", 2).Target().Obj()}, []Presence{both, ahead}},
		"migrating, nothing said":             {"", []Place{at("b", 2).Target().Obj(), at("a", 1).Obj()}, []Presence{ahead, both}},
		"moved, the source lingers":           {"b", []Place{at("a", 1).Obj(), at("b", 2).Target().Obj()}, []Presence{none, both}},
		"failed, the target lingers":          {"a", []Place{at("a", 1).Obj(), at("b", 2).Target().Ended().Obj()}, []Presence{both, ahead}},
		"second migration":                    {"b", []Place{at("b", 2).Target().Obj(), at("c", 3).Target().Obj()}, []Presence{both, ahead}},
		"second migration, first one lingers": {"b", []Place{at("a", 1).Ended().Obj(), at("b", 2).Target().Obj(), at("c", 3).Target().Obj()}, []Presence{none, both, ahead}},
		"made in the same second":             {"", []Place{at("b", 1).Target().Obj(), at("a", 1).Obj()}, []Presence{ahead, both}},
		"nothing said, the oldest ends":       {"", []Place{at("a", 1).Ended().Obj(), at("b", 2).Target().Obj()}, []Presence{none, both}},
		"nothing said, all end":               {"", []Place{at("a", 1).Ended().Obj(), at("b", 2).Target().Ended().Obj()}, []Presence{both, ahead}},
		"made anew, not a target":             {"a", []Place{at("a", 1).Obj(), at("b", 2).Obj()}, []Presence{both, {Anti: true}}},
		"its host is off":                     {"a", []Place{at("a", 1).Dead().Obj()}, []Presence{none}},
		"the source is off":                   {"a", []Place{at("a", 1).Dead().Obj(), at("b", 2).Target().Obj()}, []Presence{none, ahead}},
		"the target is off":                   {"a", []Place{at("a", 1).Obj(), at("b", 2).Target().Dead().Obj()}, []Presence{both, none}},
	}
	for name, tc := range tests {
		t.Run(name, func(t *testing.T) {
			if diff := cmp.Diff(tc.want, Presences(tc.places, tc.host)); diff != "" {
				t.Errorf("Presences (-want +got):\n%s", diff)
			}
		})
	}
}

func TestPresencesProperties(t *testing.T) {
	rapid.Check(t, func(t *rapid.T) {
		host := rapid.SampledFrom([]string{"", "a", "b", "c"}).Draw(t, "host")
		var places []Place
		off := 0
		for _, on := range rapid.SliceOfDistinct(rapid.SampledFrom([]string{"a", "b", "c", "d"}), rapid.ID[string]).Draw(t, "on") {
			b := at(on, rapid.Int64Range(1, 3).Draw(t, "made"))
			b.MigrationTarget, b.Ending, b.Off = rapid.Bool().Draw(t, "target"), rapid.Bool().Draw(t, "ending"), rapid.Bool().Draw(t, "off")
			if b.Off {
				off++
			}
			places = append(places, b.Obj())
		}
		got := Presences(places, host)
		affinity, anti := 0, 0
		for i, p := range got {
			if places[i].Off && p != (Presence{}) {
				t.Errorf("%+v counts, and its host is off", places[i])
			}
			if p.Affinity {
				affinity++
			}
			if p.Anti {
				anti++
			}
			if !p.Anti && (p.Affinity || p.Ahead) || p.Affinity && p.Ahead {
				t.Errorf("%+v at %+v", p, places[i])
			}
		}
		if affinity > 1 {
			t.Errorf("the guest is at %d launchers", affinity)
		}
		if off == 0 && len(places) > 0 && (affinity != 1 || anti < 1) {
			t.Errorf("%d launchers count for affinity and %d for anti-affinity, and no host is off", affinity, anti)
		}
		// The order of launchers does not matter.
		shuffled := append([]Place(nil), places...)
		rand.New(rand.NewSource(int64(len(places)))).Shuffle(len(shuffled), func(i, j int) { shuffled[i], shuffled[j] = shuffled[j], shuffled[i] })
		byPod := map[types.UID]Presence{}
		for i, p := range Presences(shuffled, host) {
			byPod[shuffled[i].Pod] = p
		}
		for i := range places {
			if byPod[places[i].Pod] != got[i] {
				t.Errorf("%+v: %+v, and in another order %+v", places[i], got[i], byPod[places[i].Pod])
			}
		}
	})
}
