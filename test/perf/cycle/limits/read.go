// Copyright The virt-scheduler Authors.
// SPDX-License-Identifier: Apache-2.0

package main

import (
	"bufio"
	"fmt"
	"io"
	"strconv"
	"strings"
)

// scenario is where something was measured.
type scenario struct {
	nodes, vms int
	rest       string // which pods, and what else
}

func (s scenario) String() string {
	return fmt.Sprintf("nodes=%d/vms=%d/%s", s.nodes, s.vms, s.rest)
}

// results are values by what was measured ("PreFilter p99-ns"), scenario and profile. The later of two counts.
type results map[string]map[scenario]map[string]float64

func (r results) add(what string, s scenario, profile string, value float64) {
	if r[what] == nil {
		r[what] = map[scenario]map[string]float64{}
	}
	if r[what][s] == nil {
		r[what][s] = map[string]float64{}
	}
	r[what][s][profile] = value
}

// read takes the lines in the format of Go's benchmarks that are about all rounds together, and passes over all else.
func read(in io.Reader) (results, error) {
	r := results{}
	lines := bufio.NewScanner(in)
	for lines.Scan() {
		line := lines.Text()
		if !strings.HasPrefix(line, "BenchmarkPreFilter/") && !strings.HasPrefix(line, "BenchmarkHeap/") {
			continue
		}
		if err := r.read(strings.Fields(line)); err != nil {
			return nil, fmt.Errorf("%w: %s", err, line)
		}
	}
	return r, lines.Err()
}

func (r results) read(fields []string) error {
	if len(fields) < 4 || len(fields)%2 != 0 {
		return fmt.Errorf("not a name, a count, and pairs of value and unit")
	}
	parts := strings.Split(strings.TrimPrefix(fields[0], "Benchmark"), "/")
	var s scenario
	var profile string
	var rest []string
	for _, part := range parts[1:] {
		key, value, _ := strings.Cut(part, "=")
		var err error
		switch key {
		case "nodes":
			s.nodes, err = strconv.Atoi(value)
		case "vms":
			s.vms, err = strconv.Atoi(value)
		case "profile":
			profile = value
			if end := strings.LastIndex(value, "-"); end >= 0 { // the number of processors
				profile = value[:end]
			}
		default:
			rest = append(rest, part)
		}
		if err != nil {
			return err
		}
	}
	if s.nodes == 0 || s.vms == 0 || profile == "" {
		return fmt.Errorf("a name without nodes, vms or profile")
	}
	s.rest = strings.Join(rest, "/")
	for i := 2; i < len(fields); i += 2 {
		value, err := strconv.ParseFloat(fields[i], 64)
		if err != nil {
			return err
		}
		r.add(parts[0]+" "+fields[i+1], s, profile, value)
	}
	return nil
}
