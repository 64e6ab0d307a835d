// Copyright The virt-scheduler Authors.
// SPDX-License-Identifier: Apache-2.0

package proc

import (
	"context"
	"errors"
	"fmt"
	"net"
	"os"
	"os/exec"
	ossignal "os/signal"
	"path/filepath"
	"strings"
	"syscall"
	"testing"
	"time"

	"k8s.io/apimachinery/pkg/util/wait"
)

// The test binary is also the process that the tests start, and (as "starter")
// a supervisor that gets killed. There is nothing to install and nothing whose
// name could be that of a foreign process.
const roleVariable = "PROC_TEST_ROLE"

func TestMain(m *testing.M) {
	switch os.Getenv(roleVariable) {
	case "":
		os.Exit(m.Run())
	case "sleeper":
		select {}
	case "stubborn": // ignores SIGTERM
		ignore := make(chan os.Signal, 1)
		ossignal.Notify(ignore, syscall.SIGTERM)
		fmt.Println("ready")
		select {}
	case "failing":
		fmt.Println("first line")
		fmt.Println("cannot open the frobnicator")
		os.Exit(3)
	case "starter":
		os.Exit(starter(os.Args[1], os.Args[2] == "tied"))
	}
}

// starter starts two processes in dir, says so, and waits to be killed.
func starter(dir string, tied bool) int {
	s, err := New(dir, NewPorts(), tied)
	if err != nil {
		fmt.Println(err)
		return 1
	}
	for _, name := range []string{"a", "b"} {
		if err := s.Start(context.Background(), spec(name, "sleeper")); err != nil {
			fmt.Println(err)
			return 1
		}
	}
	fmt.Println("started")
	select {}
}

func spec(name, role string) Spec {
	return Spec{Name: name, Path: os.Args[0], Env: []string{roleVariable + "=" + role}}
}

func newSupervisor(t *testing.T, dir string) *Supervisor {
	t.Helper()
	s, err := New(dir, NewPorts(), false)
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() {
		if _, err := EndAll(dir, time.Second); err != nil {
			t.Error(err)
		}
		s.Close()
	})
	return s
}

func eventually(t *testing.T, what string, cond func() bool) {
	t.Helper()
	look := func(context.Context) (bool, error) { return cond(), nil }
	if err := wait.PollUntilContextTimeout(t.Context(), 5*time.Millisecond, 20*time.Second, true, look); err != nil {
		t.Fatalf("never: %s: %v", what, err)
	}
}

func TestStopKillRestart(t *testing.T) {
	s := newSupervisor(t, t.TempDir())
	if err := s.Start(t.Context(), spec("a", "sleeper")); err != nil {
		t.Fatal(err)
	}
	first := s.PID("a")
	if !s.Running("a") || first == 0 {
		t.Fatalf("Running = %v, PID = %d after Start", s.Running("a"), first)
	}
	if err := s.Start(t.Context(), spec("a", "sleeper")); err == nil {
		t.Error("a second start of a running process succeeded")
	}
	if err := s.Stop("a", 10*time.Second); err != nil {
		t.Fatal(err)
	}
	if s.Running("a") {
		t.Error("runs after Stop")
	}
	if err := s.Restart(t.Context(), "a"); err != nil {
		t.Fatal(err)
	}
	if s.PID("a") == first || !s.Running("a") {
		t.Errorf("after Restart: PID %d (was %d), running %v", s.PID("a"), first, s.Running("a"))
	}
	if err := s.Kill("a"); err != nil || s.Running("a") {
		t.Errorf("Kill: %v, running %v", err, s.Running("a"))
	}
	if err := s.Restart(t.Context(), "unknown"); err == nil {
		t.Error("Restart of what was never started succeeded")
	}
}

