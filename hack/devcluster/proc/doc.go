// Copyright The virt-scheduler Authors.
// SPDX-License-Identifier: Apache-2.0

// Package proc starts, watches and ends the processes of an embedded cluster.
//
// What it promises: a state file names every process it started by pid and start
// time from the moment it runs, so that whoever finds the file can end exactly
// those processes, also after the starter was killed. A process is never named
// by its command line, and a pid that now belongs to another process is left
// alone. Nothing here knows what the processes are.
package proc
