// Copyright The virt-scheduler Authors.
// SPDX-License-Identifier: Apache-2.0

package v1

import (
	"k8s.io/apimachinery/pkg/runtime"
)

func setDefault[T any](field **T, value T) {
	if *field == nil {
		*field = &value
	}
}

func addDefaults(scheme *runtime.Scheme) error {
	scheme.AddTypeDefaultingFunc(&VMTaintTolerationArgs{}, func(obj any) {
		if args, ok := obj.(*VMTaintTolerationArgs); ok {
			SetDefaultsVMTaintTolerationArgs(args)
		}
	})
	scheme.AddTypeDefaultingFunc(&VMNodeSelectionArgs{}, func(obj any) {
		if args, ok := obj.(*VMNodeSelectionArgs); ok {
			SetDefaultsVMNodeSelectionArgs(args)
		}
	})
	scheme.AddTypeDefaultingFunc(&VMUtilizationArgs{}, func(obj any) {
		if args, ok := obj.(*VMUtilizationArgs); ok {
			SetDefaultsVMUtilizationArgs(args)
		}
	})
	return nil
}
