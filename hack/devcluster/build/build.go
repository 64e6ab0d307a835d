// Copyright The virt-scheduler Authors.
// SPDX-License-Identifier: Apache-2.0

// Package build builds every program of the embedded cluster from Go modules,
// one after the other, with progress, and skips what is up to date. It knows
// nothing of how the programs are run.
package build

import (
	"bufio"
	"context"
	"crypto/sha256"
	"errors"
	"fmt"
	"io"
	"maps"
	"os"
	"os/exec"
	"path/filepath"
	"runtime"
	"slices"
	"strconv"
	"strings"
	"syscall"
	"time"

	"github.com/virt-scheduler/virt-scheduler/hack/devcluster/proc"
)

// Options say what is built, from where, and to where.
type Options struct {
	// Root is the repository.
	Root string
	// Output is the directory that gets bin/ and log/.
	Output string
	// Without names binaries that are not built.
	Without []string
	// Out gets the progress.
	Out io.Writer
}

// BinDir returns the directory of the binaries below an output directory.
func BinDir(output string) string { return filepath.Join(output, "bin") }

// Run builds what is not up to date. The first build that fails ends it with an
// error that holds the end of its log.
func Run(ctx context.Context, o Options) error {
	steps := slices.DeleteFunc(Steps(), func(s Step) bool { return slices.Contains(o.Without, s.Binary) })
	for _, dir := range []string{BinDir(o.Output), filepath.Join(o.Output, "log")} {
		if err := os.MkdirAll(dir, 0o755); err != nil {
			return err
		}
	}
	unlock, err := lock(ctx, filepath.Join(BinDir(o.Output), ".lock"), o.Out)
	if err != nil {
		return err
	}
	defer unlock()

	toolchain, err := goCommand(ctx, o.Root, "env", "GOVERSION", "GOFLAGS", "CGO_ENABLED", "GOOS", "GOARCH")
	if err != nil {
		return err
	}
	begin := time.Now()
	for i, step := range steps {
		b := builder{Options: o, Step: step, toolchain: toolchain, title: fmt.Sprintf("[%*d/%d] %s", len(strconv.Itoa(len(steps))), i+1, len(steps), step.Binary)}
		if err := b.run(ctx); err != nil {
			return err
		}
	}
	_, _ = fmt.Fprintf(o.Out, "built %d programs in %s: %s\n", len(steps), seconds(time.Since(begin)), BinDir(o.Output))
	return nil
}

type builder struct {
	Options
	Step
	toolchain string
	title     string
}

func (b builder) run(ctx context.Context) error {
	target := filepath.Join(BinDir(b.Output), b.Binary)
	ldflags, err := b.ldflags(ctx)
	if err != nil {
		return err
	}
	stamp, err := b.fingerprint(ldflags)
	if err != nil {
		return err
	}
	stampFile := filepath.Join(BinDir(b.Output), "."+b.Binary+".stamp")
	if b.Pinned && upToDate(target, stampFile, stamp) {
		_, _ = fmt.Fprintf(b.Out, "%s … up to date\n", b.title)
		return nil
	}
	// Without the stamp first: a build that breaks off must not look up to date.
	_ = os.Remove(stampFile)
	if err := b.compile(ctx, target, ldflags); err != nil {
		return err
	}
	return os.WriteFile(stampFile, []byte(stamp), 0o644)
}

// upToDate says whether the target was built from what the stamp names.
func upToDate(target, stampFile, stamp string) bool {
	info, err := os.Stat(target)
	if err != nil || info.Mode()&0o111 == 0 {
		return false
	}
	raw, err := os.ReadFile(stampFile)
	return err == nil && string(raw) == stamp
}

// fingerprint is a digest over all that decides what a pinned build yields.
func (b builder) fingerprint(ldflags string) (string, error) {
	h := sha256.New()
	_, _ = fmt.Fprintf(h, "%s\n%s\n%s\n", b.toolchain, b.Package, ldflags)
	for _, name := range []string{"go.mod", "go.sum"} {
		raw, err := os.ReadFile(filepath.Join(b.Root, b.Module, name))
		if err != nil {
			return "", err
		}
		_, _ = fmt.Fprintf(h, "%d\n%s", len(raw), raw)
	}
	return fmt.Sprintf("%x\n", h.Sum(nil)), nil
}