func TestKeptProcessIsStartedAgain(t *testing.T) {
	s := newSupervisor(t, t.TempDir())
	kept := spec("kept", "sleeper")
	kept.Keep = true
	for _, sp := range []Spec{kept, spec("plain", "sleeper")} {
		if err := s.Start(t.Context(), sp); err != nil {
			t.Fatal(err)
		}
	}
	first := s.PID("kept")
	for _, name := range []string{"kept", "plain"} { // ends without being asked by us
		if err := s.Signal(name, syscall.SIGKILL); err != nil {
			t.Fatal(err)
		}
	}
	eventually(t, "kept process runs again", func() bool {
		pid := s.PID("kept") // one look: between two it may end
		return pid != 0 && pid != first
	})
	if got := s.Restarts("kept"); got != 1 {
		t.Errorf("Restarts = %d, want 1", got)
	}
	if s.Running("plain") {
		t.Error("a process that is not kept was started again")
	}
}

func TestStoppedProcessStaysDown(t *testing.T) {
	dir := t.TempDir()
	s := newSupervisor(t, dir)
	kept := spec("kept", "sleeper")
	kept.Keep = true
	if err := s.Start(t.Context(), kept); err != nil {
		t.Fatal(err)
	}
	generation := s.kept["kept"].generation
	if err := s.Kill("kept"); err != nil {
		t.Fatal(err)
	}
	if again, err := s.revive(kept, generation); again != nil || err != nil {
		t.Errorf("revive after Kill = %v, %v, want nothing", again, err)
	}
	if err := s.Restart(t.Context(), "kept"); err != nil {
		t.Fatal(err)
	}
	generation = s.kept["kept"].generation
	state, err := Load(dir)
	if err != nil {
		t.Fatal(err)
	}
	state.Ending = true // another process ends the cluster
	if err := state.save(dir); err != nil {
		t.Fatal(err)
	}
	if err := signal(state.Processes[0], syscall.SIGKILL); err != nil {
		t.Fatal(err)
	}
	if again, err := s.revive(kept, generation); again != nil || err != nil {
		t.Errorf("revive while the cluster ends = %v, %v, want nothing", again, err)
	}
}

func TestStopKillsWhatIgnoresSIGTERM(t *testing.T) {
	s := newSupervisor(t, t.TempDir())
	sp := spec("a", "stubborn")
	sp.Ready = func(context.Context) error {
		raw, err := os.ReadFile(s.LogPath("a"))
		if err == nil && !strings.Contains(string(raw), "ready") {
			err = errors.New("not ready")
		}
		return err
	}
	if err := s.Start(t.Context(), sp); err != nil {
		t.Fatal(err)
	}
	if err := s.Stop("a", 100*time.Millisecond); err != nil || s.Running("a") {
		t.Errorf("Stop: %v, running %v", err, s.Running("a"))
	}
}

func TestSuspendedProcessCanBeStopped(t *testing.T) {
	s := newSupervisor(t, t.TempDir())
	if err := s.Start(t.Context(), spec("a", "sleeper")); err != nil {
		t.Fatal(err)
	}
	if err := s.Signal("a", syscall.SIGSTOP); err != nil {
		t.Fatal(err)
	}
	pid := s.PID("a")
	eventually(t, "process is stopped", func() bool {
		st, err := readStat(pid)
		return err == nil && st.state == 'T'
	})
	if !s.Running("a") {
		t.Error("a suspended process counts as ended")
	}
	begin := time.Now()
	if err := s.Stop("a", 10*time.Second); err != nil || s.Running("a") {
		t.Errorf("Stop: %v, running %v", err, s.Running("a"))
	}
	if took := time.Since(begin); took > 5*time.Second {
		t.Errorf("Stop took %v: the process never saw SIGTERM", took)
	}
}

func TestFailingProcessShowsItsLog(t *testing.T) {
	s := newSupervisor(t, t.TempDir())
	sp := spec("a", "failing")
	sp.Ready = func(context.Context) error { return errors.New("not yet") }
	err := s.Start(t.Context(), sp)
	if err == nil {
		t.Fatal("start of a failing process succeeded")
	}
	for _, want := range []string{"a ended while it started", "exit status 3", "cannot open the frobnicator", s.LogPath("a")} {
		if !strings.Contains(err.Error(), want) {
			t.Errorf("error lacks %q:\n%v", want, err)
		}
	}
}

