// Copyright The virt-scheduler Authors.
// SPDX-License-Identifier: Apache-2.0

// Package kwok makes KWOK's configuration: the stages by which it plays the
// kubelet of a simulated node. KWOK itself is built in hack/kwok.
package kwok

import (
	_ "embed"
	"strings"
)

//go:embed stages.yaml
var stages string

// Config returns the content of KWOK's configuration file.
func Config() []byte {
	return []byte(strings.TrimSpace(stages) + "\n")
}
