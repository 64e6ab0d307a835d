// Copyright The virt-scheduler Authors.
// SPDX-License-Identifier: Apache-2.0

// Package command is the command line of test/quality: flags in, files and tables out.
package command
