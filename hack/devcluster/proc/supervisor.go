// Copyright The virt-scheduler Authors.
// SPDX-License-Identifier: Apache-2.0

package proc

import (
	"context"
	"crypto/rand"
	"errors"
	"fmt"
	"os"
	"os/exec"
	"path/filepath"
	"runtime"
	"slices"
	"sync"
	"syscall"
	"time"
)

// LogDir is the directory of the processes' logs below a cluster's directory.
const LogDir = "log"

// Spec says how to start a process.
type Spec struct {
	// Name is unique in the cluster; the log is LogDir/Name.log.
	Name string
	Path string
	Args []string
	// Env is added to a minimal environment: PATH, HOME and TMPDIR only, so that
	// no proxy setting of the caller reaches a process on loopback.
	Env []string
	// Ready is called until it returns nil; nil means that running is enough.
	Ready func(ctx context.Context) error
	// Within bounds the time to Ready. Default 3 minutes.
	Within time.Duration
	// Ports are released (see Ports) right before the start.
	Ports []int
	// Keep starts the process again when it ends by itself once it was ready,
	// as long as the supervisor lives.
	Keep bool
}

// Supervisor starts and ends the processes of one cluster.
type Supervisor struct {
	dir   string
	ports *Ports
	fork  func(*exec.Cmd) error
	// lock keeps a second supervisor out of dir while this one is in use.
	lock *os.File

	mu    sync.Mutex
	state State
	specs map[string]Spec
	kept  map[string]keeper

	closed chan struct{}
	close  sync.Once
}

// exit is closed when a process has been reaped.
type exit struct {
	done chan struct{}
	err  error
}

// New makes a supervisor for dir and its state file. It fails when processes of
// an earlier one still run there, or another one is at work there. With tied,
// the processes die with the caller (the kernel sees to it); without, they
// outlive it.
func New(dir string, ports *Ports, tied bool) (*Supervisor, error) {
	if err := os.MkdirAll(filepath.Join(dir, LogDir), 0o700); err != nil {
		return nil, err
	}
	lock, err := os.OpenFile(filepath.Join(dir, ".lock"), os.O_CREATE|os.O_RDWR, 0o600)
	if err != nil {
		return nil, err
	}
	if err := syscall.Flock(int(lock.Fd()), syscall.LOCK_EX|syscall.LOCK_NB); err != nil {
		_ = lock.Close()
		return nil, fmt.Errorf("%s: another process has a cluster in use there, choose another directory or end it first: %w", dir, err)
	}
	s := &Supervisor{
		dir: dir, ports: ports, lock: lock, fork: (*exec.Cmd).Start,
		specs: map[string]Spec{}, kept: map[string]keeper{}, closed: make(chan struct{}),
	}
	if tied {
		s.fork = tiedFork()
	}
	if err := s.begin(); err != nil {
		s.Close()
		return nil, err
	}
	return s, nil
}

// begin writes a new state file in place of one of which nothing runs any more.
func (s *Supervisor) begin() error {
	old, err := Load(s.dir)
	if err != nil && !errors.Is(err, os.ErrNotExist) {
		return err
	}
	live := old.Live()
	if len(live) == 0 {
		live = old.Stray()
	}
	if len(live) > 0 {
		return fmt.Errorf("%s: %d processes of an earlier cluster still run there (such as %s, pid %d): end them first",
			s.dir, len(live), live[0].Name, live[0].PID)
	}
	boot, err := machineBoot()
	if err != nil {
		return err
	}
	s.state = State{ID: rand.Text(), MachineBoot: boot}
	return s.state.save(s.dir)
}

// Close lets another supervisor use the directory. It ends no process, and
// starts none again from here on.
func (s *Supervisor) Close() {
	s.close.Do(func() {
		close(s.closed)
		_ = s.lock.Close()
	})
}

// tiedFork starts processes that the kernel kills when this process ends. The
// death signal is bound to the forking *thread*, so one that never ends forks.
func tiedFork() func(*exec.Cmd) error {
	type request struct {
		cmd  *exec.Cmd
		done chan error
	}
	requests := make(chan request)
	go func() {
		runtime.LockOSThread()
		for r := range requests {
			r.cmd.SysProcAttr.Pdeathsig = syscall.SIGKILL
			r.done <- r.cmd.Start()
		}
	}()
	return func(cmd *exec.Cmd) error {
		r := request{cmd: cmd, done: make(chan error)}
		requests <- r
		return <-r.done
	}
}

// LogPath returns where the process's output goes.
func (s *Supervisor) LogPath(name string) string { return LogPath(s.dir, name) }

// LogPath returns where the output of a process of the cluster in dir goes.
func LogPath(dir, name string) string { return filepath.Join(dir, LogDir, name+".log") }

