// Copyright The virt-scheduler Authors.
// SPDX-License-Identifier: Apache-2.0

package proc

import (
	"bytes"
	"fmt"
	"os"
	"path/filepath"
	"strconv"
	"strings"
)

// marker is the environment variable that every started process carries. It
// finds a process that was forked just before its starter was killed, that is
// before the state file could name it.
const marker = "VIRT_SCHEDULER_DEVCLUSTER"

// stat is what /proc/PID/stat tells about a process.
type stat struct {
	state byte // R, S, D, Z, T, ...
	// start is in clock ticks since the machine booted.
	start uint64
}

// readStat reads /proc/PID/stat; os.ErrNotExist when there is no such process.
func readStat(pid int) (stat, error) {
	raw, err := os.ReadFile(filepath.Join("/proc", strconv.Itoa(pid), "stat"))
	if err != nil {
		return stat{}, err
	}
	return parseStat(raw)
}

// parseStat reads the fields after the command name, which stands in brackets
// and may itself hold blanks and brackets.
func parseStat(raw []byte) (stat, error) {
	end := bytes.LastIndexByte(raw, ')')
	if end < 0 {
		return stat{}, fmt.Errorf("process stat %q has no command name", raw)
	}
	fields := strings.Fields(string(raw[end+1:]))
	// proc(5): field 3 is the state, field 22 the start time.
	const startField = 22 - 3
	if len(fields) <= startField {
		return stat{}, fmt.Errorf("process stat %q is too short", raw)
	}
	start, err := strconv.ParseUint(fields[startField], 10, 64)
	if err != nil {
		return stat{}, fmt.Errorf("process stat %q: start time: %w", raw, err)
	}
	return stat{state: fields[0][0], start: start}, nil
}

// machineBoot identifies the running boot of this machine: start times of
// another boot mean nothing.
func machineBoot() (string, error) {
	raw, err := os.ReadFile("/proc/sys/kernel/random/boot_id")
	if err != nil {
		return "", fmt.Errorf("read the machine's boot id: %w", err)
	}
	return strings.TrimSpace(string(raw)), nil
}

// marked returns the processes that carry the cluster's marker.
func marked(id string) []Record {
	entries, err := os.ReadDir("/proc")
	if err != nil {
		return nil
	}
	want := []byte(marker + "=" + id)
	var found []Record
	for _, entry := range entries {
		pid, err := strconv.Atoi(entry.Name())
		if err != nil {
			continue
		}
		environ, err := os.ReadFile(filepath.Join("/proc", entry.Name(), "environ"))
		if err != nil || !hasVariable(environ, want) {
			continue
		}
		st, err := readStat(pid)
		if err != nil || st.state == 'Z' {
			continue
		}
		found = append(found, Record{Name: "pid " + entry.Name(), PID: pid, Start: st.start})
	}
	return found
}

func hasVariable(environ, want []byte) bool {
	for variable := range bytes.SplitSeq(environ, []byte{0}) {
		if bytes.Equal(variable, want) {
			return true
		}
	}
	return false
}
