// Copyright The virt-scheduler Authors.
// SPDX-License-Identifier: Apache-2.0

package guests

import (
	"bufio"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"os"
	"slices"
	"time"

	"k8s.io/apimachinery/pkg/types"

	"github.com/virt-scheduler/virt-scheduler/hack/devcluster/simhost"
)

// Entry is one line of the ledger's file: the event, and what a simulator that starts again must know besides.
type Entry struct {
	simhost.GuestEvent
	PodName string `json:"podName"`
	Boot    string `json:"boot"`
}

// Events returns the ledger from the entry after seq on.
func (w *World) Events(seq int) []simhost.GuestEvent {
	w.mu.RLock()
	defer w.mu.RUnlock()
	seq = min(max(seq, 0), len(w.events))
	return slices.Clone(w.events[seq:])
}

func (w *World) append(g Guest, at time.Time, event, why string) error {
	e := simhost.GuestEvent{
		Seq:       len(w.events) + 1,
		At:        at.UTC(),
		Namespace: g.Namespace,
		VMI:       g.VMI,
		VMIUID:    string(g.VMIUID),
		PodUID:    string(g.PodUID),
		Node:      g.Node,
		Event:     event,
		Why:       why,
	}
	w.events = append(w.events, e)
	if err := w.record(Entry{GuestEvent: e, PodName: g.PodName, Boot: g.Boot}); err != nil {
		return fmt.Errorf("ledger of guests: %w", err)
	}
	return nil
}

// Replay makes a world from the ledger's file: simulated machines outlive the program that simulates them. Guests that
// were live at the end of the file are live; SetMachines ends those whose machines have since lost power.
func Replay(entries []Entry, record func(Entry) error) (*World, error) {
	w := NewWorld(record)
	for i, e := range entries {
		if e.Seq != i+1 {
			return nil, fmt.Errorf("ledger of guests: entry %d has sequence number %d", i+1, e.Seq)
		}
		g := Guest{
			Namespace: e.Namespace, VMI: e.VMI, VMIUID: types.UID(e.VMIUID),
			PodUID: types.UID(e.PodUID), PodName: e.PodName, Node: e.Node, Boot: e.Boot,
		}
		switch e.Event {
		case simhost.GuestStarted:
			w.live[g.VMIUID] = g
		case simhost.GuestStopped:
			delete(w.live, g.VMIUID)
			w.exits[g.PodUID] = Exit{Guest: g, At: e.At, Why: e.Why}
		default:
			return nil, fmt.Errorf("ledger of guests: entry %d: unknown event %q", e.Seq, e.Event)
		}
		w.events = append(w.events, e.GuestEvent)
	}
	return w, nil
}

// ReadEntries reads a ledger's file. A last line without its end is what a killed simulator leaves; it is dropped.
func ReadEntries(r io.Reader) ([]Entry, error) {
	var entries []Entry
	lines := bufio.NewReader(r)
	for {
		line, err := lines.ReadBytes('\n')
		if errors.Is(err, io.EOF) {
			return entries, nil
		}
		if err != nil {
			return nil, fmt.Errorf("ledger of guests: %w", err)
		}
		var e Entry
		if err := json.Unmarshal(line, &e); err != nil {
			return nil, fmt.Errorf("ledger of guests: line %d: %w", len(entries)+1, err)
		}
		entries = append(entries, e)
	}
}

// Open makes a world whose ledger is kept in the named file, and goes on with what the file holds.
func Open(path string) (*World, io.Closer, error) {
	f, err := os.OpenFile(path, os.O_RDWR|os.O_CREATE, 0o600)
	if err != nil {
		return nil, nil, fmt.Errorf("ledger of guests: %w", err)
	}
	entries, err := ReadEntries(f)
	if err != nil {
		return nil, nil, errors.Join(err, f.Close())
	}
	w, err := Replay(entries, nil)
	if err != nil {
		return nil, nil, errors.Join(err, f.Close())
	}
	// Written afresh, so that half a line at the end is gone.
	if err := rewrite(f, entries); err != nil {
		return nil, nil, errors.Join(err, f.Close())
	}
	enc := json.NewEncoder(f)
	w.record = func(e Entry) error { return enc.Encode(e) }
	return w, f, nil
}

func rewrite(f *os.File, entries []Entry) error {
	if err := f.Truncate(0); err != nil {
		return fmt.Errorf("ledger of guests: %w", err)
	}
	if _, err := f.Seek(0, io.SeekStart); err != nil {
		return fmt.Errorf("ledger of guests: %w", err)
	}
	enc := json.NewEncoder(f)
	for _, e := range entries {
		if err := enc.Encode(e); err != nil {
			return fmt.Errorf("ledger of guests: %w", err)
		}
	}
	return nil
}