// Start starts the process and waits until it is ready. A process that ends or
// is not ready in time is an error that holds the end of its log; in the second
// case it is ended.
func (s *Supervisor) Start(ctx context.Context, spec Spec) error {
	generation := s.interfere(spec.Name)
	s.mu.Lock()
	ended, err := s.spawn(spec)
	s.mu.Unlock()
	if err != nil {
		return err
	}
	if spec.Ready == nil {
		spec.Ready = func(context.Context) error { return nil }
	}
	if spec.Within == 0 {
		spec.Within = 3 * time.Minute
	}
	deadline := time.NewTimer(spec.Within)
	defer deadline.Stop()
	poll := time.NewTicker(100 * time.Millisecond)
	defer poll.Stop()
	for {
		err := spec.Ready(ctx)
		select {
		case <-ended.done:
			return fmt.Errorf("%s ended while it started: %w\n%s", spec.Name, ended.err, s.logEnd(spec.Name))
		default:
		}
		if err == nil {
			if spec.Keep {
				go s.keep(spec, generation, ended)
			}
			return nil
		}
		select {
		case <-ended.done:
		case <-poll.C:
		case <-ctx.Done():
			return fmt.Errorf("start %s: %w", spec.Name, context.Cause(ctx))
		case <-deadline.C:
			_ = s.Stop(spec.Name, time.Second)
			return fmt.Errorf("%s is not ready after %v: %w\n%s", spec.Name, spec.Within, err, s.logEnd(spec.Name))
		}
	}
}

func (s *Supervisor) logEnd(name string) string {
	return LogEnd(s.LogPath(name), 30)
}

// Restart starts a process again as it was started before.
func (s *Supervisor) Restart(ctx context.Context, name string) error {
	s.mu.Lock()
	spec, ok := s.specs[name]
	s.mu.Unlock()
	if !ok {
		return fmt.Errorf("process %q was never started in %s", name, s.dir)
	}
	return s.Start(ctx, spec)
}

// spawn forks the process and records it; mu is held.
func (s *Supervisor) spawn(spec Spec) (*exit, error) {
	if i := s.index(spec.Name); i >= 0 {
		if alive(s.state.Processes[i]) {
			return nil, fmt.Errorf("%s runs already (pid %d)", spec.Name, s.state.Processes[i].PID)
		}
		s.state.Processes = slices.Delete(s.state.Processes, i, i+1)
	}
	log, err := os.OpenFile(s.LogPath(spec.Name), os.O_CREATE|os.O_APPEND|os.O_WRONLY, 0o600)
	if err != nil {
		return nil, err
	}
	defer func() { _ = log.Close() }()
	_, _ = fmt.Fprintf(log, "--- %s %q %q\n", time.Now().Format(time.RFC3339Nano), spec.Path, spec.Args)

	cmd := exec.Command(spec.Path, spec.Args...)
	cmd.Dir = s.dir
	cmd.Stdout, cmd.Stderr = log, log
	cmd.Env = append(s.environment(), spec.Env...)
	// A process group of its own: Ctrl-C in a terminal is for the caller alone.
	cmd.SysProcAttr = &syscall.SysProcAttr{Setpgid: true}
	s.ports.Release(spec.Ports...)
	if err := s.fork(cmd); err != nil {
		return nil, fmt.Errorf("start %s: %w", spec.Name, err)
	}
	ended := &exit{done: make(chan struct{})}
	st, statErr := readStat(cmd.Process.Pid) // not reaped yet: it is there, even if it has ended
	go func() {
		ended.err = cmd.Wait()
		if ended.err == nil {
			ended.err = errors.New("exit status 0")
		}
		close(ended.done)
	}()
	if statErr != nil {
		return nil, fmt.Errorf("start time of %s: %w", spec.Name, statErr)
	}
	s.specs[spec.Name] = spec
	s.state.Processes = append(s.state.Processes, Record{
		Name: spec.Name, PID: cmd.Process.Pid, Start: st.start, Path: spec.Path, Started: time.Now(),
	})
	return ended, s.state.save(s.dir)
}

func (s *Supervisor) environment() []string {
	env := []string{marker + "=" + s.state.ID}
	for _, name := range []string{"PATH", "HOME", "TMPDIR"} {
		if value, ok := os.LookupEnv(name); ok {
			env = append(env, name+"="+value)
		}
	}
	return env
}

func (s *Supervisor) index(name string) int {
	return slices.IndexFunc(s.state.Processes, func(r Record) bool { return r.Name == name })
}

func (s *Supervisor) record(name string) (Record, error) {
	s.mu.Lock()
	defer s.mu.Unlock()
	if i := s.index(name); i >= 0 {
		return s.state.Processes[i], nil
	}
	return Record{}, fmt.Errorf("process %q was never started in %s", name, s.dir)
}

// Running says whether the named process runs.
func (s *Supervisor) Running(name string) bool {
	r, err := s.record(name)
	return err == nil && alive(r)
}

// PID returns the pid of the named process, 0 when it does not run.
func (s *Supervisor) PID(name string) int {
	r, err := s.record(name)
	if err != nil || !alive(r) {
		return 0
	}
	return r.PID
}

// Stop ends the process by SIGTERM, after grace by SIGKILL.
func (s *Supervisor) Stop(name string, grace time.Duration) error {
	s.interfere(name)
	r, err := s.record(name)
	if err != nil {
		return err
	}
	return end(r, grace)
}

// Kill ends the process by SIGKILL and waits until it is gone.
func (s *Supervisor) Kill(name string) error {
	s.interfere(name)
	r, err := s.record(name)
	if err != nil {
		return err
	}
	if err := signal(r, syscall.SIGKILL); err != nil {
		return err
	}
	if !gone(r, killWait) {
		return fmt.Errorf("%s (pid %d) does not end by SIGKILL", r.Name, r.PID)
	}
	return nil
}

// Signal sends a signal to the process, e.g. SIGSTOP.
func (s *Supervisor) Signal(name string, sig syscall.Signal) error {
	r, err := s.record(name)
	if err != nil {
		return err
	}
	if !alive(r) {
		return fmt.Errorf("%s does not run", name)
	}
	return signal(r, sig)
}