func (b builder) ldflags(ctx context.Context) (string, error) {
	// No symbol table: half the size and a faster link; stack traces need none.
	flags := "-s -w"
	if b.Stamp == "" {
		return flags, nil
	}
	version, err := goCommand(ctx, filepath.Join(b.Root, b.Module), "list", "-m", "-f", "{{.Version}}", b.Stamp)
	if err != nil {
		return "", err
	}
	vars := b.Vars(strings.TrimSpace(version))
	for _, name := range slices.Sorted(maps.Keys(vars)) {
		flags += fmt.Sprintf(" -X %s=%s", name, vars[name])
	}
	return flags, nil
}

func (b builder) compile(ctx context.Context, target, ldflags string) error {
	logPath := b.logPath(b.Output)
	log, err := os.Create(logPath)
	if err != nil {
		return err
	}
	defer func() { _ = log.Close() }()

	// -v makes the log name each package as it is compiled. The version control
	// stamp would relink everything at each commit.
	args := []string{"build", "-v", "-buildvcs=false", "-ldflags=" + ldflags, "-o", target}
	if p := parallelism(); p > 0 {
		args = append(args, "-p", strconv.Itoa(p))
	}
	cmd := exec.CommandContext(ctx, "go", append(args, b.Package)...)
	cmd.Dir = filepath.Join(b.Root, b.Module)
	cmd.Stdout, cmd.Stderr = log, log
	// The go command ends its compilers when it is interrupted, not when it is killed.
	cmd.Cancel = func() error { return cmd.Process.Signal(os.Interrupt) }
	cmd.WaitDelay = 10 * time.Second

	begin := time.Now()
	progress := newProgress(b.Out, b.title, logPath)
	err = cmd.Run()
	progress.stop()
	if ctx.Err() != nil {
		return fmt.Errorf("build %s: %w", b.Binary, context.Cause(ctx))
	}
	if err != nil {
		return fmt.Errorf("build %s (go build %s in %s): %w\n%s", b.Binary, b.Package, cmd.Dir, err, proc.LogEnd(logPath, 30))
	}
	_, _ = fmt.Fprintf(b.Out, "%s … %s\n", b.title, seconds(time.Since(begin)))
	return nil
}

// parallelism returns how many packages may be compiled at once, 0 for as many
// as there are CPUs: the largest need 2 GiB each.
func parallelism() int {
	raw, err := os.Open("/proc/meminfo")
	if err != nil {
		return 0
	}
	defer func() { _ = raw.Close() }()
	scanner := bufio.NewScanner(raw)
	for scanner.Scan() {
		var kib int
		if n, _ := fmt.Sscanf(scanner.Text(), "MemAvailable: %d kB", &kib); n == 1 {
			if fit := max(kib>>21, 1); fit < runtime.GOMAXPROCS(0) {
				return fit
			}
			return 0
		}
	}
	return 0
}

func goCommand(ctx context.Context, dir string, args ...string) (string, error) {
	cmd := exec.CommandContext(ctx, "go", args...)
	cmd.Dir = dir
	out, err := cmd.Output()
	if err != nil {
		var exit *exec.ExitError
		if errors.As(err, &exit) {
			err = fmt.Errorf("%w: %s", err, strings.TrimSpace(string(exit.Stderr)))
		}
		return "", fmt.Errorf("go %s in %s: %w", strings.Join(args, " "), dir, err)
	}
	return string(out), nil
}

// lock keeps two builds from writing the same files. It waits for the other one,
// at most until ctx ends.
func lock(ctx context.Context, path string, out io.Writer) (func(), error) {
	f, err := os.OpenFile(path, os.O_CREATE|os.O_RDWR, 0o644)
	if err != nil {
		return nil, err
	}
	unlock := func() { _ = f.Close() }
	for told := false; ; told = true {
		err := syscall.Flock(int(f.Fd()), syscall.LOCK_EX|syscall.LOCK_NB)
		if err == nil {
			return unlock, nil
		}
		if !errors.Is(err, syscall.EWOULDBLOCK) {
			unlock()
			return nil, fmt.Errorf("lock %s: %w", path, err)
		}
		if !told {
			_, _ = fmt.Fprintf(out, "another build is at work, waiting for it (%s)\n", path)
		}
		select {
		case <-ctx.Done():
			unlock()
			return nil, fmt.Errorf("wait for another build: %w", context.Cause(ctx))
		case <-time.After(200 * time.Millisecond):
		}
	}
}

func seconds(d time.Duration) string {
	if d < 10*time.Second {
		return fmt.Sprintf("%.1f s", d.Seconds())
	}
	return fmt.Sprintf("%.0f s", d.Seconds())
}
