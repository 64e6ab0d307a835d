// Copyright The virt-scheduler Authors.
// SPDX-License-Identifier: Apache-2.0

// Package clusterview keeps, for one scheduler, what plugins ask of each host
// at every cycle: the load of its guests, the requests of its other pods, its
// migrations, and the group of hosts that are alike in their labels. It
// follows the scheduler's snapshot by the generations of its NodeInfos, so
// that a cycle costs what has changed and not what is there. The NodeInfo is
// the truth; the view is a cache of it. Nothing is decided here, and no copy
// of pods or nodes is kept. docs/design/0006-clusterview.md says why it is as
// it is.
package clusterview
