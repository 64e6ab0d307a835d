// Copyright The virt-scheduler Authors.
// SPDX-License-Identifier: Apache-2.0

package proc

import "time"

// Back-off between restarts of a process that ends by itself. A kubelet starts
// at 10 s; here nobody wants to wait for that.
const (
	firstBackoff = time.Second
	lastBackoff  = 30 * time.Second
	// calmAfter is how long a process must run for the back-off to start anew.
	calmAfter = time.Minute
)

// keeper is what the supervisor knows of a process that it keeps running.
type keeper struct {
	// generation grows with each Start, Stop and Kill: what somebody asked for
	// ends the keeping of the process before.
	generation int
	restarts   int
}

// Restarts says how often a process was started again because it had ended by
// itself.
func (s *Supervisor) Restarts(name string) int {
	s.mu.Lock()
	defer s.mu.Unlock()
	return s.kept[name].restarts
}

// interfere ends the keeping of a process and returns the new generation.
func (s *Supervisor) interfere(name string) int {
	s.mu.Lock()
	defer s.mu.Unlock()
	k := s.kept[name]
	k.generation++
	s.kept[name] = k
	return k.generation
}

// keep starts the process again whenever it ends by itself, as a kubelet does
// with the container of a Deployment: programs that lose their leadership end
// and count on that.
func (s *Supervisor) keep(spec Spec, generation int, ended *exit) {
	backoff := firstBackoff
	for {
		begin := time.Now()
		<-ended.done
		if time.Since(begin) > calmAfter {
			backoff = firstBackoff
		}
		select {
		case <-s.closed:
			return
		case <-time.After(backoff):
		}
		backoff = min(2*backoff, lastBackoff)
		again, err := s.revive(spec, generation)
		if err != nil || again == nil {
			return
		}
		ended = again
	}
}

// revive starts the process again, unless somebody asked for its end, or for
// that of the cluster, meanwhile.
func (s *Supervisor) revive(spec Spec, generation int) (*exit, error) {
	s.mu.Lock()
	defer s.mu.Unlock()
	k := s.kept[spec.Name]
	if k.generation != generation {
		return nil, nil
	}
	// Another process may be at work on EndAll: the state file tells.
	state, err := Load(s.dir)
	if err != nil || state.ID != s.state.ID || state.Ending {
		return nil, err
	}
	k.restarts++
	s.kept[spec.Name] = k
	return s.spawn(spec)
}
