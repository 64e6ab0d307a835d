// Copyright The virt-scheduler Authors.
// SPDX-License-Identifier: Apache-2.0

package e2e

import (
	"errors"
	"fmt"
	"os"
	"strings"

	"github.com/virt-scheduler/virt-scheduler/hack/devcluster/build"
	"github.com/virt-scheduler/virt-scheduler/hack/devcluster/cluster"
)

// nothingDenied is asked when all tests have run: in all that they made our programs do, the API server refused nothing for want of a
// permission. RBAC in manifests/ is complete, then; that it is not more than that, other tests say.
func nothingDenied(c *cluster.Cluster) error {
	var errs []error
	for _, program := range []string{build.VirtScheduler, build.FailureWatcher} {
		log, err := os.ReadFile(c.LogPath(program))
		if err != nil {
			errs = append(errs, err)
			continue
		}
		if len(log) == 0 {
			errs = append(errs, fmt.Errorf("%s has logged nothing: its log can't say whether it lacks permissions", program))
		}
		for line := range strings.Lines(string(log)) {
			if strings.Contains(line, "forbidden") {
				errs = append(errs, fmt.Errorf("%s lacks a permission (%s): %s", program, c.LogPath(program), strings.TrimSpace(line)))
			}
		}
	}
	return errors.Join(errs...)
}
