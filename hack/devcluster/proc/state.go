// Copyright The virt-scheduler Authors.
// SPDX-License-Identifier: Apache-2.0

package proc

import (
	"encoding/json"
	"errors"
	"fmt"
	"os"
	"path/filepath"
	"sync"
	"syscall"
	"time"
)

// StateFile is the name of the state file in a cluster's directory.
const StateFile = "state.json"

// Record names one started process.
type Record struct {
	Name string `json:"name"`
	PID  int    `json:"pid"`
	// Start is the process's start time in clock ticks since boot: with the
	// pid and the machine's boot id it names a process for ever.
	Start uint64 `json:"startTicks"`
	Path  string `json:"path,omitempty"`
	// Started is for people who read the file.
	Started time.Time `json:"started,omitzero"`
}

// State is the content of the state file.
type State struct {
	// ID is random, and in the environment of each process of this cluster.
	ID string `json:"id"`
	// MachineBoot is the boot id of the machine that the processes run on.
	MachineBoot string   `json:"machineBoot"`
	Processes   []Record `json:"processes"`
	// Ending is set while EndAll is at work: nothing may be started any more.
	Ending bool `json:"ending,omitempty"`
}

// Load reads the state file of dir. The error is os.ErrNotExist when nothing
// was started there.
func Load(dir string) (State, error) {
	path := filepath.Join(dir, StateFile)
	raw, err := os.ReadFile(path)
	if err != nil {
		return State{}, err
	}
	var state State
	if err := json.Unmarshal(raw, &state); err != nil {
		return State{}, fmt.Errorf("state file %s: %w", path, err)
	}
	return state, nil
}

func (s State) save(dir string) error {
	raw, err := json.MarshalIndent(s, "", "  ")
	if err != nil {
		return err
	}
	return WriteFile(filepath.Join(dir, StateFile), append(raw, '\n'))
}

// WriteFile writes a file of mode 0600 in one step, so that no reader, and no
// crash, sees half of it.
func WriteFile(path string, raw []byte) error {
	tmp, err := os.CreateTemp(filepath.Dir(path), filepath.Base(path)+".*")
	if err != nil {
		return err
	}
	defer func() { _ = os.Remove(tmp.Name()) }() // fails, rightly, once renamed
	if _, err := tmp.Write(raw); err != nil {
		_ = tmp.Close()
		return err
	}
	if err := tmp.Close(); err != nil {
		return err
	}
	return os.Rename(tmp.Name(), path)
}

// Alive says whether the recorded process still runs. A zombie does not: in a
// container nobody may ever reap it.
func (s State) Alive(r Record) bool {
	return s.sameBoot() && alive(r)
}

// Live returns the recorded processes that still run.
func (s State) Live() []Record {
	var live []Record
	for _, r := range s.Processes {
		if s.Alive(r) {
			live = append(live, r)
		}
	}
	return live
}

// Stray returns every process that carries the cluster's marker: those of the
// state file, and those that it does not know.
func (s State) Stray() []Record {
	if s.ID == "" || !s.sameBoot() {
		return nil
	}
	return marked(s.ID)
}

func (s State) sameBoot() bool {
	boot, err := machineBoot()
	return err == nil && boot == s.MachineBoot
}

func alive(r Record) bool {
	st, err := readStat(r.PID)
	return err == nil && st.start == r.Start && st.state != 'Z'
}

// signal sends a signal to exactly the recorded process. It is no error when
// that has ended.
func signal(r Record, sig syscall.Signal) error {
	// FindProcess takes a handle on the process (a pidfd), so that the pid can't
	// pass to another one between the check and the signal.
	p, err := os.FindProcess(r.PID)
	if err != nil {
		return fmt.Errorf("find process %d: %w", r.PID, err)
	}
	defer func() { _ = p.Release() }()
	if !alive(r) {
		return nil
	}
	if err := p.Signal(sig); err != nil && !errors.Is(err, os.ErrProcessDone) && !errors.Is(err, syscall.ESRCH) {
		return fmt.Errorf("send %v to %s (pid %d): %w", sig, r.Name, r.PID, err)
	}
	return nil
}

// end ends one process: SIGTERM, up to grace to comply, SIGKILL.
func end(r Record, grace time.Duration) error {
	if !alive(r) {
		return nil
	}
	if err := signal(r, syscall.SIGTERM); err != nil {
		return err
	}
	// A stopped process does not see SIGTERM before it goes on.
	if err := signal(r, syscall.SIGCONT); err != nil {
		return err
	}
	if gone(r, grace) {
		return nil
	}
	if err := signal(r, syscall.SIGKILL); err != nil {
		return err
	}
	if !gone(r, killWait) {
		return fmt.Errorf("%s (pid %d) does not end, not even by SIGKILL", r.Name, r.PID)
	}
	return nil
}

const (
	killWait = 10 * time.Second
	pollTime = 20 * time.Millisecond
)

func gone(r Record, within time.Duration) bool {
	for deadline := time.Now().Add(within); alive(r); time.Sleep(pollTime) {
		if time.Now().After(deadline) {
			return false
		}
	}
	return true
}

// EndAll ends every process of the state file in dir and removes the file. The
// groups name processes that go first, in this order, each group at once; all
// others follow, the last started first. It returns the names of what it ended.
func EndAll(dir string, grace time.Duration, groups ...[]string) ([]string, error) {
	state, err := Load(dir)
	if errors.Is(err, os.ErrNotExist) {
		return nil, nil
	}
	if err != nil {
		return nil, err
	}
	state.Ending = true
	if err := state.save(dir); err != nil {
		return nil, err
	}
	ended, err := state.endAll(grace, groups)
	if err != nil {
		return ended, fmt.Errorf("end the processes of %s: %w", dir, err)
	}
	return ended, os.Remove(filepath.Join(dir, StateFile))
}

func (s State) endAll(grace time.Duration, groups [][]string) ([]string, error) {
	if !s.sameBoot() {
		return nil, nil // the machine was restarted since: nothing of it runs
	}
	live := map[string]Record{}
	var order []string
	for _, r := range s.Live() {
		live[r.Name] = r
		order = append([]string{r.Name}, order...)
	}
	for _, name := range order {
		groups = append(groups, []string{name})
	}
	var ended []string
	var errs []error
	for _, group := range groups {
		var batch []Record
		for _, name := range group {
			if r, ok := live[name]; ok {
				batch = append(batch, r)
				ended = append(ended, name)
				delete(live, name)
			}
		}
		errs = append(errs, endBatch(batch, grace))
	}
	// What the starter forked and could not record any more, and children of
	// children.
	rest := s.Stray()
	for _, r := range rest {
		ended = append(ended, r.Name)
	}
	errs = append(errs, endBatch(rest, grace))
	return ended, errors.Join(errs...)
}

func endBatch(batch []Record, grace time.Duration) error {
	errs := make([]error, len(batch))
	var wg sync.WaitGroup
	for i, r := range batch {
		wg.Go(func() { errs[i] = end(r, grace) })
	}
	wg.Wait()
	return errors.Join(errs...)
}