func TestNotReadyInTimeIsEnded(t *testing.T) {
	s := newSupervisor(t, t.TempDir())
	sp := spec("a", "sleeper")
	sp.Within = 300 * time.Millisecond
	sp.Ready = func(context.Context) error { return errors.New("still loading") }
	err := s.Start(t.Context(), sp)
	if err == nil || !strings.Contains(err.Error(), "still loading") {
		t.Errorf("error %v, want one that tells why it is not ready", err)
	}
	if s.Running("a") {
		t.Error("it was left running")
	}
}

func TestOneSupervisorPerDirectory(t *testing.T) {
	dir := t.TempDir()
	s := newSupervisor(t, dir)
	if _, err := New(dir, NewPorts(), false); err == nil {
		t.Error("a second supervisor got the directory")
	}
	if err := s.Start(t.Context(), spec("a", "sleeper")); err != nil {
		t.Fatal(err)
	}
	s.Close()
	if _, err := New(dir, NewPorts(), false); err == nil || !strings.Contains(err.Error(), "still run") {
		t.Errorf("error %v, want one about running processes", err)
	}
}

func TestTwoDirectoriesDontTouchEachOther(t *testing.T) {
	one, two := newSupervisor(t, t.TempDir()), newSupervisor(t, t.TempDir())
	for _, s := range []*Supervisor{one, two} {
		if err := s.Start(t.Context(), spec("a", "sleeper")); err != nil {
			t.Fatal(err)
		}
	}
	if _, err := EndAll(one.dir, time.Second); err != nil {
		t.Fatal(err)
	}
	if one.Running("a") || !two.Running("a") {
		t.Errorf("running: %v, %v, want false, true", one.Running("a"), two.Running("a"))
	}
}

// startStarter runs a supervisor in a process of its own and returns it when
// both of its processes run.
func startStarter(t *testing.T, dir, tied string) *exec.Cmd {
	t.Helper()
	cmd := exec.Command(os.Args[0], dir, tied)
	cmd.Env = append(os.Environ(), roleVariable+"=starter")
	out, err := cmd.StdoutPipe()
	if err != nil {
		t.Fatal(err)
	}
	if err := cmd.Start(); err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { _ = cmd.Process.Kill(); _ = cmd.Wait() })
	buffer := make([]byte, 200)
	if n, _ := out.Read(buffer); !strings.Contains(string(buffer[:n]), "started") {
		t.Fatalf("starter says %q", buffer[:n])
	}
	return cmd
}

func killStarter(t *testing.T, cmd *exec.Cmd) {
	t.Helper()
	if err := cmd.Process.Kill(); err != nil {
		t.Fatal(err)
	}
	_ = cmd.Wait()
}

func TestEndAllAfterTheStarterWasKilled(t *testing.T) {
	dir := t.TempDir()
	killStarter(t, startStarter(t, dir, "untied"))
	state, err := Load(dir)
	if err != nil {
		t.Fatal(err)
	}
	if got := len(state.Live()); got != 2 {
		t.Fatalf("%d processes outlive their starter, want 2", got)
	}
	ended, err := EndAll(dir, 5*time.Second, []string{"b"})
	if err != nil {
		t.Fatal(err)
	}
	if got, want := strings.Join(ended, " "), "b a"; got != want {
		t.Errorf("ended %q, want %q", got, want)
	}
	if live := state.Live(); len(live) != 0 {
		t.Errorf("still running: %v", live)
	}
	if _, err := Load(dir); !errors.Is(err, os.ErrNotExist) {
		t.Errorf("state file after EndAll: %v", err)
	}
}

// A starter that is killed between the fork and the writing of the state file
// leaves a process that no record names.
func TestEndAllFindsWhatTheStateFileMisses(t *testing.T) {
	dir := t.TempDir()
	killStarter(t, startStarter(t, dir, "untied"))
	state, err := Load(dir)
	if err != nil {
		t.Fatal(err)
	}
	lost := state.Processes[1]
	state.Processes = state.Processes[:1]
	if err := state.save(dir); err != nil {
		t.Fatal(err)
	}
	if _, err := EndAll(dir, 5*time.Second); err != nil {
		t.Fatal(err)
	}
	if alive(lost) {
		t.Error("the process that the state file misses still runs")
		_ = end(lost, 0)
	}
}

