// Copyright The virt-scheduler Authors.
// SPDX-License-Identifier: Apache-2.0

package vmtopologyspread_test

import (
	"testing"

	"k8s.io/klog/v2/ktesting"
	frameworkruntime "k8s.io/kubernetes/pkg/scheduler/framework/runtime"

	"github.com/virt-scheduler/virt-scheduler/pkg/apis/config"
	"github.com/virt-scheduler/virt-scheduler/pkg/clusterview"
	"github.com/virt-scheduler/virt-scheduler/pkg/plugins/readmetest"
	"github.com/virt-scheduler/virt-scheduler/pkg/plugins/vmtopologyspread"
)

func TestReadmeConfigurationRuns(t *testing.T) {
	readmetest.Runs(t, vmtopologyspread.Name, 0)
}

// Arguments that would do nothing are refused.
func TestArgumentsAreRefused(t *testing.T) {
	_, ctx := ktesting.NewTestContext(t)
	handle, err := frameworkruntime.NewFramework(ctx, frameworkruntime.Registry{}, nil)
	if err != nil {
		t.Fatal(err)
	}
	if _, err := vmtopologyspread.NewFactory(clusterview.NewPool())(ctx, &config.VMUtilizationArgs{}, handle); err == nil {
		t.Error("arguments were taken")
	}
}
