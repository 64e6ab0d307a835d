// Copyright The virt-scheduler Authors.
// SPDX-License-Identifier: Apache-2.0

package main

import (
	"errors"
	"fmt"
	"os"
	"path/filepath"
	"strings"

	"github.com/spf13/pflag"

	"github.com/virt-scheduler/virt-scheduler/hack/devcluster/build"
	"github.com/virt-scheduler/virt-scheduler/hack/devcluster/cluster"
)

// outputDir is where everything that is built or run goes, below the repository.
const outputDir = "_output"

// root returns the repository: the nearest directory at or above the working
// directory that holds hack/devcluster.
func root() (string, error) {
	dir, err := os.Getwd()
	if err != nil {
		return "", err
	}
	for {
		if _, err := os.Stat(filepath.Join(dir, "hack/devcluster/main.go")); err == nil {
			return dir, nil
		}
		parent := filepath.Dir(dir)
		if parent == dir {
			return "", errors.New("not inside a clone of the repository: run devcluster from there")
		}
		dir = parent
	}
}

// location is the flag that all commands share.
type location struct{ dir string }

func (l *location) register(flags *pflag.FlagSet) {
	flags.StringVar(&l.dir, "dir", "", "directory of the cluster (default _output/devcluster in the repository)")
}

func (l *location) path() (string, error) {
	if l.dir != "" {
		return filepath.Abs(l.dir)
	}
	repository, err := root()
	if err != nil {
		return "", err
	}
	return filepath.Join(repository, outputDir, "devcluster"), nil
}

// size are the flags that say how large the cluster is.
type size struct {
	nodes, zones, spares, vcpus, memoryGiB int
	defaultTimings                         bool
	without                                []string
}

func (s *size) register(flags *pflag.FlagSet) {
	flags.IntVar(&s.nodes, "nodes", 6, "number of nodes")
	flags.IntVar(&s.zones, "zones", 3, "number of zones over which the nodes are spread")
	flags.IntVar(&s.spares, "spares", 0, "number of powered-off machines that are no nodes")
	flags.IntVar(&s.vcpus, "vcpus", 16, "CPUs of each node")
	flags.IntVar(&s.memoryGiB, "memory-gib", 64, "memory of each node in GiB")
	flags.BoolVar(&s.defaultTimings, "default-timings", false, "keep the timings that Kubernetes ships with (a dead node is NotReady after 50 s, not 12 s)")
	registerWithout(flags, &s.without)
}

func registerWithout(flags *pflag.FlagSet, without *[]string) {
	var names []string
	for _, step := range build.Steps() {
		names = append(names, step.Binary)
	}
	flags.StringSliceVar(without, "without", nil, "programs to leave out: "+strings.Join(names, ", "))
}

// options returns what the flags say.
func (s *size) options(dir string) (cluster.Options, error) {
	repository, err := root()
	if err != nil {
		return cluster.Options{}, err
	}
	if s.nodes < 1 {
		return cluster.Options{}, usageError{fmt.Errorf("--nodes=%d: want at least 1", s.nodes)}
	}
	return cluster.Options{
		Dir:    dir,
		BinDir: build.BinDir(filepath.Join(repository, outputDir)),
		Root:   repository,
		Nodes:  s.nodes, Zones: min(s.zones, s.nodes), Spares: s.spares, VCPUs: s.vcpus, MemoryGiB: s.memoryGiB,
		DefaultTimings: s.defaultTimings,
		Without:        s.without,
	}, nil
}