func TestTiedProcessesDieWithTheStarter(t *testing.T) {
	dir := t.TempDir()
	cmd := startStarter(t, dir, "tied")
	state, err := Load(dir)
	if err != nil {
		t.Fatal(err)
	}
	if got := len(state.Live()); got != 2 {
		t.Fatalf("%d processes run, want 2", got)
	}
	killStarter(t, cmd)
	eventually(t, "tied processes end", func() bool { return len(state.Live()) == 0 })
}

func TestReusedPIDIsLeftAlone(t *testing.T) {
	s := newSupervisor(t, t.TempDir())
	if err := s.Start(t.Context(), spec("bystander", "sleeper")); err != nil {
		t.Fatal(err)
	}
	bystander, err := s.record("bystander")
	if err != nil {
		t.Fatal(err)
	}
	boot, err := machineBoot()
	if err != nil {
		t.Fatal(err)
	}
	for name, state := range map[string]State{
		"another start time": {ID: "x", MachineBoot: boot, Processes: []Record{{Name: "a", PID: bystander.PID, Start: bystander.Start - 1}}},
		"another boot":       {ID: "x", MachineBoot: "other", Processes: []Record{{Name: "a", PID: bystander.PID, Start: bystander.Start}}},
	} {
		t.Run(name, func(t *testing.T) {
			dir := t.TempDir()
			if err := state.save(dir); err != nil {
				t.Fatal(err)
			}
			ended, err := EndAll(dir, time.Second)
			if err != nil || len(ended) != 0 {
				t.Errorf("EndAll = %v, %v, want nothing ended", ended, err)
			}
			if !s.Running("bystander") {
				t.Fatal("a process that was never ours was ended")
			}
		})
	}
}

func TestParseStat(t *testing.T) {
	tests := map[string]struct {
		raw     string
		want    stat
		wantErr bool
	}{
		"plain":                       {raw: "7 (cat) S 1 7 7 0 -1 4194304 1 0 0 0 0 0 0 0 20 0 1 0 4711 1 1", want: stat{'S', 4711}},
		"blanks and brackets in name": {raw: "7 (a) R (b c) Z 1 7 7 0 -1 4194304 1 0 0 0 0 0 0 0 20 0 1 0 42 1 1", want: stat{'Z', 42}},
		"cut off":                     {raw: "7 (cat) S 1 7", wantErr: true},
		"no name":                     {raw: "", wantErr: true},
	}
	for name, tc := range tests {
		t.Run(name, func(t *testing.T) {
			got, err := parseStat([]byte(tc.raw))
			if got != tc.want || (err != nil) != tc.wantErr {
				t.Errorf("parseStat = %v, %v, want %v, error %v", got, err, tc.want, tc.wantErr)
			}
		})
	}
}

func TestPortsAreHeldUntilReleased(t *testing.T) {
	ports := NewPorts()
	t.Cleanup(ports.Close)
	got, err := ports.Reserve(20)
	if err != nil {
		t.Fatal(err)
	}
	seen := map[int]bool{}
	for _, port := range got {
		if seen[port] {
			t.Errorf("port %d was given twice", port)
		}
		seen[port] = true
	}
	address := fmt.Sprintf("127.0.0.1:%d", got[0])
	if l, err := net.Listen("tcp", address); err == nil {
		_ = l.Close()
		t.Error("a reserved port could be taken")
	}
	ports.Release(got[0], 1)
	l, err := net.Listen("tcp", address)
	if err != nil {
		t.Fatalf("a released port can't be taken: %v", err)
	}
	_ = l.Close()
}

func TestLogEnd(t *testing.T) {
	path := filepath.Join(t.TempDir(), "x.log")
	if err := os.WriteFile(path, []byte(strings.Repeat("filler\n", 20000)+"last but one\nlast\n"), 0o600); err != nil {
		t.Fatal(err)
	}
	want := "the end of " + path + ":\n  last but one\n  last"
	if got := LogEnd(path, 2); got != want {
		t.Errorf("LogEnd = %q, want %q", got, want)
	}
}
